"""A guest: a gantry, three slides and a hinge, with two fingers."""

from robo_rlhf.sim.robot import Robot

GANTRY = """
<mujoco model="gantry">
  <compiler angle="radian"/>
  <option timestep="0.005"/>
  <default>
    <position kp="2000" kv="120"/><joint damping="1" armature="0.1"/>
    <default class="link"><geom contype="0" conaffinity="0"/></default>
  </default>
  <worldbody>
    <geom type="box" size=".03 .03 .4" pos="0 0 .4"/>
    <body name="x" pos="0 0 .8">
      <joint name="x" type="slide" axis="1 0 0" range="0 1"/>
      <geom class="link" type="box" size=".03 .03 .03" mass="1"/>
      <body name="y">
        <joint name="y" type="slide" axis="0 1 0" range="-.5 .5"/>
      <geom class="link" type="box" size=".03 .03 .03" mass="1"/>
        <body name="z">
          <joint name="z" type="slide" axis="0 0 -1" range="0 .7"/>
      <geom class="link" type="box" size=".02 .02 .05" mass="1"/>
          <body name="turn" pos="0 0 -.05" quat="0 1 0 0">
            JOINT
            <geom class="link" type="box" size=".06 .06 .01" mass=".5"/>
            <body name="one"><joint name="one" type="slide" axis="0 1 0" range="0 .045"/>
              <geom type="box" size=".01 .004 .03" pos="0 .004 .06" mass=".05" friction="1.3"/></body>
            <body name="two"><joint name="two" type="slide" axis="0 -1 0" range="0 .045"/>
              <geom type="box" size=".01 .004 .03" pos="0 -.004 .06" mass=".05" friction="1.3"/></body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position joint="x"/><position joint="y"/><position joint="z"/>DRIVE
    <position name="one" joint="one" ctrlrange="0 .045" forcerange="-30 30"/>
    <position name="two" joint="two" ctrlrange="0 .045" forcerange="-30 30"/>
  </actuator>
  <keyframe><key name="home" qpos="0 0 0 0 0 0"/></keyframe>
</mujoco>
"""
TURN, TURN_DRIVE = '<joint name="turn" axis="0 0 1" range="-3 3"/>', '<position joint="turn" kp="200" kv="12"/>'
MODEL = GANTRY.replace("JOINT", TURN).replace("DRIVE", TURN_DRIVE)


class Gantry(Robot):
    """A hand that hangs from a gantry."""

    name = "gantry"

    def model(self):
        return MODEL
