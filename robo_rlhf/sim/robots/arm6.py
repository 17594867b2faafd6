"""arm6: six joints, and a gripper whose two coupled fingers one motor drives."""

from robo_rlhf.sim.robot import Robot
from robo_rlhf.sim.robot_tools.from_model import from_model
from robo_rlhf.sim.robots import ROBOTS
from sim_assets import ASSETS


@ROBOTS.register("arm6")
def arm6() -> Robot:
    """Return the arm of `sim_assets/arm6.xml`; all else is found in the model."""
    return from_model(ASSETS / "arm6.xml", end_effector="grip_point")
