"""Options that choose the dataset of a command, and the table of its trash."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from robo_rlhf.cli import (
    STAYS,
)
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.core.checks import (
    DatasetName,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home
from robo_rlhf.core.types import Outcome

if TYPE_CHECKING:
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.data.layout import TrashedEpisode
    from robo_rlhf.data.reader import EpisodeInfo, Reader

Id = Annotated[str, tyro.conf.Positional]
Ids = Annotated[tuple[str, ...], tyro.conf.Positional]
BY = "robo-rlhf episodes"  # the actor in the audit log


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Options that choose a dataset."""

    stopped: ClassVar = STAYS

    dataset: DatasetName = ""
    """Name of the dataset in the data home, such as samples/pick_place."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    @contextmanager
    def open(self) -> "Iterator[Dataset]":
        """Open the dataset.

        Raises:
            InvalidValueError: none is named; the message lists those that there are.
        """
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.data.layout import datasets_of, require_dataset

        home = data_home(self.home)
        if not self.dataset:
            choices = ", ".join(datasets_of(home)) or "(no datasets)"
            raise InvalidValueError("--dataset", "none", f"one of those in {home}: {choices}")

        dataset = Dataset(require_dataset(home, self.dataset))
        for episode_id in dataset.recovery.recovered:
            print(f"recovered {episode_id}, which a crash had cut short", file=sys.stderr)
        yield dataset

    @contextmanager
    def logged(self, act: str) -> Iterator[list[str]]:
        """Yield a list for the ids of the episodes that are changed, which are then logged.

        The log is opened first: where it cannot be, nothing is done.
        """
        from robo_rlhf.accounts.roles import Principal

        done: list[str] = []
        with DatabaseOptions(home=self.home).accounts() as people:
            try:
                yield done
            finally:
                if done:
                    about = f"{len(done):,}: {', '.join(f'{self.dataset}/{episode}' for episode in done)}"
                    people.audit.write(Principal(BY), act, about)


@dataclass(frozen=True, kw_only=True)
class EpisodeFilters:
    """Options that choose episodes: those that fit every filter."""

    task: str | None = None
    """Only episodes of this task."""
    outcome: Outcome | None = None
    """Only episodes that ended so."""
    operator: str | None = None
    """Only episodes by this person, or run."""
    device: str | None = None
    """Only episodes recorded with this device."""
    tag: str | None = None
    """Only episodes with this tag."""
    min_steps: int = 0
    """Only episodes of at least so many steps."""
    max_steps: int | None = None
    """Only episodes of at most so many steps."""

    def choose(self, reader: "Reader") -> "tuple[EpisodeInfo, ...]":
        """Return the episodes that fit, sorted by id."""
        return reader.list(
            task=self.task,
            outcome=self.outcome,
            operator=self.operator,
            device=self.device,
            tag=self.tag,
            min_length=self.min_steps,
            max_length=self.max_steps,
        )


def trash_rows(items: "Iterable[TrashedEpisode]") -> list[dict[str, object]]:
    """Return a row for each episode in a trash."""
    return [
        {"id": item.id, "versions": item.versions, "kb": round(item.size / 1e3, 1), "since": item.since}
        for item in items
    ]
