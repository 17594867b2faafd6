"""Options that choose the feedback database of a command, with its accounts, questions and answers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robo_rlhf.core.files import data_home, feedback_database

if TYPE_CHECKING:
    from robo_rlhf.accounts.people import People
    from robo_rlhf.feedback.store import Store


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """Options that choose a database."""

    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    database: str = ""
    """A database URL or file; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""

    @contextmanager
    def answers(self) -> "Iterator[Store]":
        """Open the feedback store."""
        from robo_rlhf.feedback.store import Store

        with Store(self._where()) as store:
            yield store

    @contextmanager
    def accounts(self) -> "Iterator[People]":
        """Open the accounts."""
        from robo_rlhf.accounts.people import People

        with closing(People(self._where())) as people:
            yield people

    def _where(self) -> str | Path:
        return feedback_database(data_home(self.home).absolute(), self.database)
