"""Reward terms, one file per kind, registered by name in `TERMS`."""

from robo_rlhf.core.registry import Registry
from robo_rlhf.rewards.terms.base import Term

TERMS: Registry[type[Term]] = Registry(
    "reward term", "robo_rlhf.rewards.terms", base="robo_rlhf.rewards.terms.base:Term"
)
"""The registry of reward terms, which are added to the learned reward or replace it."""
