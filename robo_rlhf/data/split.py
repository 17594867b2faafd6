"""Training and validation splits of a dataset, with no frame in two of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from robo_rlhf.core.errors import InvalidValueError


def split_families(parents: Mapping[str, str], fractions: Sequence[float], seed: int) -> tuple[tuple[str, ...], ...]:
    """Return the ids in as many parts as there are fractions; those that branched from one another stay together.

    Args:
        parents: the parent of each episode, "" where it has none.
        fractions: how much of all episodes goes into each part.
        seed: the same seed gives the same parts.

    Raises:
        InvalidValueError: the fractions are negative or do not add up to 1.
    """
    if any(fraction < 0 for fraction in fractions) or abs(sum(fractions) - 1) > 1e-6:
        raise InvalidValueError("fractions of a split", str(list(fractions)), "non-negative values that add up to 1")
    families: dict[str, list[str]] = {}
    for episode_id in parents:
        families.setdefault(_root(episode_id, parents), []).append(episode_id)
    ends = np.round(np.cumsum(fractions) * len(parents))
    parts: list[list[str]] = [[] for _ in fractions]
    placed = 0
    for index in np.random.default_rng(seed).permutation(len(families)):
        family = families[sorted(families)[index]]
        parts[int(np.searchsorted(ends, placed, side="right"))] += family
        placed += len(family)
    return tuple(tuple(sorted(part)) for part in parts)


def _root(episode_id: str, parents: Mapping[str, str]) -> str:
    """Return the oldest ancestor of an episode, which itself need not be there any more."""
    seen = {episode_id}
    while (parent := parents.get(episode_id, "")) and parent not in seen:
        episode_id = parent
        seen.add(parent)
    return episode_id
