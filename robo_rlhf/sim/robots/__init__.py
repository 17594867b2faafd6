"""Robots, one file each, registered by name in `ROBOTS`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.sim.robot import Robot

ROBOTS: "Registry[type[Robot]]" = Registry("robot", "robo_rlhf.sim.robots", base="robo_rlhf.sim.robot:Robot")
DEFAULT = "arm"  # of every arm task that names no other
