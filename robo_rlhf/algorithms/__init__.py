"""Algorithms, one file each, registered by name in `ALGORITHMS`: each is the command `robo-rlhf train NAME`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.algorithms.base import Algorithm

ALGORITHMS: "Registry[type[Algorithm]]" = Registry(
    "algorithm", "robo_rlhf.algorithms", base="robo_rlhf.algorithms.base:Algorithm"
)
