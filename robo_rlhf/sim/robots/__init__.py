"""Robots, one file each, registered by name in `ROBOTS`: functions that return a `Robot`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.sim.robot import Robot

ROBOTS: "Registry[Callable[[], Robot]]" = Registry("robot", "robo_rlhf.sim.robots")
DEFAULT = "arm"  # of every arm task that names no other
