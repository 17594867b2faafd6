"""Reward models, one file a kind, found by name in `REWARDS`."""

from robo_rlhf.registry import Registry
from robo_rlhf.rewards.base import RewardModel

REWARDS: Registry[type[RewardModel]] = Registry("reward model", "robo_rlhf.rewards")
