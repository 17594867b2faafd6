"""A guest: a robot out of an MJCF file."""

from robo_rlhf.sim.robot import Robot
from sim_assets import ASSETS


class Short(Robot):
    """An arm of six joints; but for the point between its fingertips, all is found in the model."""

    name = "short"
    end_effector = "grip_point"

    def model(self):
        return ASSETS / "arm6.xml"
