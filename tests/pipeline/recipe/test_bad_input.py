"""What the recipe does with budgets, answers, demonstrations and cloned policies that are no good.

Minutes that are not enough and steps that take a second: test_plan, test_refused_minutes, test_speed.
"""

import functools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.cli import answering
from robo_rlhf.cli.answering import HumanAnnotators
from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.recipe.plan import APPROVALS
from robo_rlhf.pipeline.steps import gate as gates
from robo_rlhf.pipeline.steps import self_imitation
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.pipeline.steps.success import learn_success
from robo_rlhf.rewards.success import (
    SuccessExamples,
    demonstration_examples,
    ending_examples,
    fit_success,
    held_out_accuracy,
)
from robo_rlhf.training_tools.gates import replacement
from tests.pipeline.making import fresh_home, opened, read, short_config
from tests.rewards.test_success import ended
from tests.toy import demonstrations

NOTHING: Any = None
DAY = 24 * 60 * 60


@pytest.mark.parametrize(("labels", "rounds"), [(10, 1), (10, 3), (3, 3), (200, 3)])
def test_of_few_answers_each_round_has_some_that_compare(labels: int, rounds: int) -> None:
    config = PipelineConfig(labels=labels, rounds=rounds, approvals=APPROVALS)
    asked = [(config.labels_of(k), config.approvals_of(k)) for k in range(1, rounds + 1)]
    assert sum(whole for whole, _ in asked) == labels
    assert all(0 <= about < whole for whole, about in asked)
    assert labels < 10 or all(about for _, about in asked)
    assert asked[0][1] >= asked[-1][1]  # the policy is chosen by the first


def test_people_who_answer_nothing_for_a_day_and_then_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "feedback.db") as store:
        clips = [Segment("e", start, 5) for start in range(6)]
        asked = [Question(f"q{i}", "run", 1, "success", "reach", (clip,), "d") for i, clip in enumerate(clips)]
        store.add_questions(asked)
        waited = [0.0]

        def sleep(seconds: float) -> None:
            waited[0] += 600 * seconds  # ten minutes at a time
            if waited[0] > DAY:
                for question in asked:
                    store.answer(question.id, "late", {"choice": "yes"}, key=question.id)

        monkeypatch.setattr(answering, "time", SimpleNamespace(sleep=sleep))
        monkeypatch.setattr(answering.sys, "stdin", SimpleNamespace(isatty=lambda: False))
        HumanAnnotators(tmp_path, tmp_path / "run")(store, asked)
        assert waited[0] > DAY
        assert store.counts(run="run").answers == 6


def test_answers_that_contradict_each_other_make_the_head_unsure_and_nothing_else() -> None:
    shown = [ended(episode) for episode in demonstrations(8, noise=0.0, pause=0.0)]
    middle = [episode.obs[: max(8, len(episode) // 2)] for episode in shown]
    both = [ending_examples(obs, done, 1.0, 2 * i) for i, obs in enumerate(middle) for done in (0.0, 1.0)]
    examples = functools.reduce(SuccessExamples.joined, [*demonstration_examples(shown), *both])
    head = fit_success(examples)
    assert 0.1 < head.chance(np.stack([obs[-1] for obs in middle]))[0].mean() < 0.7
    assert head.chance(np.stack([episode.obs[-1] for episode in shown]))[0].mean() > 0.7  # demonstrations stand
    assert held_out_accuracy(head, examples) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("choice", "share"), [("yes", 1.0), ("no", 0.0)])
def test_answers_that_are_all_alike_are_learned_from_beside_demonstrations(
    choice: str, share: float, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fresh_home(finished.parents[1], tmp_path / "home")
    with opened(short_config(labels=40), home, "alike") as context:
        asked = [q for q in context.store.questions("short") if q.kind == "success" and q.round == 1]
        monkeypatch.setattr(context.store, "questions", lambda run: asked)
        same = [replace(a, value={"choice": choice}) for a in context.store.answers(run="short")]
        monkeypatch.setattr(context.store, "answers", lambda run: same)
        policy = learn_success(context, PipelinePolicy(NOTHING, 0.1), 1)
        assert policy.success is not None
        assert read(context.run.path, "round-1/success/result.json")["yes"] == share


def test_answers_that_are_all_alike_and_no_demonstrations_make_no_head(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, policy = fresh_home(finished.parents[1], tmp_path / "home"), PipelinePolicy(NOTHING, 0.1)
    with opened(short_config(demos=0, labels=40), home, "alike") as context:
        asked = [q for q in context.store.questions("short") if q.kind == "success"]
        monkeypatch.setattr(context.store, "questions", lambda run: asked)
        same = [replace(a, value={"choice": "no"}) for a in context.store.answers(run="short")]
        monkeypatch.setattr(context.store, "answers", lambda run: same)
        assert learn_success(context, policy, 1) is policy
        (event,) = [e for e in context.run.events() if e["event"] == "no success head"]
    assert "only episodes that failed" in event["why"]


def test_demonstrations_that_all_fail_are_refused_and_leave_nothing(reach_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    source = Dataset(reach_home / "samples" / "reach")
    failed = [replace(e, meta=replace(e.meta, outcome="failure")) for e in source.load_all(source.ids())]
    Dataset(home / "samples" / "reach", create=True, task="reach").add_many(failed)
    before = sorted(home.rglob("*"))
    with pytest.raises(NotFoundError, match=r"No demonstration in .* of task 'reach'.*--only-successes"):
        run_loop(short_config(minutes=1.0), home / "runs" / "bad", home)
    assert sorted(home.rglob("*")) == before


def test_a_cloned_policy_that_always_or_never_succeeds_is_not_made_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 100 % by the answers nothing is imitated, and a gate lets nothing worse through; at 0 % anything may come."""
    always, never, most = np.ones(100), np.zeros(100), np.r_[np.ones(90), np.zeros(10)]
    assert not replacement(always, most, percent=True).accepted
    assert replacement(never, never, percent=True).accepted
    assert replacement(never, most, percent=True).accepted
    context: Any = SimpleNamespace(config=short_config(self_imitation_rounds=2))
    perfect = PipelinePolicy(NOTHING, 0.1, success=object())  # type: ignore[arg-type]
    monkeypatch.setattr(self_imitation, "_success_in_rollouts", lambda context, policy: 1.0)
    assert self_imitation.self_imitate(context, perfect) is perfect


@pytest.mark.parametrize("truth", [(0.9, 0.8, 0.6, 0.2), (0.2, 0.8, 0.3, 0.5), (0.0, 0.0, 0.0, 0.0)])
def test_the_best_policy_that_it_ever_had_is_kept(
    truth: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the rounds come to, each policy is compared with the best so far, as a run does it."""
    monkeypatch.setattr(
        gates, "success_by_seed", lambda context, head, network, seeds, keep: np.arange(100) < 100 * truth[network]
    )
    config: Any = SimpleNamespace(gate=True, gate_episodes=100)
    context = Context(config, Run(tmp_path / "run", {}), tmp_path, NOTHING, NOTHING, NullObserver())
    policies = [PipelinePolicy(i, 0.1, round=i, success=object()) for i in range(len(truth))]  # type: ignore[arg-type]
    policy, older = policies[0], None
    for number, newest in enumerate(policies[1:], start=1):
        policy = gates.look_again(context, older, policy, number, "look")
        older, policy = policy, gates.gate(context, policy, newest, number)
    policy = gates.look_again(context, policies[0], policy, len(truth), "begun")
    assert truth[policy.round] == max(truth)
