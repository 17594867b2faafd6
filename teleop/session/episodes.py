"""The fate of episodes: kept, discarded and opened again, marked and noted, closed as a branch that was left.

All of it waits for the disk and so runs in the I/O thread, in the order of the requests. A full disk holds that
thread up until there is room; the control loop continues meanwhile.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from robo_rlhf.core.errors import DiskFullError
from robo_rlhf.core.types import Outcome, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recording.journal import EpisodeWriter
from teleop.session.branch import BRANCH, CORRECTION, INTERRUPTED, RecordedEpisode
from teleop.session.io_thread import IOThread, explain_disk_full, ignore

DISK_FULL_RETRY = 0.2  # [s] between looks at a full disk

Done = Callable[[str], None]  # gets the text of the notice
Failed = Callable[[Exception], None]


class ClosedEpisode(NamedTuple):
    """An episode that is not open any more."""

    dataset: Dataset
    id: str
    seed: int
    task_outcome: Outcome
    outcome: Outcome  # the operator's mark, where there is one
    seconds: float  # of simulated time


class OpenEpisode(NamedTuple):
    """An episode that is to be closed."""

    dataset: Dataset
    writer: EpisodeWriter
    mark: str  # the operator's mark: "", "success" or "failure"
    note: str
    tags: tuple[str, ...] = ()  # in addition to those that its metadata has already

    def closed(self) -> ClosedEpisode:
        """Return what it will be."""
        writer = self.writer
        task_says: Outcome = "success" if bool(writer.row(len(writer))["success"]) else "failure"
        outcome: Outcome = "success" if self.mark == "success" else "failure" if self.mark else task_says
        seconds = len(writer) * writer.meta.control_dt
        return ClosedEpisode(self.dataset, writer.id, writer.meta.seed, task_says, outcome, seconds)


class EpisodeLog:
    """The episodes of one session, closed ones and those that wait to be."""

    def __init__(self, ring: Callable[[], None]) -> None:
        """Begin with none; `ring` is called when something was done."""
        self.io = IOThread("episode log", ring)
        self.trouble = ""  # why closing waits
        self.kept: dict[str, Outcome] = {}
        self.branches = 0  # kept of what was rewound and left
        self.discarded: list[ClosedEpisode] = []
        self.last: ClosedEpisode | None = None  # the one kept last
        self._stopping = threading.Event()

    def keep(self, episode: OpenEpisode, done: Done) -> None:
        """Close an episode; `done` when the disk holds it."""
        closed = self.last = episode.closed()

        def then(_: str) -> None:
            self.kept[closed.id] = closed.outcome
            done(f"Kept: {closed.outcome} after {closed.seconds:.1f} s.")

        self.io.submit(lambda: self._close(episode, closed.outcome), then, self._left)

    def discard(self, episode: OpenEpisode, done: Done) -> None:
        """Move an episode to the trash."""
        closed = episode.closed()

        def job() -> None:
            self._close(episode, "aborted")
            closed.dataset.delete(closed.id)

        def then(_: None) -> None:
            self.discarded.append(closed)
            done(f"Discarded {closed.seconds:.1f} s; it can be brought back.")

        self.io.submit(job, then, self._left)

    def read(self, closed: ClosedEpisode, done: Callable[[RecordedEpisode], None], failed: Failed) -> None:
        """Read an episode that was kept or discarded, after all that was asked for before."""

        def job() -> RecordedEpisode:
            if closed in self.discarded:
                closed.dataset.undelete(closed.id)
            columns, header = Reader(closed.dataset.path).read(closed.id)
            return RecordedEpisode(columns, replace(header.meta, id=closed.id), closed.dataset.path.name)

        self.io.submit(job, done, failed)

    def reopened(self, closed: ClosedEpisode) -> None:
        """A journal holds the frames of a closed episode: its file goes to the trash."""
        self.kept.pop(closed.id, None)
        self.discarded = [other for other in self.discarded if other != closed]
        if self.last == closed:
            self.last = None
        self.io.submit(lambda: closed.dataset.delete(closed.id), ignore, self._left)

    def stays(self, closed: ClosedEpisode) -> None:
        """An episode could not be opened again: a discarded one goes back to the trash."""
        if closed in self.discarded:
            self.io.submit(lambda: closed.dataset.delete(closed.id), ignore, self._left)

    def mark(self, closed: ClosedEpisode, mark: str, done: Done, failed: Failed) -> None:
        """Set the outcome of a closed episode; the task decides it where `mark` is empty."""
        outcome: Outcome = "success" if mark == "success" else "failure" if mark else closed.task_outcome

        def then(_: None) -> None:
            self.kept[closed.id] = outcome
            done(f"The last episode counts as {outcome}.")

        self.io.submit(lambda: closed.dataset.set_outcome(closed.id, outcome, marked=bool(mark)), then, failed)

    def note(self, closed: ClosedEpisode, text: str, done: Done, failed: Failed) -> None:
        """Write a note to an episode that is closed already."""
        job = lambda: closed.dataset.note(closed.id, text)  # noqa: E731 - the one thing to be done
        self.io.submit(job, lambda _: done("Noted with the last episode."), failed)

    def abandon(self, episode: OpenEpisode, done: Done) -> None:
        """Close an episode as a branch, with its own outcome: the operator rewound and continues differently."""
        tagged, closed = episode._replace(tags=(*episode.tags, BRANCH)), episode.closed()

        def then(_: str) -> None:
            self.branches += 1
            done(f"What was rewound is kept as a branch: {closed.outcome} after {closed.seconds:.1f} s.")

        self.io.submit(lambda: self._close(tagged, closed.outcome), then, self._left)

    def interrupt(self, episode: OpenEpisode) -> None:
        """Close an episode that the session's end cuts short: as the operator marked it, or as aborted."""
        tagged = episode._replace(tags=(*episode.tags, INTERRUPTED))
        outcome: Outcome = episode.closed().outcome if episode.mark else "aborted"
        self.io.submit(lambda: self._close(tagged, outcome), ignore, self._left)

    def finish(self) -> None:
        """Wait for everything; what the disk has no room for is left in its journal, for recovery."""
        self._stopping.set()
        self.io.finish()

    def _close(self, episode: OpenEpisode, outcome: Outcome) -> str:
        writer, tags = episode.writer, episode.tags
        if (writer.columns()["source"] == Source.CORRECTION).any():
            tags = (*tags, CORRECTION)
        while True:
            try:
                writer.close(outcome, note=episode.note, tags=tags, marked=bool(episode.mark))
            except (DiskFullError, OSError) as error:
                self.trouble = explain_disk_full(error)
                if self._stopping.wait(DISK_FULL_RETRY):
                    with contextlib.suppress(DiskFullError, OSError), writer:
                        pass
                    raise
            else:
                self.trouble = ""
                return writer.id

    def _left(self, error: Exception) -> None:
        """Record that an episode was left to recovery, which only happens as the session ends."""
        if not self._stopping.is_set():
            raise error
