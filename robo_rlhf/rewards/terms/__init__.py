"""Terms that a reward is summed up from, one file a kind, found by name in `TERMS`."""

from robo_rlhf.core.registry import Registry
from robo_rlhf.rewards.terms.base import Term

TERMS: Registry[type[Term]] = Registry("reward term", "robo_rlhf.rewards.terms")
"""The seam for reward terms: what a step is worth besides, or instead of, what people would say of it."""
