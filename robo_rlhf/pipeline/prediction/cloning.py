"""A minute of cloning: policies from parts of the demonstrations, tried in rollouts, in a bounded time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode, VecEnv
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.dataset_check import ROLLOUTS, learning_curve
from robo_rlhf.pipeline.prediction.model import CurvePoint
from robo_rlhf.pipeline.recipe.speed import time_updates
from robo_rlhf.rollouts.evaluation import Evaluation
from robo_rlhf.rollouts.rollout import rollout

CLONE = PipelineConfig().clone  # as a run clones, but for the time: a smaller network says less of it
FEWEST = 4  # demonstrations from which on it can be told
PARTS = ((0.5, 1.0), (1.0,))  # of the demonstrations; the second where there is no time for the first
LEAST_UPDATES, LEAST_ROLLOUTS = 300, 24
ROLLING = 0.2  # share of the time in which policies are tried, where that is enough
STEPS = 8  # of the environment that are timed
Clock = Callable[[], float]


class CloningWork(NamedTuple):
    """How much is cloned and tried."""

    parts: tuple[float, ...]  # of the demonstrations
    updates: int
    rollouts: int


def clone_parts(
    shown: Sequence[Episode], env: VecEnv, minutes: float, clock: Clock = time.process_time
) -> tuple[list[CurvePoint], Evaluation]:
    """Return the learning curve, all demonstrations last, and the evaluation of the policy cloned from all of them.

    Raises:
        InvalidValueError: there are too few, the environment marks no success, or the minutes are not enough.
    """
    if len(shown) < FEWEST:
        expected = f"at least {FEWEST} successful ones: from fewer it cannot be told"
        raise InvalidValueError("demonstrations to plan by", len(shown), expected)
    if not any(episode.success.any() for episode in shown):
        raise InvalidValueError(
            "task to plan", env.name, "one whose environment marks success, which is what is planned"
        )
    work = affordable(60 * minutes, *_costs(shown, env, clock), env.horizon)
    found = learning_curve(
        shown, env, parts=work.parts, clone=replace(CLONE, updates=work.updates), rollouts=work.rollouts
    )
    return [CurvePoint(count, sum(one.success_end), one.episodes) for count, one in found], found[-1][1]


def affordable(seconds: float, update: float, step: float, horizon: int) -> CloningWork:
    """Return the work that fits in a time [s], by what a gradient step and a step of a copy cost [s].

    Raises:
        InvalidValueError: not even the least does.
    """
    for parts in PARTS:
        each = seconds / len(parts)
        if LEAST_UPDATES * update + LEAST_ROLLOUTS * horizon * step <= each:
            rollouts = int(np.clip(ROLLING * each / (horizon * step), LEAST_ROLLOUTS, ROLLOUTS))
            left = each - rollouts * horizon * step
            updates = int(np.clip(left / max(update, 1e-9), LEAST_UPDATES, CLONE.updates))
            return CloningWork(parts, updates, rollouts)
    least = (LEAST_UPDATES * update + LEAST_ROLLOUTS * horizon * step) / 60
    why = f"at least {least:.2g}: a step takes {1000 * step:.3g} ms here, a gradient step {1000 * update:.3g} ms"
    raise InvalidValueError("--cloning", f"{seconds / 60:g}", why)


def _costs(shown: Sequence[Episode], env: VecEnv, clock: Clock) -> tuple[float, float]:
    """Return the seconds of a gradient step, and of a step of one copy of the environment."""
    policy, update = time_updates(CLONE, list(shown), clock)
    seeds = np.arange(env.num_envs)
    begun = clock()
    rollout(env, policy, seeds, record_state=False, steps=STEPS)
    return update, max((clock() - begun) / (STEPS * env.num_envs), 1e-9)
