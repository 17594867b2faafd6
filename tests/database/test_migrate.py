import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

import robo_rlhf
from robo_rlhf.accounts.people import People
from robo_rlhf.database import migrate
from robo_rlhf.database.metadata import SCHEMA_VERSION, metadata
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.store import Counts, Store
from tests.databases import run_migrations
from tests.feedback.making import make_question
from tests.feedback.postgres import Server

ROOT = Path(robo_rlhf.__file__).parents[1]
ASKED = [make_question(i) for i in range(4)]
SAID = [  # question, annotator, kind, value
    (0, "anna", "human", '{"choice": "A"}'),
    (0, "anna", "human", '{"choice": "B", "note": "smoother"}'),
    (0, "ben", "human", '{"choice": "tie"}'),
    (1, "anna", "human", '{"choice": "A"}'),
    (1, "anna", "human", None),
    (2, "teacher", "simulated", '{"choice": "B"}'),
]


@pytest.fixture(autouse=True)
def _migrations_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "upgrade", run_migrations)


def make_old(where: str) -> None:
    """Make a database as version 1 did."""
    database = Database(where)

    def work(connection: sa.Connection) -> None:
        migrate.upgrade(connection, "0001")
        connection.execute(sa.text("DROP TABLE alembic_version"))  # version 1 did not know of Alembic
        for question in ASKED:
            row = {name: getattr(question, name) for name in ("id", "run", "round", "kind", "task", "dataset")}
            row |= {"created": "2026-01-01T00:00:00.000+00:00", "meta": f'{{"number": {question.meta["number"]}}}'}
            insert(connection, "questions", row)
            for position, clip in enumerate(question.segments):
                insert(
                    connection, "question_segments", {"question_id": row["id"], "position": position, **clip._asdict()}
                )
        for number, (question_number, annotator, kind, value) in enumerate(SAID):
            row = {"question_id": ASKED[question_number].id, "annotator": annotator, "annotator_kind": kind}
            row |= {"value": value, "idempotency_key": f"k{number}", "response_time": 1.5 if number % 2 else None}
            insert(connection, "answers", {**row, "answered": f"2026-01-01T00:00:0{number}.000+00:00"})

    database.write(work)
    database.close()


def insert(connection: sa.Connection, table: str, row: dict[str, object]) -> None:
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


def test_version_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == f"{SCHEMA_VERSION:04d}"


def opened(where: str) -> dict[str, list[object]]:
    """Open a database, which makes or migrates it; return its shape."""
    with Store(where) as store:
        return shape(store.database.engine)


def made_from_tables(where: str) -> dict[str, list[object]]:
    """Make a database from the tables of the rooms; return its shape."""
    database = Database(where)
    database.write(metadata.create_all)
    found = shape(database.engine)
    database.close()
    return found


def shape(engine: sa.Engine) -> dict[str, list[object]]:
    """Return the columns, keys and indexes of every table, Alembic's own aside."""
    inspector = sa.inspect(engine)
    found: dict[str, list[object]] = {}
    for table in set(inspector.get_table_names()) - {"alembic_version"}:
        columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)]
        indexes = [(i["name"], tuple(i["column_names"]), i["unique"]) for i in inspector.get_indexes(table)]
        unique = [tuple(u["column_names"]) for u in inspector.get_unique_constraints(table)]
        foreign = [(tuple(f["constrained_columns"]), f["referred_table"]) for f in inspector.get_foreign_keys(table)]
        keys = inspector.get_pk_constraint(table)["constrained_columns"]
        found[table] = [sorted(x, key=str) for x in (columns, indexes, unique, foreign)] + [keys]
    return found


def test_migrations_lead_to_the_tables_of_the_rooms(where: str, tmp_path: Path, postgres: Server) -> None:
    def another(name: str) -> str:
        return postgres.new_schema() if "://" in where else str(tmp_path / name)

    make_old(where)
    wanted = made_from_tables(another("tables.db"))
    assert set(wanted) == set(metadata.tables)
    assert opened(where) == wanted
    assert opened(another("new.db")) == wanted


def test_an_old_database_is_migrated_when_it_is_opened(where: str) -> None:
    make_old(where)
    with Store(where) as store:
        assert [question.id for question in store.questions()] == [question.id for question in ASKED]
        assert store.questions()[0].segments == ASKED[0].segments
        found = [(a.annotator, a.value["choice"], a.standing) for a in store.answers()]
        assert found == [("anna", "B", "counted"), ("ben", "tie", "counted"), ("teacher", "B", "counted")]
        assert store.counts() == Counts(4, 2, 3, 2, 1)
        assert len(store.clips.list()) == 8
        assert store.teams() == {"anna": "", "ben": "", "teacher": ""}
        handed = [store.leases.next("carl") for _ in range(2)]
        assert [h.question.id for h in handed if h] == [ASKED[1].id] * 2  # the same again: the page was loaded anew
        assert store.leases.next("anna", have=[]) is not None
        assert COUNTED == ("counted", "late")
    with Store(where) as again:  # nothing is left to do
        assert len(again.answers()) == 3
    people = People(where)
    assert people.list() == []
    people.close()


def test_a_copy_of_an_old_file_is_kept(path: Path) -> None:
    make_old(str(path))
    path.with_name("feedback.db.v1").write_text("of somebody else")
    Store(path).close()
    assert sorted(p.name for p in path.parent.iterdir() if "v1" in p.name) == ["feedback.db.v1", "feedback.db.v1.2"]
    copy = sqlite3.connect(path.with_name("feedback.db.v1.2"))
    assert copy.execute("select version from schema_version").fetchone() == (1,)
    assert copy.execute("select count(*) from answers").fetchone() == (6,)
    copy.close()


def test_a_copy_of_old_tables_is_kept_in_postgresql(postgres: Server) -> None:
    url = postgres.new_database()
    make_old(url)
    with Store(url) as store, store.database.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM robo_rlhf_v1.answers")) == 6
        assert connection.scalar(sa.text("SELECT version FROM robo_rlhf_v1.schema_version")) == 1


def test_a_migration_that_is_killed_has_not_begun(path: Path) -> None:
    make_old(str(path))
    script = (
        "import os, signal, sys; from robo_rlhf.database import migrate; real = migrate.upgrade\n"
        "def upgrade(connection, *rest):\n    real(connection, *rest); os.kill(os.getpid(), signal.SIGKILL)\n"
        "migrate.upgrade = upgrade\nfrom robo_rlhf.feedback.store import Store; Store(sys.argv[1])"
    )
    command = [sys.executable, "-c", script, str(path)]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == -signal.SIGKILL
    with sqlite3.connect(path) as raw:
        assert raw.execute("select version from schema_version").fetchone() == (1,)
    raw.close()
    with Store(path) as store:
        assert len(store.answers()) == 3


@pytest.mark.slow
def test_several_programs_that_open_an_old_database_at_once(where: str) -> None:
    make_old(where)
    script = "import sys; from robo_rlhf.feedback.store import Store; Store(sys.argv[1]).close()"
    command = [sys.executable, "-c", script, where]
    started = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0] * 3
    with Store(where) as store:
        assert store.counts() == Counts(4, 2, 3, 2, 1)


def test_opening_a_database_that_is_up_to_date_loads_no_alembic(path: Path) -> None:
    Store(path).close()
    script = (
        "import sys; from robo_rlhf.feedback.store import Store; Store(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(path)]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == 0


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, 99])
def test_versions_that_nobody_knows(path: Path, version: int) -> None:
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("update schema_version set version = ?", (version,))
    raw.close()
    from robo_rlhf.core.errors import VersionError

    with pytest.raises(VersionError, match=f"format version {version}, this program reads version {SCHEMA_VERSION}"):
        Store(path)
