"""Trained policies, one file a kind, found by name in `POLICIES`."""

from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.registry import Registry

POLICIES: Registry[type[TrainedPolicy]] = Registry("policy", "robo_rlhf.policies")
