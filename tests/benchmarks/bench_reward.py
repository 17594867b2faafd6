"""Reward models: latency of online learning, and the effect of the fit's options.

`pytest -m bench -s tests/benchmarks/bench_reward.py`; ROBO_RLHF_BENCH_SEEDS sets the number of seeds (5).
"""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode, EpisodeMeta, Segment, Source
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.online_reward import FollowConfig, Follower
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.scores import Scores, evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import RewardTrainer, fit
from robo_rlhf.rewards.checkpoint import new_reward
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import reward
from tests.rewards.making import clips, pairs
from tests.toy import ToyEnv, ToyOperator

pytestmark = pytest.mark.bench
SEEDS = int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "5"))
OBS_DIM, ACT_DIM, STEPS = 25, 5, 160  # as pick_place
LABELS = 1000


def episode(number: int) -> Episode:
    rng = np.random.default_rng(number)
    obs = rng.normal(size=(STEPS + 1, OBS_DIM)).cumsum(0).astype(np.float32) * 0.1
    action = rng.uniform(-1, 1, (STEPS, ACT_DIM)).astype(np.float32)
    nothing = {"state": np.zeros((STEPS + 1, 0)), "success": np.zeros(STEPS + 1, bool), "signals": {}}
    meta = EpisodeMeta(f"e{number}", "bench", number, 0.05, "success")
    source = np.full(STEPS, int(Source.POLICY), np.uint8)
    return Episode(obs, action, reward=obs[1:, 0].copy(), source=source, meta=meta, **nothing)  # type: ignore[arg-type]


def test_an_answer_is_in_the_model_within_two_seconds(tmp_path: Path) -> None:
    """With 1,000 labels; the time runs from before the answer is written to after the checkpoint is."""
    use_one_thread()
    episodes = {f"e{i}": episode(i) for i in range(200)}
    rng = np.random.default_rng(0)
    questions, sides = [], []
    for number in range(LABELS + 10):
        two, start = rng.choice(200, 2, replace=False), number % (STEPS - 40)
        shown = tuple(Segment(f"e{i}", start, 40) for i in two)
        questions.append(Question(question_id("r", 0, "pairwise", shown), "r", 0, "pairwise", "bench", shown, "data"))
        worth = [episodes[clip.episode_id].reward[start : start + 40].sum() for clip in shown]
        sides.append("A" if worth[0] > worth[1] else "B")
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(questions)

        def give(i: int) -> None:
            store.answer(questions[i].id, "anna", {"choice": sides[i]}, key=questions[i].id)

        for i in range(LABELS):
            give(i)
        learn = reward.Config(settings={"members": 5}, fit=FitSettings(learning_rate=1e-3))
        follower = Follower(FollowConfig(learn), Run(tmp_path / "run", {}), store, lambda _, name: episodes[name])
        began = time.perf_counter()
        assert follower.step() is not None
        first = time.perf_counter() - began
        times, busy = [], []
        for i in range(LABELS, LABELS + 10):
            began, worked = time.perf_counter(), time.process_time()
            give(i)
            update = follower.step()
            times.append(time.perf_counter() - began)
            busy.append(time.process_time() - worked)
            assert update is not None
            assert update.answers == i + 1
    held = update.report.held_out.accuracy
    row = {"labels": LABELS, "first fit [s]": first, "median [s]": np.median(times), "worst [s]": max(times)}
    print_rows([{**row, "of the processor [s]": np.median(busy), "held out": held}], as_json=False)
    assert max(times) <= 2.0


def toy(count: int, seed: int, mistake: float) -> tuple[ClipTensors, AnswerExamples]:
    """Return pairs of clips of the toy world by operators of any skill, and which shows more reward and success."""
    rng = np.random.default_rng(seed)
    seeds = 10_000 * seed + np.arange(count // 2)
    found = [
        e
        for noise in (0.3, 1.0, 2.5, 5.0)
        for e in rollout(ToyEnv(len(seeds)), ToyOperator(noise=noise, pause=0.1, seed=seed), seeds)
    ]
    obs, action, worth = [], [], []
    for i in rng.integers(len(found), size=2 * count):
        start = int(rng.integers(0, 26))
        part = found[i].slice(start, 15)
        obs.append(part.obs)
        action.append(part.action)
        worth.append(part.reward.mean() + part.success[1:].mean())
    first = np.array(worth[0::2]) > np.array(worth[1::2])
    first ^= rng.random(count) < mistake
    return clips(np.array(obs), np.array(action)), pairs(np.stack([first, ~first], 1).astype(np.float32))


def person_of_three(said: AnswerExamples, seed: int, wrong: float) -> AnswerExamples:
    """Return the answers as those of three people, the last of whom turns around a share of them."""
    who = torch.arange(len(said)) % 3
    slips = torch.from_numpy(np.random.default_rng(seed).random(len(said)) < wrong) & (who == 2)
    return replace(said, values=torch.where(slips[:, None], said.values.flip(1), said.values), annotator=who)


BASE = FitSettings(learning_rate=1e-3, updates=400)
SIZE = {"members": 5, "width": 64}
OPTIONS: dict[str, tuple[str, dict[str, Any], FitSettings]] = {
    "ensemble": ("ensemble", SIZE, BASE),
    "weight decay 0.01": ("ensemble", SIZE, replace(BASE, weight_decay=0.01)),
    "cropping 0.7": ("ensemble", SIZE, replace(BASE, crop=0.7)),
    "margin 0.05": ("ensemble", SIZE, replace(BASE, margin=0.05)),
    "pseudo-labels 0.95": ("ensemble", SIZE, replace(BASE, pseudo=0.3, pseudo_confidence=0.95)),
    "encoder, no dynamics": ("encoder", {**SIZE, "dynamics": 0.0}, BASE),
    "encoder": ("encoder", SIZE, BASE),
    "transformer": ("transformer", {"members": 3, "width": 32}, replace(BASE, updates=200)),
}


def scored(
    name: str, data: tuple[ClipTensors, AnswerExamples], fresh: tuple[ClipTensors, AnswerExamples], seed: int
) -> Scores:
    kind, settings, how = OPTIONS[name]
    with seeded(seed):
        model = new_reward(kind, ToyEnv.obs_dim, ToyEnv.act_dim, settings)
    fit(RewardTrainer(model, data[0], [data[1]], how, seed))
    return evaluate(model, fresh[0], [fresh[1]])


def mean(values: list[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def test_what_kinds_and_options_do_to_60_noisy_labels() -> None:
    """5 % of the labels are wrong; judged by 400 right ones. Encoder and pseudo-labels see 300 more clips."""
    use_one_thread()
    rows = []
    for name in OPTIONS:
        began, found = time.process_time(), []
        for seed in range(SEEDS):
            seen, said = toy(60, seed, 0.05)
            if "pseudo" in name or name == "encoder":
                seen = seen.joined(toy(150, 50 + seed, 0.0)[0])
            found.append(scored(name, (seen, said), toy(400, 100 + seed, 0.0), seed))
        worst = min(scores.accuracy or 0.0 for scores in found)
        row = {"kind or option": name, "accuracy": mean([s.accuracy for s in found]), "worst seed": worst}
        row |= {"log loss": mean([s.log_loss for s in found]), "ECE": mean([s.ece for s in found])}
        rows.append({**row, "fit [s]": (time.process_time() - began) / SEEDS})
    print_rows(rows, as_json=False)
    assert rows[0]["accuracy"] > 0.7


def test_what_learning_the_flip_rate_saves() -> None:
    """240 labels by three people, of whom one turns around none, a fifth, half or all of theirs."""
    use_one_thread()
    rows = []
    for wrong in (0.0, 0.2, 0.5, 1.0):
        row: dict[str, Any] = {"turned around": wrong}
        for learn in (False, True):
            found, flips = [], []
            for seed in range(SEEDS):
                seen, said = toy(240, seed, 0.0)
                with seeded(seed):
                    model = new_reward("ensemble", ToyEnv.obs_dim, ToyEnv.act_dim, SIZE)
                how = replace(BASE, updates=300, learn_flip=learn)
                report = fit(RewardTrainer(model, seen, [person_of_three(said, seed, wrong)], how, seed))
                fresh, right = toy(400, 100 + seed, 0.0)
                found.append(evaluate(model, fresh, [right]).accuracy)
                flips.append(report.people[2].flip)
            name = "learned" if learn else "fixed"
            row |= {f"accuracy, {name}": mean(found), f"its flip rate, {name}": mean(list(flips))}
        rows.append(row)
    print_rows(rows, as_json=False)
    assert rows[-1]["accuracy, learned"] > rows[-1]["accuracy, fixed"]
