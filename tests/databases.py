"""Databases for tests: each test that takes `where` or `store` runs on SQLite and on PostgreSQL.

A new database costs a third of a second, nearly all of it Alembic's. So the statements of the first one of each kind
are remembered in each test process, and run again for the others; `tests/database` runs the migrations themselves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from robo_rlhf.database import migrate
from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS
from tests.feedback.postgres import Server, server

QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300")


_statements: dict[str, list[tuple[str, Any]]] = {}  # kind of database → what makes its tables
run_migrations = migrate.upgrade


def _remembered_upgrade(connection: sa.Connection, revision: str = "head") -> None:
    kind = connection.dialect.name
    if revision != "head" or migrate.version_of(connection) is not None:
        run_migrations(connection, revision)
    elif kind in _statements:
        for statement, parameters in _statements[kind]:
            connection.exec_driver_sql(statement, parameters)
    else:
        made: list[tuple[str, Any]] = []

        def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if not statement.lstrip().startswith(("SELECT", "PRAGMA")):
                made.append((statement, parameters))

        sa.event.listen(connection, "before_cursor_execute", remember)
        try:
            run_migrations(connection)
        finally:
            sa.event.remove(connection, "before_cursor_execute", remember)
        _statements[kind] = made


@pytest.fixture(autouse=True, scope="session")
def _quick_tables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "upgrade", _remembered_upgrade)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server(*QUICK) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for an SQLite database."""
    return tmp_path / "home" / "feedback.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return str(path)
    url: str = request.getfixturevalue("postgres").new_schema()
    return url


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    """A store with ten questions."""
    with Store(where) as opened:
        opened.add_questions(QUESTIONS)
        yield opened


SLOW_THERE = (
    "transfer/test_exchange.py",
    "quality/test_report.py",
    "test_signals.py",
    "test_task_settings.py",
    "test_gold.py",
    "killed_people",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test-all` on PostgreSQL what says little of a database."""
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if params.get("where") == "postgresql" and any(name in item.nodeid for name in SLOW_THERE):
            item.add_marker(pytest.mark.slow)
