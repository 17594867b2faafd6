import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

import robo_rlhf
from robo_rlhf.core.errors import (
    BusyError,
    ConflictError,
    CorruptFileError,
    InvalidValueError,
    NotFoundError,
    UnknownNameError,
    VersionError,
)
from robo_rlhf.core.types import Segment
from robo_rlhf.database import engine, writers
from robo_rlhf.database.metadata import SCHEMA_VERSION
from robo_rlhf.feedback.store import Counts, Store, question_id
from robo_rlhf.feedback.tables import answers
from tests.feedback.making import QUESTIONS, make_question

ROOT = Path(robo_rlhf.__file__).parents[1]
FIRST = QUESTIONS[0]
WORKER = """
import sys
from robo_rlhf.feedback.store import Store
store = Store(sys.argv[1])
questions = store.questions()
for turn in range(int(sys.argv[3])):
    for question in questions:
        key = f"{turn}/{question.id}"
        if store.answer(question.id, sys.argv[2], {"choice": "AB"[turn % 2]}, key=key, response_time=turn):
            print(key, flush=True)
"""


@pytest.fixture
def file_store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        opened.add_questions(QUESTIONS)
        yield opened


def worker(where: str, annotator: str, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, where, annotator, str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_questions_come_back_in_order_and_as_they_were(store: Store, where: str) -> None:
    found = store.questions("run")
    assert all(question.created for question in found)
    assert [replace(question, created="") for question in found] == QUESTIONS
    with Store(where) as again:
        assert again.questions() == found


def test_adding_again_changes_nothing(store: Store) -> None:
    more = [*QUESTIONS, make_question(99), make_question(99)]
    assert store.add_questions(more) == 1
    assert store.add_questions(more) == 0
    assert store.add_questions([]) == 0
    assert len(store.questions()) == 11


def test_another_question_with_the_same_id_is_refused(store: Store) -> None:
    for other in (replace(FIRST, segments=FIRST.segments[::-1]), replace(FIRST, meta={"number": -1})):
        with pytest.raises(ConflictError) as error:
            store.add_questions([make_question(50), other])
        text = f"Conflict for question {FIRST.id}: it is there already with other clips or another content."
        assert str(error.value) == f"{text} Nothing was changed."
    assert len(store.questions()) == 10


def test_ids_depend_on_everything_that_is_asked() -> None:
    clips = (Segment("a", 0, 5), Segment("b", 0, 5))
    ids = [
        question_id("run", 0, "pairwise", clips),
        question_id("run", 1, "pairwise", clips),
        question_id("other", 0, "pairwise", clips),
        question_id("run", 0, "ranking", clips),
        question_id("run", 0, "pairwise", clips[::-1]),
    ]
    assert len(set(ids)) == 5
    assert ids[0] == question_id("run", 0, "pairwise", list(clips))


def test_questions_of_unknown_kind_or_too_many_clips_are_refused(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'pairwise'"):
        store.add_questions([replace(FIRST, id="x", kind="pairwize")])
    with pytest.raises(InvalidValueError, match="clips of a pairwise question: expected 2, got 1"):
        store.add_questions([replace(FIRST, id="x", segments=FIRST.segments[:1])])
    with pytest.raises(InvalidValueError, match="a JSON object"):
        store.add_questions([replace(FIRST, id="x", meta={"score": math.nan})])


def test_selection_by_run_round_and_annotator(store: Store) -> None:
    store.add_questions([make_question(i, round=1) for i in range(3)] + [make_question(0, run="other")])
    assert len(store.questions("run")) == 13
    assert len(store.questions("run", 1)) == 3
    assert len(store.questions(limit=4)) == 4
    assert store.runs() == ["other", "run"]
    store.answer(FIRST.id, "anna", {"choice": "A"}, key="1")
    assert FIRST.id not in [q.id for q in store.questions("run", 0, unanswered_by="anna")]
    assert len(store.questions("run", 0, unanswered_by="anna")) == 9
    assert len(store.questions("run", 0, unanswered_by="ben")) == 10
    assert len(store.questions("run", 0, unanswered=True, limit=3)) == 3
    assert len(store.questions("run", 0, unanswered=True)) == 9


def test_newest_answer_of_a_person_wins_and_history_stays(store: Store) -> None:
    store.answer(FIRST.id, "anna", {"choice": "A"}, key="1", response_time=1.5)
    store.answer(FIRST.id, "ben", {"choice": "tie"}, key="1")
    store.answer(FIRST.id, "anna", {"choice": "B", "note": "smoother"}, key="2")
    found = store.answers("run")
    assert [(a.annotator, a.value) for a in found] == [
        ("ben", {"choice": "tie"}),
        ("anna", {"choice": "B", "note": "smoother"}),
    ]
    assert found[0].annotator_kind == "human"
    assert store.answers("other") == []
    assert store.answers("run", 1) == []
    assert [value for _, value, _ in store.history("anna")] == [{"choice": "B", "note": "smoother"}, {"choice": "A"}]


def test_answer_can_be_taken_back(store: Store) -> None:
    store.answer(FIRST.id, "anna", {"choice": "A"}, key="1")
    store.answer(FIRST.id, "anna", None, key="2")
    assert store.answers() == []
    assert len(store.questions(unanswered_by="anna")) == 10
    store.answer(FIRST.id, "anna", {"choice": "B"}, key="3")
    assert [a.value for a in store.answers()] == [{"choice": "B"}]


def test_sending_twice_is_sending_once(store: Store) -> None:
    assert store.answer(FIRST.id, "anna", {"choice": "A", "note": "x"}, key="k")
    assert not store.answer(FIRST.id, "anna", {"note": "x", "choice": "A"}, key="k")
    assert store.answer(FIRST.id, "ben", {"choice": "B"}, key="k")
    for value, question in (({"choice": "B"}, FIRST), ({"choice": "A", "note": "x"}, QUESTIONS[1])):
        with pytest.raises(ConflictError) as error:
            store.answer(question.id, "anna", value, key="k")
        text = "Conflict for answer with key 'k' of anna: the key came with another answer before."
        assert str(error.value) == f"{text} Nothing was changed."
    assert len(store.answers()) == 2


def test_bad_answers_are_refused(store: Store) -> None:
    with pytest.raises(NotFoundError, match="No question 'nothing'"):
        store.answer("nothing", "anna", {"choice": "A"}, key="1")
    with pytest.raises(InvalidValueError, match="answer to a pairwise question"):
        store.answer(FIRST.id, "anna", {"choice": "left"}, key="1")
    with pytest.raises(InvalidValueError, match="neither to be empty"):
        store.answer(FIRST.id, "", {"choice": "A"}, key="1")
    with pytest.raises(InvalidValueError, match="neither to be empty"):
        store.answer(FIRST.id, "anna", {"choice": "A"}, key="")
    for seconds in (-1.0, math.nan, math.inf):
        with pytest.raises(InvalidValueError, match="response time"):
            store.answer(FIRST.id, "anna", {"choice": "A"}, key="1", response_time=seconds)
    with pytest.raises(InvalidValueError, match="expected only choice, probability, note, reasons, got pressure"):
        store.answer(FIRST.id, "anna", {"choice": "A", "pressure": 1.0}, key="1")
    with pytest.raises(InvalidValueError, match="note of an answer: expected text, got nan"):
        store.answer(FIRST.id, "anna", {"choice": "A", "note": math.nan}, key="1")
    assert store.counts() == Counts(10, 0, 0, 0, 0)


def test_counts(store: Store) -> None:
    store.answer(FIRST.id, "anna", {"choice": "A"}, key="1")
    store.answer(FIRST.id, "anna", {"choice": "B"}, key="2")
    store.answer(FIRST.id, "teacher", {"choice": "B"}, key="1", annotator_kind="simulated")
    store.answer(QUESTIONS[1].id, "ben", {"choice": "B"}, key="1")
    assert store.counts("run") == Counts(questions=10, answered=2, answers=3, human=2, simulated=1)
    assert store.counts("run", 1) == Counts(0, 0, 0, 0, 0)


def test_acknowledged_answers_survive_kill_9(store: Store, where: str) -> None:
    process = worker(where, "anna", 1000)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(57)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.communicate()[0].splitlines()[:-1]  # the last line may be torn
    assert process.returncode == -signal.SIGKILL
    with Store(where) as again:
        assert len(again.answers()) == 10
        with again.database.read() as connection:
            keys = list(connection.scalars(sa.select(answers.c.idempotency_key).order_by(answers.c.number)))
    assert keys[: len(acknowledged)] == acknowledged
    assert len(set(keys)) == len(keys)


@pytest.mark.slow
def test_several_programs_answer_at_once(store: Store, where: str) -> None:
    processes = [worker(where, name, 3) for name in ("anna", "anna", "ben", "carl")]
    new = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(new[0]) + len(new[1]) == len(new[2]) == len(new[3]) == 30  # the two annas count once
    assert store.counts() == Counts(10, 10, 30, 30, 0)


def test_one_answer_sent_fifty_times_at_once_is_one_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ATTEMPTS", 1)  # no writer waits for one that waits for it
    results: list[bool] = []

    def send() -> None:
        results.append(store.answer(FIRST.id, "anna", {"choice": "A"}, key="k"))

    threads = [threading.Thread(target=send) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 49 + [True]


@pytest.mark.slow
def test_many_programs_make_the_database_at_once(where: str) -> None:
    script = "import sys; from robo_rlhf.feedback.store import Store; Store(sys.argv[1]).close()"
    command = [sys.executable, "-c", script, where]
    started = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_database_is_set_up_to_be_durable(file_store: Store) -> None:
    with file_store.database.engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_writer_that_never_ends_is_named(file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store(path) as impatient:
        assert len(impatient.questions()) == 10  # readers do not wait for a writer
        with pytest.raises(BusyError, match=r"is busy: another program has been writing for 0\.05 s"):
            impatient.answer(FIRST.id, "anna", {"choice": "A"}, key="1")
    other.close()


def test_database_of_another_version(file_store: Store, path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("update schema_version set version = 7")
    other.close()
    with pytest.raises(VersionError) as error:
        Store(path)
    assert str(error.value).startswith(f"{path} has format version 7, this program reads version {SCHEMA_VERSION}.")


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "feedback.db"
    path.write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(CorruptFileError, match=r"feedback\.db cannot be read \(file is not a database\)"):
        Store(path)


def test_other_kinds_of_databases_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"expected the path of a file, or a URL such as postgresql://"):
        Store("oracle+cx_oracle://somewhere/feedback")


def test_feedback_starts_without_torch_and_mujoco() -> None:
    modules = "store, teachers, selection, kinds"
    script = (
        f"import sys; from robo_rlhf.feedback import {modules}; list(kinds.KINDS);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'mujoco')))"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode == 0


def test_programs_that_open_a_new_database_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    for attempt in range(20):
        begin = threading.Barrier(4)
        failures: list[Exception] = []

        def open_it(path: Path, begin: threading.Barrier, failures: list[Exception]) -> None:
            begin.wait()
            try:
                Store(path).close()
            except Exception as error:
                failures.append(error)

        arguments = (tmp_path / f"{attempt}.db", begin, failures)
        threads = [threading.Thread(target=open_it, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
