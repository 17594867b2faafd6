"""Demonstrations of a careful and a clumsy operator: `pytest -m bench -s tests/benchmarks/bench_operator_weights.py`.

Ten demonstrations of each, simulated; the clumsy one reacts twice as late, shakes three times as much and slips three
times as often. A policy is cloned from both alike, from both weighed by operator, and from the careful one alone.
ROBO_RLHF_BENCH_FIRST_SEED and ROBO_RLHF_BENCH_SEEDS choose the seeds (0, 3).
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.pipeline.steps.cloning import trimmed
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env, versions
from robo_rlhf.sim.operators.scripted import PERSON, OperatorFaults, ScriptedOperator
from robo_rlhf.sim.tasks.pick_place import PickPlace
from robo_rlhf.training import bc
from robo_rlhf.training_tools.operator_weights import weights_by_operator
from robo_rlhf.training_tools.settings import BCSettings

pytestmark = pytest.mark.bench
FIRST = int(os.environ.get("ROBO_RLHF_BENCH_FIRST_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "3")))
EACH, UPDATES, EPISODES = 10, 2000, 200
CLUMSY = replace(PERSON, delay=4, tremor=0.45, pause_rate=0.03, slip_rate=0.04)


def shown(name: str, faults: OperatorFaults, first: int) -> list[Episode]:
    """Return the first successes of a simulated operator, from seeds of their own."""
    env = TaskEnv(PickPlace(), 32)
    operator, found = ScriptedOperator(env, faults), list[Episode]()
    meta = {"operator": name, "device": "scripted", "versions": versions()}
    while len(found) < EACH:
        seeds = np.arange(first, first + 32)
        operator.reseed(seeds)
        episodes = rollout(env, operator, seeds, source=Source.SCRIPTED, meta=meta, steps=round(2.5 * env.horizon))
        found += [episode for episode in episodes if episode.meta.outcome == "success"]
        first += 32
    return [trimmed(episode, 10) for episode in found[:EACH]]


def test_a_clumsy_operator_counts_less(tmp_path: Path) -> None:
    """Weighing by operator is better than not weighing, on average over seeds."""
    use_one_thread()
    env, rows = make_env("pick_place", 64), []
    for seed in SEEDS:
        careful = shown("careful", PERSON, 4_000_000 + 1000 * seed)
        both = [*careful, *shown("clumsy", CLUMSY, 4_500_000 + 1000 * seed)]
        row: dict[str, float] = {"seed": seed}
        for way, episodes, weighting in (
            ("alike", both, None),
            ("weighed", both, weights_by_operator(both)),
            ("careful alone", careful, None),
        ):
            settings = BCSettings(updates=UPDATES, seed=seed)
            run = Run(tmp_path / f"{way}-{seed}", settings)
            policy = bc.train(settings, run, episodes, starts=starts_of(env), weighting=weighting)
            success = evaluate(env, policy, np.arange(1_000_000, 1_000_000 + EPISODES)).success
            row[f"{way} [%]"] = 100 * success.value
        rows.append(row)
        print(row, flush=True)
    print_rows(rows, as_json=False, title=f"pick_place, {EPISODES} episodes each")
    alike, weighed = (np.mean([row[f"{way} [%]"] for row in rows]) for way in ("alike", "weighed"))
    assert weighed > alike
