"""Answers while the policy practises: the reward follows, nothing waits before its bound, and nothing is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.held_out import WATCHES
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.steps.meanwhile import TAKEN
from robo_rlhf.pipeline.steps.observers import NullObserver
from tests.pipeline.making import do, fresh_home, short_config, traces


def config(**asked: Any) -> PipelineConfig:
    own = {"labels": 16, "meanwhile": True, "answers_an_iteration": 1.5, "approvals": 0.0}
    whole = short_config(**{**own, **asked})
    return replace(whole, finetune=replace(whole.finetune, iterations=9, save_every=2))


@pytest.fixture(scope="module")
def undisturbed(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = fresh_home(reach_home, tmp_path_factory.mktemp("undisturbed") / "home")
    do(config(), home)
    return home


def following(path: Path) -> Run:
    return Run(path / "round-2" / "finetune" / "meanwhile", {})


class _Killed(BaseException):
    """Ends a run where no handler ends it."""


class _Killer(NullObserver):
    """Ends the run after so many iterations of the second round."""

    def __init__(self, after: int) -> None:
        self.after, self.stage = after, ""

    def begin(self, stage: str) -> None:
        self.stage = stage

    def progress(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        if self.stage == "round-2/finetune" and done == self.after:
            raise _Killed


def test_the_reward_follows_the_answers_between_iterations(undisturbed: Path) -> None:
    path = undisturbed / "runs" / "short"
    rows = following(path).metrics()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["answers"] for row in rows] == [9, 11, 12, 14, 15, 16]  # eight of the first round, 1.5 an iteration
    told = [event for event in following(path).events() if event["event"] == TAKEN]
    assert [event["until"] - event["after"] for event in told] == [1, 3, 4, 6, 7, 8]
    assert all(0 <= event["changed"] <= event["of"] == 16 for event in told)
    with Store(undisturbed / "feedback.db") as store:
        assert len(store.answers(run="short")) == 16
    first = Run(path / "round-1" / "finetune" / "meanwhile", {})
    assert not first.metrics()  # it had all its answers


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_run_that_is_killed_between_answers_ends_as_if_nothing_had_happened(
    after: int, undisturbed: Path, reach_home: Path, tmp_path: Path
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    with pytest.raises(_Killed):
        run_loop(config(), home / "runs" / "short", home, observer=_Killer(after))
    do(config(), home)
    assert traces(home / "runs" / "short") == traces(undisturbed / "runs" / "short")


def test_while_nobody_answers_the_run_practises_for_a_round_and_then_waits(reach_home: Path, tmp_path: Path) -> None:
    home, waited = fresh_home(reach_home, tmp_path / "home"), list[tuple[int, int]]()
    path = home / "runs" / "short"

    def people(store: Store, questions: Sequence[Question]) -> None:
        done = len(list(path.glob("round-*/finetune/result.json")))
        waited.append((questions[0].round, done))
        for question in questions:
            store.answer(question.id, "anna", {"choice": "A"}, key=question.id)

    whole = config(rounds=3, labels=12, annotator="human", alarm_questions=0)
    run_loop(whole, path, home, annotators=people)
    assert waited == [(1, 0), (1, 1), (2, 2)]  # rounds that were waited for, and rounds that had been practised by then


def test_questions_that_would_be_answered_in_vain_do_not_come_before_those_about_the_last_policy(
    reach_home: Path, tmp_path: Path
) -> None:
    home, next_up = fresh_home(reach_home, tmp_path / "home"), list[tuple[int, bool]]()

    def people(store: Store, questions: Sequence[Question]) -> None:
        waited = {question.id for question in questions}
        while waited & {question.id for question in store.questions(unanswered=True)}:
            (one,) = store.questions(unanswered=True, limit=1)  # the order in which people get them
            next_up.append((one.round, WATCHES in one.meta))
            store.answer(one.id, "anna", {"choice": "cant_tell" if one.kind == "rating" else "A"}, key=one.id)

    whole = config(rounds=2, labels=8, annotator="human", alarm_questions=2)
    run_loop(whole, home / "runs" / "short", home, annotators=people)
    assert next_up == [*[(1, False)] * 4, *[(2, True)] * 2, *[(3, False)], *[(3, True)] * 2]


def test_an_answer_of_a_person_is_taken_up_in_the_session_after_the_one_that_was_killed(
    reach_home: Path, tmp_path: Path
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    path = home / "runs" / "short"

    def people(store: Store, questions: Sequence[Question]) -> None:
        for question in questions:
            store.answer(question.id, "anna", {"choice": "A"}, key=question.id)

    whole = config(annotator="human", alarm_questions=0)
    with pytest.raises(_Killed):
        run_loop(whole, path, home, annotators=people, observer=_Killer(3))
    with Store(home / "feedback.db") as store:
        people(store, store.questions(run="short", round=2)[:5])
    run_loop(whole, path, home, annotators=people)
    assert [row["answers"] for row in following(path).metrics()][-1] == 13
