"""Reasons from the list of a task to the database, out of it and back."""

from pathlib import Path

import pytest

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer.export import export
from robo_rlhf.feedback.transfer.import_folder import import_all
from robo_rlhf.feedback.transfer.vote_reasons import read_cell
from robo_rlhf.feedback.transfer.votes import export_votes, import_votes
from tests.data.making import episode
from tests.feedback.making import QUESTIONS

LISTED = (Reason("too slow", "speed"), Reason("leans", "tilt"))
SENT = {"choice": "A", "reasons": [{"reason": "too slow", "step": 3}]}
STORED = {"reason": "too slow", "axis": "speed", "direction": "worse", "clip": "B", "step": 3}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "f.db")
    store.add_questions(QUESTIONS)
    store.tasks.set_reasons("reach", LISTED)
    store.tasks.set_axes("reach", ["speed", "tilt"])
    return store


def test_the_list_is_kept_beside_other_settings(store: Store) -> None:
    store.tasks.set_sharing("reach", overlap=2)
    assert store.tasks.reasons("reach") == store.tasks.reasons_lately("reach") == LISTED
    assert store.tasks.axes("reach") == ("speed", "tilt")
    assert store.tasks.reasons("push") == ()
    assert store.tasks.set_reasons("reach", ()) == ()
    assert store.tasks.sharing("reach").overlap == 2


def test_a_reason_that_is_no_longer_on_the_list_is_read_and_refused_anew(store: Store) -> None:
    first, second = QUESTIONS[0].id, QUESTIONS[1].id
    assert store.answer(first, "ann", SENT, key="1")
    store.tasks.set_reasons("reach", LISTED[1:])
    assert not store.answer(first, "ann", SENT, key="1")  # sent again
    with pytest.raises(InvalidValueError, match="expected one of the task's list: leans, got 'too slow'"):
        store.answer(second, "ann", SENT, key="2")
    (answer,) = store.answers()
    assert answer.value == {"choice": "A", "reasons": [STORED]}
    with pytest.raises(ConflictError, match="the key came with another answer"):
        store.answer(first, "ann", {"choice": "A"}, key="1")


def test_a_folder_takes_lists_and_reasons_to_another_database(store: Store, tmp_path: Path) -> None:
    store.answer(QUESTIONS[0].id, "ann", SENT, key="1")
    export(store, tmp_path / "out")
    with Store(tmp_path / "other.db") as other:
        assert not import_all(other, tmp_path / "out").problems
        assert other.tasks.reasons("reach") == LISTED
        assert other.tasks.axes("reach") == ("speed", "tilt")
        assert other.answers()[0].value == {"choice": "A", "reasons": [STORED]}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".json"])
def test_votes_take_reasons_out_and_in(home: Path, tmp_path: Path, suffix: str) -> None:
    Dataset(home / "cups", create=True).add_many(episode(f"e{i}", steps=6, seed=i) for i in range(2))
    reader = Dataset(home / "cups")
    task = reader.info("e0").meta.task
    plain = tmp_path / "votes.csv"
    rows = ["e0,e1,A,ann,too slow@3; leans", "e1,e0,B,bo,leans"]
    plain.write_text("\n".join(["clip_a,clip_b,vote,annotator,reasons", *rows]))
    with Store(home / "feedback.db") as store:
        assert "the task has no list of reasons" in import_votes(store, plain, reader, "cups", "r", {}).problems[0].text
        store.tasks.set_reasons(task, LISTED)
        assert not import_votes(store, plain, reader, "cups", "r", {}).problems
        before = sorted((a.annotator, a.value) for a in store.answers())
        assert [len(value["reasons"]) for _, value in before] == [2, 1]
        assert {one["clip"] for _, value in before for one in value["reasons"]} == {"B"}
        assert export_votes(store, tmp_path / f"out{suffix}") == 2
    with Store(tmp_path / "other.db") as other:  # which has no list
        found = import_votes(other, tmp_path / f"out{suffix}", reader, "cups", "r", {})
        assert not found.problems
        assert sorted((a.annotator, a.value) for a in other.answers()) == before


@pytest.mark.parametrize("cell", ["[{", "[3]", "leans@soon", "unknown", '[{"reason": "leans", "clip": "Q"}]'])
def test_cells_that_cannot_be_read_are_a_sentence(cell: str) -> None:
    with pytest.raises(InvalidValueError, match="reason"):
        read_cell(cell, "A", LISTED, (6, 6), swapped=False)


def test_the_other_way_round_the_clip_is_the_other_one() -> None:
    (one,) = read_cell('[{"reason": "leans", "clip": "A"}]', "A", LISTED, (6, 6), swapped=True)
    assert one["clip"] == "B"
