"""Databases for tests: each test that takes `where` or `store` runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS
from tests.feedback.postgres import Server, server

QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300")


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
