"""Reward models, one file per kind, registered by name in `REWARDS`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.rewards.base import RewardModel

REWARDS: "Registry[type[RewardModel]]" = Registry(
    "reward model", "robo_rlhf.rewards", base="robo_rlhf.rewards.base:RewardModel", called="kind"
)
