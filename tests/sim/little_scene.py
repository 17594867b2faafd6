"""A small scene for tests of drawing: a hinged arm, a free cube, a goal that only people see, three cameras."""

import mujoco
import numpy as np

from robo_rlhf.core.types import Array

MJCF = """
<mujoco>
  <visual><headlight ambient=".4 .4 .4"/></visual>
  <worldbody>
    <light pos="1 -1 3" dir="-.3 .3 -1" type="directional"/>
    <geom type="plane" size="2 2 .1" rgba=".6 .6 .6 1"/>
    <camera name="front" pos="1.5 0 1" xyaxes="0 1 0 -.55 0 .83"/>
    <camera name="side" pos="0 -1.5 1" xyaxes="1 0 0 0 .55 .83"/>
    <body name="arm" pos="0 0 .3">
      <joint name="hinge" axis="0 0 1"/>
      <geom type="capsule" fromto="0 0 0 .4 0 0" size=".05" rgba=".2 .3 .8 1"/>
      <camera name="wrist" pos=".5 0 .4" xyaxes="0 1 0 -1 0 .3"/>
    </body>
    <body name="cube" pos=".3 .3 .06"><freejoint/><geom type="box" size=".06 .06 .06" rgba=".9 .2 .2 1"/></body>
    <body name="goal" mocap="true" pos=".3 -.3 .1"><site size=".08" rgba="0 1 0 .5"/></body>
  </worldbody>
</mujoco>
"""
STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


def states(count: int, turn: float = 0.1) -> Array:
    """Return states (count, nstate) in which the arm turns by `turn` [rad] a frame."""
    model = mujoco.MjModel.from_xml_string(MJCF)
    data = mujoco.MjData(model)
    rows = np.empty((count, mujoco.mj_stateSize(model, STATE)))
    for index, row in enumerate(rows):
        data.qpos[0] = turn * index
        mujoco.mj_getState(model, data, row, STATE)
    return rows


def with_goal_at(state: Array, position: tuple[float, float, float]) -> Array:
    """Return the state with the goal elsewhere [m]."""
    model = mujoco.MjModel.from_xml_string(MJCF)
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, state, STATE)
    data.mocap_pos[0] = position
    moved = np.empty_like(state)
    mujoco.mj_getState(model, data, moved, STATE)
    return moved
