"""Preferences of rewinds and takeovers in the database."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.implicit.keeping import (
    RUN,
    Written,
    count_by_person,
    of_episode,
    read_implicit,
    restore,
    take_back,
    update,
    without_repeats,
)
from robo_rlhf.feedback.quality.report import report
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.feedback.store import Store
from tests.data.making import episode
from tests.feedback.implicit.test_pairs import add


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data home with a failed original and what was done instead, from frame 4 on."""
    Dataset(tmp_path / "driven", create=True).add(episode("original", 12, outcome="failure"))
    add(Dataset(tmp_path / "corrected", create=True), "better")
    return tmp_path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(home / "feedback.db") as opened:
        yield opened


def test_written_once_and_never_asked(home: Path, store: Store) -> None:
    assert update(home, store, "corrected") == Written(1, 0)
    assert update(home, store, "corrected") == Written(0, 0)
    assert store.leases.next("eve") is None
    (question,) = store.questions(role="implicit")
    assert (question.run, store.counts().questions, count_by_person(store)) == (RUN, 0, {"Ada": 1})
    quality = report(store)
    assert (quality.answers, quality.implicit) == (0, {"Ada": 1})


def test_what_is_no_longer_so_is_corrected(home: Path, store: Store) -> None:
    update(home, store, "corrected")
    corrected, driven = Dataset(home / "corrected"), Dataset(home / "driven")
    driven.set_outcome("original", "success")
    assert update(home, store, "corrected") == Written(1, 0)
    (answer,) = store.answers(role="implicit")
    assert (answer.value["sure"], answer.value["judged"]) == (0.5, "task")
    corrected.delete("better")
    assert update(home, store, "corrected") == Written(0, 1)
    assert (store.answers(role="implicit"), store.leases.next("eve")) == ([], None)
    assert of_episode(store, "driven", "original")[0].taken_back == "taken back as it does not hold any more"
    corrected.undelete("better")
    assert update(home, store, "corrected") == Written(1, 0)
    assert len(store.answers(role="implicit")) == 1


def test_what_a_person_takes_back_stays_taken_back(home: Path, store: Store) -> None:
    update(home, store, "corrected")
    (shown,) = of_episode(store, "corrected", "better")
    assert (shown.annotator, shown.left, shown.value["from"], shown.taken_back) == ("Ada", "original", 4, "")
    take_back(store, shown.question, "eve")
    assert update(home, store, "corrected") == Written(0, 0)
    assert (store.answers(role="implicit"), store.leases.next("eve")) == ([], None)
    assert of_episode(store, "driven", "original")[0].taken_back == "taken back by eve"
    restore(store, shown.question)
    assert [answer.standing for answer in store.answers(role="implicit")] == ["counted"]
    with pytest.raises(NotFoundError, match="preference"):
        take_back(store, "of-another", "eve")


def test_for_training_each_counts_once(home: Path, store: Store) -> None:
    update(home, store, "corrected")
    asked, said = read_implicit(store, "push", but_of="main")
    assert [one.annotator for one in said] == ["Ada"]
    assert read_implicit(store, "push", but_of="main", kind="simulated")[1] == []
    assert read_implicit(store, "push", but_of=RUN) == ([], [])
    assert read_implicit(store, "lift", but_of="main") == ([], [])
    assert read_implicit(store, "push", but_of="main", until=0)[1] == []
    clips = asked[0].segments
    shown = Question(question_id("main", 0, "correction", clips), "main", 0, "correction", "push", clips, "driven")
    store.add_questions([shown])
    value = {name: said[0].value[name] for name in ("choice", "dataset", "episode", "start", "length", "from")}
    store.answer(shown.id, "Ada", value, key="k")  # the same on the review page
    both = [*store.answers(run="main"), *said]
    assert [one.question_id for one in without_repeats([shown, *asked], both)] == [shown.id]


def test_answers_of_an_earlier_version_are_made_good(home: Path, store: Store) -> None:
    """They were work, and said nothing of how sure they are: no conflict, no second row in the queue."""
    update(home, store, "corrected")
    (question,) = store.questions(role="implicit")
    (answer,) = store.answers(role="implicit")
    with Store(home / "earlier.db") as earlier:
        earlier.add_questions([replace(question, role="work", meta={})])
        value = {name: answer.value[name] for name in ("choice", "dataset", "episode", "start", "length", "from")}
        earlier.answer(question.id, "Ada", value, key="correction better")
        assert [update(home, earlier, "corrected") for _ in range(2)] == [Written(1, 0), Written(0, 0)]
        assert earlier.answers()[0].value == answer.value
        assert earlier.leases.next("eve") is None
