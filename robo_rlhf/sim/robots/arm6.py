"""arm6: six joints, and a gripper whose two coupled fingers one motor drives."""

from pathlib import Path
from typing import ClassVar

from robo_rlhf.sim.robot import Robot
from robo_rlhf.sim.robots import ROBOTS
from sim_assets import ASSETS


@ROBOTS.register("arm6")
class SixJoints(Robot):
    """The arm of `sim_assets/arm6.xml`; but for the point between its fingertips, all is found in the model."""

    name: ClassVar[str] = "arm6"
    end_effector: ClassVar[str] = "grip_point"

    def model(self) -> Path:
        """Return its file."""
        return ASSETS / "arm6.xml"
