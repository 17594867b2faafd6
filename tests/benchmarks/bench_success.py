"""What a few answers to "did it succeed?" tell: `pytest -m bench -s tests/benchmarks/bench_success.py`.

Of each native task a scripted operator drives 64 episodes, clumsily enough to fail in at least 15 % of them. A success
head is fitted to the demonstrations that ship and the answers about 17 of the episodes, one of twenty wrong, and
predicts how the other 47 end, in four draws. Nothing is trained but the head: a minute of the processor.
"""

import functools
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.reader import Reader
from robo_rlhf.pipeline.steps.cloning import trimmed
from robo_rlhf.rewards.success import (
    ENDING,
    SuccessExamples,
    demonstration_examples,
    ending_examples,
    fit_success,
)
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import OperatorFaults, ScriptedOperator
from robo_rlhf.sim.tasks import TASKS

pytestmark = pytest.mark.bench
SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
EPISODES, DEMOS, DRAWS, CLIP = 64, 24, 4, 40
MISTAKE = 0.05  # share of wrong answers
CLUMSY = ((0.15, 0.012), (0.2, 0.02), (0.3, 0.03), (0.6, 0.06), (1.2, 0.1), (2.5, 0.2))  # tremor, rate of slips


class Draw(NamedTuple):
    """How well the head of one draw does on the episodes that were not asked about."""

    accuracy: float  # share of endings that it predicts
    done: float  # its mean chance in frames that are done
    other: float  # and in those that are not


def driven(task: str) -> list[Episode]:
    """Return episodes of an operator who is clumsy enough."""
    env = TaskEnv(TASKS[task](), EPISODES)
    for tremor, slips in CLUMSY:
        operator = ScriptedOperator(env, OperatorFaults(tremor=tremor, slip_rate=slips, pause_rate=0.02), seed=5)
        episodes = rollout(env, operator, np.arange(700, 700 + EPISODES), record_state=False)
        if fmean(bool(episode.success[-1]) for episode in episodes) < 0.85:
            break
    return episodes


def draw(shown: list[Episode], episodes: list[Episode], answers: int, seed: int) -> Draw:
    """Ask about some of the episodes and judge the others."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(episodes))
    found = demonstration_examples(shown)
    for number, episode in enumerate(episodes[i] for i in order[:answers]):
        said = bool(episode.success[-1]) != (rng.random() < MISTAKE)
        found.append(ending_examples(episode.obs[-CLIP:], float(said), 1.0, number))
    head = fit_success(functools.reduce(SuccessExamples.joined, found))
    rest = [episodes[i] for i in order[answers:]]
    ends = np.array([episode.success[-1] for episode in rest])
    chance = head.chance(np.concatenate([episode.obs for episode in rest]))[0]
    done = np.concatenate([episode.success for episode in rest])
    right = (head.chance(np.stack([episode.obs[-1] for episode in rest]))[0] > 0.5) == ends
    return Draw(float(right.mean()), mean(chance[done]), mean(chance[~done]))


def mean(values: Array) -> float:
    """Return the mean of values (n,); NaN of none."""
    return float(values.mean()) if len(values) else float("nan")


@pytest.mark.parametrize("answers", [17, 50])
def test_how_episodes_end(answers: int) -> None:
    """Mean over tasks ≥ 92 % of endings, worst task ≥ 85 %; frames that are done and others ≥ 0.5 apart everywhere."""
    use_one_thread()
    rows = []
    for task in TASKS:
        shown = [trimmed(e, 2 * ENDING) for e in Reader(SAMPLES / task).load_all()][:DEMOS]
        episodes = driven(task)
        draws = [draw(shown, episodes, answers, seed) for seed in range(DRAWS)]
        means = {name: float(np.nanmean([getattr(one, name) for one in draws])) for name in Draw._fields}
        succeed = 100 * fmean(bool(episode.success[-1]) for episode in episodes)
        row = {"task": task, "succeed [%]": succeed, "endings predicted [%]": 100 * means["accuracy"]}
        rows.append({**row, "chance, done": means["done"], "chance, not done": means["other"]})
    print()
    print_rows(rows, as_json=False, title=f"success heads from {answers} answers, {DRAWS} draws each")
    predicted = [row["endings predicted [%]"] for row in rows]
    print(f"mean {fmean(predicted):.1f} %, worst {min(predicted):.1f} %")
    assert fmean(predicted) >= 92
    assert min(predicted) >= 85
    assert min(row["chance, done"] - row["chance, not done"] for row in rows) >= 0.5
