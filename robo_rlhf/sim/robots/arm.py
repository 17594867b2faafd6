"""arm: the default robot, seven joints and a parallel gripper whose fingers slide."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.robot import Robot
from robo_rlhf.sim.robot_tools.arm import ARM_BASE, Arm
from robo_rlhf.sim.robots import ROBOTS
from sim_assets import ASSETS

FINGERS = ("finger_left", "finger_right")  # joints, actuators and bodies
STROKE = 0.04  # [m] a finger opens


@dataclass(frozen=True, kw_only=True, eq=False)
class SlidingFingers(Arm):
    """An arm whose fingers slide: their joints give the opening."""

    def opening(self, sim: BatchSim) -> Array:
        """Distance between the fingertips (N,) [m]: how far both fingers are from touching."""
        return (sim.qpos(FINGERS[0]) + sim.qpos(FINGERS[1]))[:, 0]


@ROBOTS.register("arm")
class SevenJoints(Robot):
    """The arm of `sim_assets/arm.xml`. Its model is the scene's, and its names are; nothing has to be found."""

    name: ClassVar[str] = "arm"

    def model(self) -> Path:
        """Return its file."""
        return ASSETS / "arm.xml"

    def arm(self) -> Arm:
        """Return the arm, as stated here."""
        spec = mujoco.MjSpec.from_file(str(self.model()))
        spec.body("link0").pos = ARM_BASE
        return SlidingFingers(
            spec=spec,
            joints=tuple(f"joint{i}" for i in range(1, 8)),
            # the hand points straight down with `ee` at HOME_EE
            home=np.array((0.0, -0.0417587094, 0.0, -2.33427222, 0.0, 2.29251351, np.pi / 4)),
            gripper=FINGERS,
            open=np.full(2, STROKE),
            closed=np.zeros(2),
            rest=dict.fromkeys(FINGERS, STROKE),
            fingers=FINGERS,
            contact_body="hand",
        )
