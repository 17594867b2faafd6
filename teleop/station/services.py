"""What the pages share: the data home, the people, the answers, the workers that draw, the sessions."""

import threading
from collections.abc import Awaitable, Callable, Collection
from functools import cached_property
from pathlib import Path

from robo_rlhf.feedback.people import People
from robo_rlhf.feedback.store import Store
from robo_rlhf.sim.render_pool import RenderPool
from teleop.station.hub import Hub
from teleop.station.library import Library
from teleop.station.media import Media
from teleop.station.overview import Overview
from teleop.station.throttle import TokenTries

DATABASE = "feedback.db"  # in the data home
CLIPS = "cache/clips"  # in the data home; can be deleted at any time
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Station:
    """One station over one data home. What takes time to open is opened when it is first asked for."""

    def __init__(
        self,
        home: Path,
        *,
        database: str | Path | None = None,
        port: int = 0,
        hosts: Collection[str] | None = LOOPBACK,
        workers: int = 1,
    ) -> None:
        """Open the accounts.

        Args:
            home: the data home.
            database: where the feedback database is; `feedback.db` in the data home where None.
            port: where the station listens; stations on other ports of a machine keep cookies of their own.
            hosts: the names under which it is reached, without the port; None: any.
            workers: processes that draw pictures.
        """
        self.home, self.port, self.hosts, self._workers = home, port, hosts, workers
        self.database = database if database is not None else home / DATABASE
        self.people = People(self.database)
        self.token_tries = TokenTries()
        self.overview = Overview(home)
        self._lock = threading.RLock()
        self._at_start: list[Callable[[], Awaitable[None]]] = []
        self._at_stop: list[Callable[[], Awaitable[None]]] = []
        self.hub = Hub(home, lambda: self.pool)
        self.when_started(self.hub.start)
        self.when_stopped(self.hub.stop)

    @cached_property
    def store(self) -> Store:
        """Questions and answers."""
        with self._lock:
            return Store(self.database)

    @cached_property
    def pool(self) -> RenderPool:
        """The processes that draw."""
        with self._lock:
            return RenderPool(self._workers, live_workers=1)

    @cached_property
    def library(self) -> Library:
        """What was recorded."""
        with self._lock:
            return Library(self.home)

    @cached_property
    def media(self) -> Media:
        """Pictures and clips of what was recorded."""
        with self._lock:
            return Media(self.home / CLIPS, lambda: self.pool)

    @property
    def cookie(self) -> str:
        """Name of the cookie: browsers share cookies between the ports of a machine."""
        return f"robo_rlhf_{self.port}"

    def when_started(self, do: Callable[[], Awaitable[None]]) -> None:
        """Have something done in the server's event loop before the first request."""
        self._at_start.append(do)

    def when_stopped(self, do: Callable[[], Awaitable[None]]) -> None:
        """Have something done in the server's event loop after the last request; the newest is done first."""
        self._at_stop.insert(0, do)

    async def start(self) -> None:
        """Do what was asked for before the first request."""
        for do in self._at_start:
            await do()

    async def stop(self) -> None:
        """Do what was asked for after the last request."""
        for do in self._at_stop:
            await do()

    def close(self) -> None:
        """Release everything that was opened."""
        if "library" in self.__dict__:
            self.library.close()
        if "pool" in self.__dict__:
            self.pool.close(now=True)
        if "store" in self.__dict__:
            self.store.close()
        self.people.close()
