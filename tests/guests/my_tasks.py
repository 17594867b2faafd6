"""A guest: press a button with the fingertip."""

import mujoco
import numpy as np

from robo_rlhf.sim.task import Task


class PressButton(Task):
    """Slide a finger along a rail onto a button."""

    name = "press_button"
    instruction = "Press the red button."
    horizon = 40
    obs_names = ("finger_x", "finger_v", "button_x")
    action_names = ("x",)
    goals = ("button",)

    def scene(self):
        spec = mujoco.MjSpec()
        spec.option.timestep = 0.01
        world = spec.worldbody
        world.add_light(pos=[0, 0, 2])
        world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
        finger = world.add_body(name="finger", pos=[0, 0, 0.1])
        finger.add_joint(name="x", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0], damping=2)
        finger.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.03], mass=0.2)
        finger.add_camera(name="wrist", pos=[0, -0.3, 0.2], xyaxes=[1, 0, 0, 0, 0.6, 0.8])
        button = world.add_body(name="button", mocap=True, pos=[0.3, 0, 0.02])
        button.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[0.04, 0.01], rgba=[1, 0, 0, 1], contype=0, conaffinity=0
        )
        world.add_camera(name="front", pos=[0, -1.2, 0.6], xyaxes=[1, 0, 0, 0, 0.4, 0.9])
        world.add_camera(name="top", pos=[0, 0, 1.5])
        motor = spec.add_actuator(name="push", target="x", trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.ctrlrange = [-1, 1]
        return spec

    def reset(self, sim, index, rng):
        sim.qpos("x")[index, 0] = rng.uniform(-0.4, -0.1)
        sim.mocap_pos("button")[index, 0] = rng.uniform(0.1, 0.4)

    def control(self, sim, action):
        sim.ctrl[:] = action

    def observe(self, sim):
        return np.stack([sim.qpos("x")[:, 0], sim.qvel("x")[:, 0], sim.mocap_pos("button")[:, 0]], 1).astype(np.float32)

    def distance(self, sim):
        return np.abs(sim.qpos("x")[:, 0] - sim.mocap_pos("button")[:, 0])

    def reward_terms(self, sim):
        return {"near": 1 - np.tanh(3 * self.distance(sim))}

    def success(self, sim):
        return self.distance(sim) < 0.03

    def signals(self, sim):
        place = np.zeros((sim.num_envs, 3), np.float32)
        place[:, 0] = sim.qpos("x")[:, 0]
        return {"ee_pos": place}
