"""Base class of arm tasks: control, the hand's part of the observation, signals, and scripted motion."""

import functools
from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics import inverse_kinematics
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.physics.rotation import (
    quat_between,
    quat_from_rotvec,
    quat_multiply,
    quat_to_rotvec,
    yaw_of_quat,
)
from robo_rlhf.sim.robot import open_arm
from robo_rlhf.sim.robot_tools.arm import HOME_EE, HOME_QUAT, Arm, Workspace
from robo_rlhf.sim.robots import DEFAULT
from robo_rlhf.sim.scenes import scene
from robo_rlhf.sim.task import Task
from robo_rlhf.sim.task_tools.tolerance import distance

HAND_NAMES = (
    *("hand_x", "hand_y", "hand_z"),  # [m]
    *("lead_x", "lead_y", "lead_z"),  # [m] target ahead of the hand
    *("hand_cos", "hand_sin"),  # twice the hand's yaw
    *("lead_yaw", "opening"),  # [rad], [m]
)
CUBE_NAMES = (
    *("cube_dx", "cube_dy", "cube_dz", "cube_z"),  # [m] from the hand; height
    *("cube_cos", "cube_sin"),  # four times the cube's yaw ahead of the hand's
    "cube_up",  # cosine of the cube's tilt
)
HOVER = 0.10  # [m] height of the fingertips above an object before they descend to it
DOWN = np.array(HOME_QUAT)
SETTLE = 0.25  # gain from a pose error to a command: one over the number of steps in which the error closes


class ArmTask(Task):
    """A task of an arm: actions move the hand's target by x y z and yaw, and set the gripper."""

    horizon: ClassVar[int] = 120
    workspace: ClassVar[Workspace] = Workspace()
    robot: ClassVar[str] = DEFAULT

    @property
    def arm(self) -> Arm:
        """The arm of this task's robot."""
        return open_arm(self.robot)

    @classmethod
    def with_robot(cls, robot: str) -> type[Task]:
        """Return this task with another robot.

        Raises:
            UnknownNameError: there is none of that name.
            RoboRlhfError: its model lacks something, or leaves open what is meant.
        """
        return cls if robot == DEFAULT else _with_robot(cls, robot)

    def tabletop(self) -> mujoco.MjSpec:
        """Return the table with this task's robot, and the sensor of its signal `contact_force`."""
        spec = scene.tabletop(self.arm)
        scene.add_contact_sensor(spec, self.arm.contact_body)
        return spec

    def control(self, sim: BatchSim, action: Array) -> None:
        """Move the target by the action, then aim the joints at it."""
        act = action.astype(np.float64)
        turn = np.zeros((sim.num_envs, 3))
        turn[:, 7 - action.shape[1] :] = act[:, 3:-1] * inverse_kinematics.MAX_TURN
        inverse_kinematics.move_target(sim, act[:, :3] * inverse_kinematics.MAX_STEP, turn, self.workspace)
        joints = inverse_kinematics.reach_target(sim, self.arm)
        inverse_kinematics.apply_arm(sim, self.arm, joints, act[:, -1])

    def signals(self, sim: BatchSim) -> Mapping[str, Array]:
        """Return the hand's position [m] and the contact force on it [N]."""
        force = sim.sensor("contact_force")
        return {
            "ee_pos": sim.site_pos("ee").astype(np.float32),
            "contact_force": np.sqrt(np.add.reduce(force * force, axis=-1, keepdims=True)).astype(np.float32),
        }

    def place_arm(self, sim: BatchSim, index: int, rng: np.random.Generator, spread: float = 0.03) -> None:
        """Reset the arm of copy `index` to home, the hand displaced by up to `spread` [m], gripper open."""
        position = HOME_EE + rng.uniform(-spread, spread, 3)
        joints = inverse_kinematics.pose_joints(sim, self.arm, self.arm.home, position, DOWN)
        qpos, _, arm = sim.joint_columns(self.arm.joints)
        sim.bind("qpos")[index, qpos] = joints
        sim.ctrl[index, arm] = joints
        for joint, at in self.arm.rest.items():
            sim.qpos(joint)[index] = at
        sim.ctrl[index, sim.actuator_ids(self.arm.gripper)] = self.arm.open
        sim.mocap_pos("target")[index] = position
        sim.mocap_quat("target")[index] = DOWN

    def observe_hand(self, sim: BatchSim) -> list[Array]:
        """Return the columns named in `HAND_NAMES`, in parts (N, k)."""
        hand = sim.site_pos("ee")
        mat = sim.site_mat("ee")
        lead = quat_to_rotvec(quat_between(sim.mocap_quat("target"), inverse_kinematics.hand_quat(sim)))[:, 2:]
        cos, sin = mat[:, 0, 0], mat[:, 1, 0]  # of the yaw; the gripper looks the same after half a turn
        double = np.stack([cos * cos - sin * sin, 2 * sin * cos], axis=1)
        return [hand, sim.mocap_pos("target") - hand, double, lead, self.opening(sim)[:, None]]

    def opening(self, sim: BatchSim) -> Array:
        """Distance between the fingertips (N,) [m]."""
        return self.arm.opening(sim)

    def grip_command(self, sim: BatchSim) -> Array:
        """The last gripper command (N,), from -1 (open) to 1 (closed)."""
        return inverse_kinematics.grip_command(sim, self.arm)

    def place_cube(
        self, sim: BatchSim, index: int, name: str, at: Array, height: float, rng: np.random.Generator
    ) -> None:
        """Place a free block of copy `index` at (x, y) and `height` [m] of its centre, with a random yaw."""
        yaw = rng.uniform(-np.pi / 4, np.pi / 4)
        sim.qpos(name)[index] = *at, height, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)

    def observe_cube(self, sim: BatchSim, name: str) -> list[Array]:
        """Return the columns named in `CUBE_NAMES` of a free block, in parts (N, k)."""
        cube, quat = sim.body_pos(name), sim.body_quat(name)
        ahead = 4 * (yaw_of_quat(quat) - yaw_of_quat(sim.mocap_quat("target")))
        up = 1 - 2 * (quat[:, 1] ** 2 + quat[:, 2] ** 2)
        return [cube - sim.site_pos("ee"), cube[:, 2:], np.stack([np.cos(ahead), np.sin(ahead), up], axis=1)]

    def cube_yaw(self, sim: BatchSim, name: str) -> Array:
        """Return the smallest rotation (N,) [rad] from home at which the gripper's pads align with a block's faces."""
        return wrap_quarter(yaw_of_quat(sim.body_quat(name)))

    def holds(self, sim: BatchSim, name: str, half: float) -> Array:
        """Whether closed fingers are around a block of half width `half` [m] (N,)."""
        return self.holds_at(sim, distance(sim.site_pos("ee"), sim.body_pos(name)), half)

    def holds_at(self, sim: BatchSim, gap: Array, half: float) -> Array:
        """Whether closed fingers are around a block whose middle is `gap` (N,) [m] from between their tips."""
        return (gap < 0.025) & (self.grip_command(sim) > 0) & (self.opening(sim) < 2.4 * half)

    def grasp(
        self, sim: BatchSim, at: Array, yaw: Array, hover: float = HOVER, mouth: float = 0.012, slope: float = 4.0
    ) -> tuple[Array, Array, Array, Array]:
        """Return goal (N, 3), yaw, grip and speed of an open hand that comes down over `at` (N, 3) and closes there.

        It comes down the `funnel` of that `mouth` [m] and `slope`, at most `hover` [m] high.
        """
        hand = sim.site_pos("ee")
        aside = distance(hand[:, :2], at[:, :2])
        goal = at.copy()
        goal[:, 2] += funnel(aside, hover, mouth, slope)
        near_it = (aside < 0.03) & (hand[:, 2] < at[:, 2] + 0.05)
        closing = (aside < 0.015) & (hand[:, 2] < at[:, 2] + 0.012)
        return goal, yaw, np.where(closing, 1.0, -1.0), np.where(near_it, 0.5, 0.8)

    def steer(self, sim: BatchSim, goal: Array, yaw: Array, grip: Array, speed: Array | float = 1.0) -> Array:
        """Return actions (N, 5) that move the target to `goal` (N, 3) [m] and `yaw` (N,) [rad], and set the gripper.

        `speed` in [0, 1] scales the fastest motion; the command eases out near the goal. Yaw is taken modulo π.
        """
        to_goal = goal - sim.mocap_pos("target")
        length = distance(goal, sim.mocap_pos("target"))[:, None]
        limit = np.broadcast_to(np.asarray(speed, np.float64), (sim.num_envs,))[:, None]
        wanted = np.minimum(SETTLE * length / inverse_kinematics.MAX_STEP, limit)
        linear = to_goal / np.maximum(length, 1e-9) * wanted
        quat = quat_multiply(quat_from_rotvec(yaw[:, None] * np.array([0.0, 0.0, 1.0])), DOWN[None])
        ahead = quat_to_rotvec(quat_between(quat, sim.mocap_quat("target")))[:, 2]
        ahead = wrap_half(ahead)
        turn = np.clip(SETTLE * 2 * ahead / inverse_kinematics.MAX_TURN, -limit[:, 0], limit[:, 0])
        return np.concatenate([linear, turn[:, None], grip[:, None]], axis=1).astype(np.float32)


@functools.cache
def _with_robot(task: type[ArmTask], name: str) -> type[Task]:
    workspace = task.workspace.within(open_arm(name).workspace)
    more = {"name": f"{task.name}@{name}", "robot": name, "workspace": workspace}
    return type(task.__name__, (task,), {"__doc__": task.__doc__, "__module__": task.__module__, **more})


def wrap_half(angle: Array) -> Array:
    """Return the angle modulo π, within [-π/2, π/2): a parallel gripper looks the same after half a turn."""
    return np.mod(angle + np.pi / 2, np.pi) - np.pi / 2


def wrap_quarter(angle: Array) -> Array:
    """Return the angle modulo π/2, within [-π/4, π/4): a square block looks the same after a quarter turn."""
    return np.mod(angle + np.pi / 4, np.pi / 2) - np.pi / 4


def funnel(aside: Array, top: float, mouth: float = 0.012, slope: float = 4.0) -> Array:
    """Return the height (N,) [m] to keep above a goal while the hand is still `aside` (N,) [m] of it, at most `top`."""
    return np.clip(slope * (aside - mouth), 0.0, top)


def columns(parts: list[Array]) -> Array:
    """Join parts (N, k) to an observation (N, obs_dim) float32."""
    return np.concatenate(parts, axis=1).astype(np.float32)
