"""Weights of demonstrations by who showed them: the quicker and the smoother an operator is, the more theirs count."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from robo_rlhf.core.types import Episode
from robo_rlhf.training_tools.reward_weights import RewardWeighting

LEAST = 0.1  # ratio to the best operator that counts as the smallest
PRIOR = 4  # demonstrations of an operator at which half of the difference to the others is believed
FEWEST = 3  # demonstrations of an operator from which they are compared with others
STEEP = 8.0  # power of the ratio to the best operator: who takes twice as long hardly counts


def weights_by_operator(episodes: Sequence[Episode]) -> RewardWeighting | None:
    """Return weights of mean 1 of all steps; None where fewer than two operators can be compared.

    An operator's measure is the geometric mean of two ratios to the best operator: of the time that they need (the
    median steps of a demonstration), and of how unsteady they are (the median change of the change of their commands,
    as a share of what they command, so that a pause is not steadiness).
    """
    shares = operator_shares(episodes)
    if not shares:
        return None
    share = [shares.get(episode.meta.operator, 1.0) for episode in episodes]
    usual = float(np.average(share, weights=[len(episode) for episode in episodes]))
    return RewardWeighting(
        {e.meta.id: np.full(len(e), one / usual, np.float32) for e, one in zip(episodes, share, strict=True)}
    )


def operator_shares(episodes: Sequence[Episode]) -> Mapping[str, float]:
    """Return how much a step of each operator counts, in (0, 1]; empty where there are no two to compare."""
    shown = defaultdict[str, list[Episode]](list)
    for episode in episodes:
        if len(episode) > 2:
            shown[episode.meta.operator].append(episode)
    compared = {operator: some for operator, some in shown.items() if len(some) >= FEWEST}
    if len(compared) < 2:
        return {}
    steps = {operator: median(len(episode) for episode in some) for operator, some in compared.items()}
    unsteady = {operator: median(map(_unsteadiness, some)) for operator, some in compared.items()}
    fastest, steadiest = min(steps.values()), min(unsteady.values())
    found = {}
    for operator, some in compared.items():
        ratio = math.sqrt(fastest / steps[operator] * _ratio(steadiest, unsteady[operator]))
        found[operator] = max(ratio, LEAST) ** (STEEP * len(some) / (len(some) + PRIOR))
    return found


def _unsteadiness(episode: Episode) -> float:
    """Return the change of the change of the commands of an episode, over all of them, as a share of the commands."""
    action = episode.action.astype(np.float64)
    commanded = float(np.abs(action).sum())
    return float(np.abs(np.diff(action, n=2, axis=0)).sum()) / commanded if commanded else 0.0


def _ratio(best: float, own: float) -> float:
    return best / own if own > 0 else 1.0
