"""Demonstrations of a careless simulated operator, to be improved by preferences about style.

Those that ship are of an operator who carries the cup with care: 1.6 degrees off the vertical once they are cloned, and
65 mm from the glass. There is nothing left that answers could ask for. This one lets the cup lean and cuts the corner,
and succeeds as often; its delay, unsteady hand, pauses and slips are those of the one that ships.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, versions
from robo_rlhf.sim.operators.scripted import PERSON, ScriptedOperator
from robo_rlhf.sim.tasks.carry_upright import CarryUpright

NAME = "careless/carry_upright"
FIRST_SEED = 3_500_000  # neither evaluations nor the demonstrations that ship begin there
AT_ONCE = 32


class Careless(CarryUpright):
    """carry_upright, whose scripted operator lets the cup lean and passes near the glass."""

    around: ClassVar[float] = 0.095  # [m] between the middles of cup and glass
    lean: ClassVar[float] = 0.2  # [rad]


def demonstrations(home: Path, count: int = 24) -> Dataset:
    """Return the first `count` successes of the careless operator, in a dataset of `home`; recorded once."""
    dataset = Dataset(home / NAME, create=True, task=CarryUpright.name)
    if len(dataset.ids()) < count:
        found = successes(count)
        dataset.add_many([e for e in found if e.meta.id not in dataset])
    return dataset


def successes(count: int) -> list[Episode]:
    """Return as many episodes that succeed, of the first seeds that do."""
    env = TaskEnv(Careless(), AT_ONCE)
    operator = ScriptedOperator(env, PERSON)
    found: list[Episode] = []
    first = FIRST_SEED
    while len(found) < count:
        seeds = np.arange(first, first + AT_ONCE)
        operator.reseed(seeds)
        known = {"operator": "careless simulated operator", "device": "scripted", "versions": versions()}
        episodes = rollout(env, operator, seeds, source=Source.SCRIPTED, meta=known, steps=round(1.6 * env.horizon))
        found += [episode for episode in episodes if episode.meta.outcome == "success"]
        first += AT_ONCE
    return found[:count]
