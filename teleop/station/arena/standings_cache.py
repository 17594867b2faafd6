"""The standings of arenas, updated in their folders as answers arrive; another process computes them."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError, WorkerDiedError
from robo_rlhf.feedback.arena.arena import arenas, folder_of, is_arena
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, questions
from teleop.station.background.worker_queue import WorkerQueue

EVERY = 5.0  # [s] between looks at the answers
_log = logging.getLogger("robo_rlhf.station")


class ArenaStandings:
    """Updates the ratings of an arena after each answer to a question of it; safe to use from several threads."""

    def __init__(self, home: Path, store: Callable[[], Store], database: str | Path) -> None:
        """Nothing is read yet."""
        self._home, self._store = home, store
        self._background = WorkerQueue(
            *("standings of arenas", "teleop.station.arena.standings_worker:start", self._renew, home, str(database))
        )
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._marks: tuple[int | None, int | None] = (None, None)  # of the last two looks
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to watch the answers."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching, and end the process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the process."""
        self._background.close()

    def check(self) -> None:
        """Update the arenas with answers since the last check but one; at first all unfinished arenas.

        PostgreSQL may show an answer later than one with a higher number, but not as late as the second look after it.
        """
        mark, (since, last) = self._store().mark(), self._marks
        if mark == last == since:
            return
        found = self._unfinished() if last is None else self._answered(last if since is None else since)
        self._marks = (last, mark)
        with self._lock:
            new = [name for name in found if name not in self._waiting]
            self._waiting.update(new)
        for name in new:
            self._background.put(name)

    def _unfinished(self) -> list[str]:
        return [name for name in arenas(self._home) if not (folder_of(self._home, name) / "result.json").exists()]

    def _answered(self, mark: int) -> list[str]:
        """Return the arenas to which answers have come since."""
        query = sa.select(questions.c.run).join(answers, answers.c.question_id == questions.c.id)
        query = query.where(answers.c.number > mark).distinct()
        with self._store().database.read() as connection:
            runs = connection.scalars(query).all()
        return [run for run in runs if self._is_arena(run)]

    def _is_arena(self, run: str) -> bool:
        try:
            return is_arena(self._home, run)
        except InvalidValueError:  # a run of that name has no folder
            return False

    def _renew(self, name: str) -> None:
        with self._lock:
            self._waiting.discard(name)  # answers from now on are seen by the next check only
        try:
            written = self._background.ask(name)
        except WorkerDiedError as error:
            written = {"error": f"the process ended ({error})"}
        if "error" in written and not self._background.closed:
            _log.warning("how the arena %s stands could not be written: %s", name, written["error"])

    async def _watch(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.check)
            except (RoboRlhfError, OSError, sa.exc.SQLAlchemyError) as error:
                _log.warning("how arenas stand could not be looked at: %s", error)
            await asyncio.sleep(EVERY)
