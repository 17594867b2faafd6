"""The hub: all sessions of a station, one process each, and one process in reserve.

The process in reserve has imported the simulator already, so that a page shows its first picture soon.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import BusyError, NotFoundError, RoboRlhfError
from robo_rlhf.core.files import make_folder, require_homes
from robo_rlhf.processes.worker import START
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.ipc.messages import Begin
from teleop.ipc.session_process import SessionProcess
from teleop.station.operate.session import StationSession

MOST, MOST_EACH = 12, 2  # sessions at once, and those that one person began
CHECK_INTERVAL = 1.0  # [s] between two checks of the sessions
ALONE = 900.0  # [s] without viewers, after which a session ends; its open episode is kept
RESERVE_AFTER = 2.0  # [s] after a session began: its first pictures come first
USUAL_TASK = "pick_place"  # what a station is ready for from the start
USUAL_SIZE = (640, 480)  # [pixels] of the main view
LOG = "sessions.jsonl"  # in the data home: log of operators and of changes of the controls
_log = logging.getLogger("robo_rlhf.station")


class Hub:
    """All sessions; its methods belong to the server's event loop."""

    def __init__(
        self,
        home: Path,
        pool: Callable[[], RenderPool],
        *,
        recorded: Callable[[str], object] = lambda dataset: None,
        lean: bool = False,
    ) -> None:
        """Have no sessions yet.

        Args:
            home: the data home.
            pool: gives the render workers.
            recorded: called with the name of a dataset in which something was recorded or discarded.
            lean: whether to keep nothing ready.
        """
        self.home, self._recorded, self._lean = home, recorded, lean
        self._pool = pool
        self._drives: dict[str, StationSession] = {}
        self._reserve: SessionProcess | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Start what is kept ready: a process for the next session, and the render workers."""
        if not self._lean:
            self._reserve = SessionProcess()
            self.warm(USUAL_TASK)
        self._spawn(self._supervise())

    def warm(self, task: str) -> None:
        """Have the render workers compile the scene of a task, before a user waits for it."""
        self._pool().cameras(task, *USUAL_SIZE, key=("warm", task))

    async def stop(self) -> None:
        """End all sessions; open episodes are kept."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        reserve, self._reserve = self._reserve, None
        jobs = [asyncio.to_thread(drive.close, "The station was stopped.") for drive in self._drives.values()]
        if reserve is not None:
            jobs.append(asyncio.to_thread(reserve.close))
        await asyncio.gather(*jobs, return_exceptions=True)
        for drive in self._drives.values():
            drive.dismiss()
            self._recorded(drive.dataset)
        self._drives.clear()

    def sessions(self) -> tuple[StationSession, ...]:
        """Return the running sessions, oldest first."""
        return tuple(drive for drive in self._drives.values() if not drive.over)

    def get(self, session_id: str) -> StationSession:
        """Return a session.

        Raises:
            NotFoundError: there is none with this id, or it is over.
        """
        drive = self._drives.get(session_id)
        if drive is None:
            raise NotFoundError("session", session_id, "It has ended; what was recorded is in the library.")
        return drive

    async def open(self, begin: Begin) -> StationSession:
        """Begin a session and wait until it shows something.

        Raises:
            BusyError: there are as many sessions as the station takes.
            DiskError: the data home is gone.
            RoboRlhfError: it cannot begin; the message says why.
        """
        require_homes(self.home)
        await self._make_room(begin.operator)
        if not is_outside(begin.task):
            self.warm(begin.task)
        session_id = secrets.token_hex(4)
        while session_id in self._drives:
            session_id = secrets.token_hex(4)
        log = lambda text: self._note(session_id, text)  # noqa: E731 - with the id of this session
        drive = StationSession(session_id, begin, self._new_process, self._pool(), log, self._recorded)
        self._drives[session_id] = drive
        self._note(session_id, f"{begin.operator} began to record {begin.task} into {begin.dataset}.")
        try:
            await asyncio.wait_for(asyncio.shield(drive.begun), START)
        except (RoboRlhfError, TimeoutError) as error:
            await self.end(session_id, "It could not begin.")
            if isinstance(error, TimeoutError):
                raise BusyError("the session", f"it did not begin within {START:.0f} s") from None
            raise
        return drive

    async def _make_room(self, person: str) -> None:
        """End the session that has been without viewers for longest, where the station's limit is reached.

        Raises:
            BusyError: each of them has viewers, or `person` has as many sessions with viewers as allowed.
        """
        mine = [drive for drive in self.sessions() if drive.owner == person]
        if len(mine) >= MOST_EACH:
            await self._end_one(mine, f"{MOST_EACH} sessions of yours are open; end one")
        if len(self.sessions()) >= MOST:
            await self._end_one(self.sessions(), f"{MOST} sessions are open; end one")

    async def _end_one(self, drives: Sequence[StationSession], why: str) -> None:
        empty = [drive for drive in drives if drive.empty_since is not None and drive.begun.done()]
        if not empty:
            raise BusyError("the station", why)
        oldest = min(empty, key=lambda drive: drive.empty_since or 0.0)
        await self.end(oldest.id, "It had no viewers, and another one needed its place.")

    async def end(self, session_id: str, why: str) -> None:
        """End a session; its open episode is kept, tagged "interrupted"."""
        drive = self.get(session_id)
        await asyncio.to_thread(drive.close, why)
        drive.dismiss()
        self._drives.pop(session_id, None)
        self._recorded(drive.dataset)
        self._note(session_id, f"The session ended. {why}")

    def _new_process(self) -> SessionProcess:
        """Return the process in reserve where it is well, and start another one a little later."""
        process, self._reserve = self._reserve, None
        if process is None or process.ended.is_set():
            process = SessionProcess()
        if not self._lean:
            self._spawn(self._refill())
        return process

    async def _refill(self) -> None:
        await asyncio.sleep(RESERVE_AFTER)
        if self._reserve is None and not self._closing:
            self._reserve = SessionProcess()

    async def _supervise(self) -> None:
        """Once a second, handle expired leases, and sessions that are over or without viewers."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            for drive in tuple(self._drives.values()):
                drive.supervise()
                alone = drive.empty_since is not None and time.monotonic() - drive.empty_since > ALONE
                if drive.over or alone:
                    why = drive.over or f"It had no viewers for {ALONE / 60:.0f} minutes."
                    with contextlib.suppress(NotFoundError):
                        await self.end(drive.id, why)

    def _note(self, session_id: str, text: str) -> None:
        """Log what happened to a session; a full disk does not stop the sessions."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "session": session_id, "text": text}
        _log.info("session %s: %s", session_id, text)
        try:
            make_folder(self.home)
            with (self.home / LOG).open("a") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            _log.warning("%s cannot be written: %s", self.home / LOG, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
