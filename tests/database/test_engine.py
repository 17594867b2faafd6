"""Addresses of databases, and errors about unusable ones; `test_store` has those that work."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_rlhf.accounts.people import People
from robo_rlhf.core.errors import CorruptFileError, DatabaseError, InvalidValueError
from robo_rlhf.database.engine import url_of
from robo_rlhf.feedback.quality.team_overview import team_overview
from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS, make_question

NONE = (  # neither a file nor a database that is known
    "://",
    "sqlite://",
    "sqlite:///:memory:",
    "postgresql:/one-slash",
    "postgres:x",
    "file:x.db?mode=ro",
    "postgresql://u:secret@127.0.0.1:port/x",
    "mysql://u:secret@127.0.0.1/x",
    "http://127.0.0.1/x",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database in a folder of its own, with a few questions."""
    path = tmp_path / "place" / "feedback.db"
    with Store(path) as store:
        store.add_questions(QUESTIONS)
    with closing(People(path)) as people:
        people.add("bert", "operator")
    return path


@pytest.fixture
def closed(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same where nothing may be written: as on a read-only file system, also for a user with all other rights."""
    monkeypatch.setattr("robo_rlhf.database.engine.os.access", lambda path, mode: mode != os.W_OK)
    for path in (file, file.parent):
        path.chmod(path.stat().st_mode & ~0o222)
    yield file  # type: ignore[misc]
    file.parent.chmod(0o755)


@pytest.mark.parametrize("where", NONE)
def test_what_is_no_database_is_refused_without_its_password(where: str, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    with pytest.raises(InvalidValueError, match=r"database: expected the path of a file, or a URL such as") as told:
        Store(where)
    assert "secret" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_how_hosts_of_databases_write_it_is_understood() -> None:
    for where in ("postgres://u:p@host:5/x", "postgresql://u:p@host:5/x"):
        assert url_of(where).render_as_string(hide_password=False) == "postgresql+psycopg://u:p@host:5/x"
    for where in ("feedback.db", "C:feedback.db", "a/b:c.db", Path("x:y")):
        assert url_of(where) == sa.URL.create("sqlite", database=str(where))
    with pytest.raises(
        InvalidValueError, match=r"expected a URL that begins with postgresql://, got postgresql\+no://u:\*"
    ):
        Store("postgresql+no://u:secret@host/x")


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="expected a file, and this is a folder"):
        Store(tmp_path)


def test_what_may_only_be_read_is_read(closed: Path) -> None:
    before = sorted(os.listdir(closed.parent))
    with Store(closed) as store:
        assert len(store.questions()) == len(QUESTIONS)
        with pytest.raises(DatabaseError, match=r"feedback.db cannot be used: its place may be read and not written"):
            store.add_questions([make_question(99)])
    with closing(People(closed)) as people:
        assert [member.person.name for member in team_overview(people)] == ["bert"]
        with pytest.raises(DatabaseError, match="may be read and not written"):
            people.add("anna", "annotator")
    assert sorted(os.listdir(closed.parent)) == before


def test_what_is_not_there_and_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    def connect(database: str, *args: object, **more: object) -> sqlite3.Connection:
        return real(str(Path(database) / "no" / "such" / "folder"), *args, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    with pytest.raises(DatabaseError, match=r"cannot be used: unable to open database file. Choose another place with"):
        Store(tmp_path / "feedback.db")


def test_a_damaged_page_is_told(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"feedback.db cannot be read \(database disk image is malformed\)"):
        Store(file)
    file.write_bytes(b"something else that is no database at all" * 100)
    with pytest.raises(CorruptFileError, match="file is not a database"):
        Store(file)
