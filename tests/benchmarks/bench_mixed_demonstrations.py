"""Imitation of mixed demonstrations by votes on them: `make bench ARGS=tests/benchmarks/bench_mixed_demonstrations.py`.

Half of the demonstrations of pick_place are of a careful scripted operator, half of a careless one. A simulated
annotator, wrong in one of ten, votes on 200 pairs of clips of them; nothing else says who was careful. Of each seed the
plain clone, two that are weighed by the reward learned from the votes, and a policy by contrastive preference learning
play the same episodes. MIXED_SEEDS and MIXED_UPDATES make it shorter. A seed adds a row to
`results/mixed_demonstrations.jsonl`: stopped, the same command continues with the seeds that are missing.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.core.stats import Interval, bootstrap_mean
from robo_rlhf.core.types import Episode, Segment
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.feedback.teachers import TaskUtility, Teacher
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.reward_fitting.answers import AnswerData, gather
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import PERSON, OperatorFaults, ScriptedOperator
from robo_rlhf.sim.task_tools import style_measures
from robo_rlhf.training import bc, cpl, reward
from robo_rlhf.training_tools.reward_weights import weights_by_reward
from robo_rlhf.training_tools.settings import CPLSettings
from tests.benchmarks.matrix import add_row, stored_rows

pytestmark = pytest.mark.bench
TASK, EACH, VOTES, STEPS, MISTAKE, PLAYED = "pick_place", 24, 200, 50, 0.1, 200
CARELESS = OperatorFaults(tremor=0.5, slip_rate=0.05, slip_size=1.0, pause_rate=0.02)
SEEDS, UPDATES = int(os.environ.get("MIXED_SEEDS", "5")), int(os.environ.get("MIXED_UPDATES", "4000"))
ROWS = Path(__file__).parent / "results" / "mixed_demonstrations.jsonl"
FIRST = 9_700_000  # seed of demonstrations and of evaluations; nothing else begins there


def demonstrations(seed: int) -> list[Episode]:
    """Return as many demonstrations of each operator, whatever became of them."""
    env = make_env(TASK, EACH)
    assert isinstance(env, TaskEnv)
    found = []
    for name, faults in (("careful", PERSON), ("careless", CARELESS)):
        seeds = np.arange(EACH) + FIRST + 1000 * seed + (500 if name == "careless" else 0)
        episodes = rollout(env, ScriptedOperator(env, faults, seed), seeds, record_state=False)
        found += [replace(e, meta=replace(e.meta, id=f"{name}-{i}")) for i, e in enumerate(episodes)]
    env.close()
    return found


def votes(episodes: list[Episode], seed: int) -> AnswerData:
    """Return the votes on pairs of clips at the same stage of two demonstrations, drawn by chance."""
    rng = np.random.default_rng(seed)
    known = {episode.meta.id: episode for episode in episodes}
    worth = TaskUtility(1.0, {"peak_contact_force": 1.0}, style_measures.cost)
    utility = {name: worth(episode) for name, episode in known.items()}
    teacher = Teacher(seed=seed, mistake=MISTAKE).calibrated(utility.values())
    questions, answers = [], []
    for _ in range(VOTES):
        pair = rng.choice(sorted(known), 2, replace=False)
        stage = rng.random()
        clips = tuple(Segment(str(name), int(stage * (len(known[name]) - STEPS)), STEPS) for name in pair)
        asked = Question(question_id("mixed", 1, "pairwise", clips), "mixed", 1, "pairwise", TASK, clips, "mixed")
        shown = [utility[clip.episode_id][clip.start :][:STEPS] for clip in clips]
        said = teacher.answer(asked, shown)
        questions.append(asked)
        answers.append(Answer(asked.id, "simulated", "simulated", said, "2026-01-01T00:00:00+00:00", None))
    return gather(questions, answers, lambda dataset, name: known[name])


def policies(episodes: list[Episode], judged: AnswerData, seed: int, place: Path) -> dict[str, TrainedPolicy]:
    """Return the policy that each way learns."""
    config = bc.Config("flow", {"noise": 0.0}, updates=UPDATES, obs_noise=0.05, seed=seed)
    plain = bc.Config("gaussian", {"std": "fixed"}, updates=UPDATES, seed=seed)
    learned = reward.Config(settings={"members": 5}, fit=FitSettings(learning_rate=1e-3), seed=seed)
    model, _ = reward.fit_in_memory(learned, judged)
    advantage, half = (weights_by_reward(model, episodes, how, 1.0, "learned") for how in ("advantage", "best_half"))
    careful = sum(float(w.sum()) for name, w in advantage.weights.items() if "careful" in name)
    everything = sum(float(w.sum()) for w in advantage.weights.values())
    print(f"seed {seed}: {careful / everything:.0%} of the weight is on careful demonstrations")
    contrast = CPLSettings(clone_updates=UPDATES, updates=UPDATES // 2, settings={"std": "fixed"}, seed=seed)
    return {
        "plain": bc.fit(config, episodes),
        "advantage": bc.fit(config, episodes, weighting=advantage),
        "best half": bc.fit(config, episodes, weighting=half),
        "plain, gaussian": bc.fit(plain, episodes),
        "contrastive": cpl.train(contrast, Run(place / f"cpl-{seed}", contrast), judged),
    }


def differences(rows: Sequence[Mapping[str, Any]], new: str, old: str) -> tuple[Interval, Interval]:
    """Return by how much success and peak force differ, with intervals over all episodes, paired."""

    def over(what: str) -> Interval:
        return bootstrap_mean(np.concatenate([np.subtract(row[new][what], row[old][what]) for row in rows]))

    return over("success"), over("peak_force")


def verdict(success: Interval, force: Interval) -> str:
    """Return in words what is shown."""
    if success.low > 0 or force.high < 0:
        return "better"
    return "worse" if success.high < 0 or force.low > 0 else "not told apart"


def row_of(seed: int, place: Path) -> Mapping[str, Any]:
    """Return the row of a seed, which is stored: success [%] and peak force [N] of each policy's episodes."""
    for row in stored_rows(ROWS):
        if (row["seed"], row["updates"]) == (seed, UPDATES):
            return row
    episodes = demonstrations(seed)
    learned = policies(episodes, votes(episodes, seed), seed, place)
    seeds = FIRST + 100_000 + 1000 * seed + np.arange(PLAYED)
    found: dict[str, Any] = {"seed": seed, "updates": UPDATES, "date": datetime.now(UTC).date().isoformat()}
    with closing(make_env(TASK, 64)) as env:
        for name, policy in learned.items():
            one = evaluate(env, policy, seeds)
            force = [round(value, 2) for value in one.style["peak_contact_force"]]
            found[name] = {"success": [100 * int(value) for value in one.success_end], "peak_force": force}
    add_row(found, ROWS)
    return found


def test_weighed_imitation_against_plain(tmp_path: Path) -> None:
    """Advantage-weighted cloning is better than plain in success or force, or not told apart; never shown worse."""
    use_one_thread()
    found = [row_of(seed, tmp_path) for seed in range(SEEDS)]
    rows = []
    for new, old in (("advantage", "plain"), ("best half", "plain"), ("contrastive", "plain, gaussian")):
        success, force = differences(found, new, old)
        plain, mine = (np.mean([row[name]["success"] for row in found]) for name in (old, new))
        row = {"against": f"{new} against {old}", "success [%]": f"{plain:.1f} → {mine:.1f}"}
        row["points"] = f"{success.value:+.1f} ({success.low:+.1f} to {success.high:+.1f})"
        row["peak force [N]"] = f"{force.value:+.2f} ({force.low:+.2f} to {force.high:+.2f})"
        rows.append({**row, "": verdict(success, force)})
    print()
    print_rows(rows, as_json=False, title=f"{SEEDS} seeds, {SEEDS * PLAYED:,} episodes each, {UPDATES} updates")
    assert rows[0][""] != "worse"
