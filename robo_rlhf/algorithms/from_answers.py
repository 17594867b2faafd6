"""Options of algorithms that learn from the answers in the database, and which answers a run began with."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_rlhf.algorithms.base import RunAlgorithm
from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.files import data_home, feedback_database, read_json
from robo_rlhf.database.timestamps import timestamp

if TYPE_CHECKING:
    from robo_rlhf.feedback.store import Store


@dataclass(frozen=True, kw_only=True)
class FromAnswers(RunAlgorithm):
    """A task, the run that asked, and the database of the answers."""

    task: str
    """Task that the questions are about."""
    questions_of: str = ""
    """Only answers to questions of this run, and presses about it; all of the task where empty."""
    database: str = ""
    """A database URL or file; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""

    def check(self) -> None:
        """Refuse a database that is not there.

        Raises:
            NotFoundError: there is no such database.
        """
        where = self.place
        if isinstance(where, Path) and not where.exists():
            advice = "Ask something with `robo-rlhf run`, or name the data home with --home."
            raise NotFoundError("feedback database", where, advice)

    @property
    def place(self) -> Path | str:
        """The database."""
        return feedback_database(data_home(self.home), self.database)

    def check_asked(self, store: "Store") -> None:
        """Refuse the name of a run about which nothing was said.

        Raises:
            NotFoundError: it did not.
        """
        asked_by = sorted({*store.runs(), *store.signals.runs()})
        if self.questions_of and self.questions_of not in asked_by:
            listed = ", ".join(asked_by) or "no run"
            raise NotFoundError("questions of run", self.questions_of, f"There are questions of {listed}.")


def starting_point(path: Path, store: "Store") -> dict[str, Any]:
    """Return up to where the run at `path` learns, what the store held at its start, as part of its configuration."""
    now = {"mark": store.mark(), "presses": store.signals.version().number, "begun": timestamp()}
    stored = path / "config.json"
    if not stored.exists():
        return now
    known = read_json(stored, dict)
    return {"mark": 0} | {name: known[name] for name in now if name in known}
