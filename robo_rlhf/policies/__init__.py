"""Trained policies, one file per kind, registered by name in `POLICIES`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.policies.base import TrainedPolicy

POLICIES: "Registry[type[TrainedPolicy]]" = Registry(
    "policy", "robo_rlhf.policies", base="robo_rlhf.policies.base:TrainedPolicy", called="kind"
)
