"""Base class of robots: an arm with a gripper, out of any MJCF, for every arm task."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.sim.physics.model_warnings import mujoco_warns_the_log
from robo_rlhf.sim.robot_tools.arm import ARM_BASE, Arm, Workspace
from robo_rlhf.sim.robot_tools.from_model import from_model
from robo_rlhf.sim.robots import ROBOTS


class Robot(ABC):
    """One robot. What a class leaves out is found in its model where that is unambiguous, and said by `findings`.

    Names are those of the model, whatever they are. Its keyframes, lights and options are left out of the scene, and
    gravity on it is compensated, as arm controllers do.
    """

    name: ClassVar[str]
    end_effector: ClassVar[str] = ""  # site or body between the fingertips, z out of the hand; else their middle
    joints: ClassVar[tuple[str, ...]] = ()  # base to hand; else up to the end effector, or to where the model branches
    gripper: ClassVar[Mapping[str, tuple[float, float]]] = {}  # actuator → control (open, closed); else all other ones
    fingers: ClassVar[tuple[str, ...]] = ()  # two bodies; else those that the gripper brings together
    home: ClassVar[tuple[float, ...]] = ()  # [rad, m] near which home is; else the keyframe "home", or mid-range
    base: ClassVar[tuple[float, float, float]] = ARM_BASE  # [m] on the table, whose top is z = 0
    base_yaw: ClassVar[float] = 0.0  # [rad]
    workspace: ClassVar[Workspace] = Workspace()  # of the hand; a task may narrow it

    @abstractmethod
    def model(self) -> Path | str | mujoco.MjSpec:
        """Return the model: a path, MJCF text or a spec of the robot alone, its base at the origin."""

    def arm(self) -> Arm:
        """Return the arm that tasks move.

        Raises:
            NotFoundError, UnknownNameError: no such file, or no such thing in the model.
            InvalidValueError: MuJoCo refuses the model, or it lacks something, or leaves open what is meant.
        """
        return from_model(
            self.model(),
            end_effector=self.end_effector,
            joints=self.joints,
            gripper=self.gripper,
            fingers=self.fingers,
            home=self.home,
            base=self.base,
            base_yaw=self.base_yaw,
            workspace=self.workspace,
        )


@functools.cache
def open_arm(name: str) -> Arm:
    """Return the arm of the robot of that name.

    Raises:
        UnknownNameError: there is none.
        RoboRlhfError: its model lacks something, or leaves open what is meant.
    """
    robot = ROBOTS[name]
    try:
        with mujoco_warns_the_log():
            return robot().arm()
    except ValueError as error:  # of MuJoCo, where the robot puts its model together
        raise RoboRlhfError(f"The model of robot {name} cannot be put together: {error}") from error
