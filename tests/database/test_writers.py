import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

import robo_rlhf
from robo_rlhf.core.errors import BusyError, DiskFullError, InvalidValueError
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.store import Store
from tests.feedback.making import make_question
from tests.feedback.postgres import server

ROOT = Path(robo_rlhf.__file__).parents[1]


def together(database: Database, works: list) -> list[object]:  # type: ignore[type-arg]
    """Write all at once; return what each returned or raised."""
    begin = threading.Barrier(len(works))
    found: list[object] = [None] * len(works)

    def run(i: int) -> None:
        begin.wait()
        try:
            found[i] = database.write(works[i])
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def database(path: Path) -> Database:  # type: ignore[misc]
    opened = Database(path)
    opened.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    yield opened
    opened.close()


def rows(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(sa.text("SELECT x FROM t ORDER BY x")))


def test_who_writes_at_once_shares_commits_and_none_disturbs_another(database: Database) -> None:
    commits = []
    sa.event.listen(database.engine, "commit", lambda _: commits.append(1))

    def work(i: int) -> object:
        def insert(connection: sa.Connection) -> int:
            connection.exec_driver_sql(f"INSERT INTO t VALUES ({i})")
            time.sleep(0.002)
            if i % 3 == 0:
                raise InvalidValueError("x", i, "another")
            return i

        return insert

    found = together(database, [work(i) for i in range(30)])
    assert [isinstance(value, InvalidValueError) for value in found] == [i % 3 == 0 for i in range(30)]
    assert rows(database) == [value for value in found if isinstance(value, int)]
    assert len(commits) < 20


@pytest.mark.parametrize("promoted", [False, True])
def test_who_is_interrupted_while_waiting_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, promoted: bool
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        begun.set()
        go_on.wait(10)

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if promoted:
                go_on.set()
                super().wait(10)
            raise KeyboardInterrupt

    leader = threading.Thread(target=database.write, args=(slow,))
    leader.start()
    assert begun.wait(10)
    with monkeypatch.context() as patch:
        patch.setattr("robo_rlhf.database.group_commit.threading.Event", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (1)") and None)
    go_on.set()
    leader.join(10)
    database.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (2)") and None)
    assert 2 in rows(database)


def test_a_breach_of_a_key_is_told_to_whom_it_concerns(database: Database) -> None:
    works = [lambda c: c.exec_driver_sql("INSERT INTO t VALUES (1)") and None] * 10
    found = together(database, works)
    assert sorted(value is None for value in found) == [False] * 9 + [True]
    assert all(isinstance(value, sa.exc.IntegrityError) for value in found if value is not None)
    assert rows(database) == [1]


def test_a_full_disk_is_told_to_everybody_and_nothing_is_kept(database: Database) -> None:
    def work(i: int) -> object:
        def insert(connection: sa.Connection) -> int:
            time.sleep(0.01)
            connection.exec_driver_sql(f"INSERT INTO t VALUES ({i})")
            if i == 5:
                raise sa.exc.OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))
            return i

        return insert

    found = together(database, [work(i) for i in range(10)])
    done = [value for value in found if isinstance(value, int)]
    assert rows(database) == done
    assert all(isinstance(value, DiskFullError) for value in found if not isinstance(value, int))
    assert isinstance(found[5], DiskFullError)


def test_a_database_that_is_really_full(path: Path) -> None:
    with Store(path) as store:
        store.add_questions([make_question(i) for i in range(10)])
        with store.database.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        store.database.engine.dispose()
        sa.event.listen(
            store.database.engine, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={pages + 2}").close()
        )
        taken = 0
        with pytest.raises(DiskFullError):  # noqa: PT012 - it is full at some time
            for i in range(200):
                note = {"choice": "A", "note": "x" * 500}
                store.answer(make_question(i % 10).id, f"p{i}", note, key=str(i))
                taken += 1
        assert 0 < taken < 200
        assert len(store.answers()) == taken, "all that was acknowledged, and nothing else"


def test_a_database_that_is_down_is_told_and_comes_back() -> None:
    with server("-c", "fsync=off") as running, Store(running.url()) as store:
        question = make_question(0)
        store.add_questions([question])
        store.answer(question.id, "anna", {"choice": "A"}, key="1")
        running.stop(signal.SIGQUIT)
        for _ in range(2):
            with pytest.raises(BusyError, match="it cannot be reached"):
                store.answer(question.id, "anna", {"choice": "B"}, key="2")
            with pytest.raises(BusyError, match="it cannot be reached"):
                store.leases.next("ben")
        running.start()
        assert store.answer(question.id, "anna", {"choice": "B"}, key="2")
        assert [answer.value for answer in store.answers()] == [{"choice": "B"}]


WORKER = """
import sys
from robo_rlhf.feedback.store import Store
from robo_rlhf.database.group_commit import _Job
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
store, person = Store(sys.argv[1]), sys.argv[2]
while (handed := store.leases.next(person)) is not None:
    key = f"{person}/{handed.lease}"
    store.submit(SubmittedAnswer(handed.question.id, person, "human", {"choice": "A"}, key, 1.0, handed.lease, None))
    print(handed.question.id, flush=True)
"""


def worker(where: str, person: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, where, person]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_killed_people_lose_no_acknowledged_answer_and_no_overlap_is_exceeded(where: str) -> None:
    """Programs ask and answer at once; some are killed again and again; what they printed is there, once."""
    with Store(where) as store:
        store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
        store.add_questions([make_question(i) for i in range(120)])
    rng = random.Random(0)
    acknowledged: dict[str, set[str]] = {"anna": set(), "ben": set()}
    steady = worker(where, "carl")
    for person in acknowledged:
        victim = worker(where, person)
        assert victim.stdout is not None
        seen = [victim.stdout.readline().strip() for _ in range(rng.randrange(5, 20))]
        victim.send_signal(signal.SIGKILL)
        seen += victim.communicate()[0].splitlines()[:-1]  # the last line may be torn
        acknowledged[person] |= set(seen) - {""}
    acknowledged["carl"] = set(steady.communicate(timeout=120)[0].splitlines())
    assert steady.returncode == 0
    with Store(where) as store:
        said = [(answer.annotator, answer.question_id) for answer in store.answers()]
        assert len(said) == len(set(said))
        assert len({question for _, question in said}) == len(said), "one answer a question: the overlap is 1"
        for person, questions in acknowledged.items():
            assert questions <= {question for annotator, question in said if annotator == person}
