"""Success as people judge it."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.pipeline.steps.success import learn_success, success_by_seed
from robo_rlhf.rewards.success import SuccessExamples, demonstration_examples, ending_examples, fit_success
from tests.pipeline.making import fresh_home, opened, read, short_config
from tests.pipeline.steps.test_gate import Idle
from tests.rewards.test_success import ended
from tests.toy import ToyEnv, ToyOperator, demonstrations

NOTHING: Any = None


@pytest.fixture(scope="module", autouse=True)
def _short_success() -> None:
    """Fit heads to the end here: one of these tests asks how well they judge."""


def test_a_share_of_the_questions_asks_whether_episodes_succeeded(finished: Path) -> None:
    with Store(finished.parents[1] / "feedback.db") as store:
        for number, about in ((1, 6), (2, 4)):  # most in the first round
            kinds = [q.kind for q in store.questions("short") if q.round == number]
            assert (kinds.count("pairwise"), kinds.count("success")) == (20 - about, about)
        asked = {q.id: q for q in store.questions("short") if q.kind == "success"}
        answers = [a for a in store.answers(run="short") if a.question_id in asked]
    assert {a.value["choice"] for a in answers} <= {"yes", "no"}
    for question in asked.values():
        (clip,) = question.segments
        assert clip.episode_id.startswith(f"r{question.round}-")  # the newest policy's
        assert clip.start + clip.length == 60  # how it ends
    for number in (1, 2):
        found = read(finished, f"round-{number}/success/result.json")
        assert found["answers"] == (6, 10)[number - 1]
        assert 0 <= found["yes"] <= 1
    report = (finished / "report.html").read_text()
    assert "<th>Yes</th>" in report
    assert "<th>No</th>" in report


def test_where_nobody_can_tell_there_is_no_head(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fresh_home(finished.parents[1], tmp_path / "home")
    shutil.rmtree(home / "runs" / "short" / "round-1" / "success")
    policy = PipelinePolicy(NOTHING, 0.1)
    with opened(short_config(labels=40), home) as context:
        unsure = [replace(answer, value={"choice": "cant_tell"}) for answer in context.store.answers(run="short")]
        monkeypatch.setattr(context.store, "answers", lambda run: unsure)
        assert learn_success(context, policy, 1) is policy
    assert read(context.run.path, "round-1/success/result.json")["answers"] == 0


def test_the_head_judges_policies_as_the_marks_do(tmp_path: Path) -> None:
    good, env = ToyOperator(noise=0.0, pause=0.0), ToyEnv(10)
    shown = [ended(episode) for episode in demonstrations(16, noise=0.0, pause=0.0)]
    failed = [ending_examples(episode.obs[:10], 0.0, 1.0, i) for i, episode in enumerate(shown)]
    head = fit_success(functools.reduce(SuccessExamples.joined, [*demonstration_examples(shown), *failed]))
    context = Context(NOTHING, Run(tmp_path, {}), tmp_path, env, NOTHING, NullObserver())
    seeds = np.arange(100, 130)
    for judge in (None, head):
        assert success_by_seed(context, judge, good, seeds).mean() > 0.8
        assert success_by_seed(context, judge, Idle(), seeds).mean() < 0.4
