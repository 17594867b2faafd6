"""The services that the pages share: data home, accounts, answers, render workers, sessions."""

import asyncio
import json
import tempfile
import threading
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from robo_rlhf.accounts.people import People
from robo_rlhf.feedback.store import Store
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.station.arena.arenas import Arenas
from teleop.station.arena.standings_cache import ArenaStandings
from teleop.station.background.implicit import ImplicitWriter
from teleop.station.exports.jobs import Exports
from teleop.station.home.summary import HomeSummary
from teleop.station.library.edits import Library
from teleop.station.media.media import Media
from teleop.station.monitor.label_counts import LabelCounts
from teleop.station.monitor.runs import RunIndex
from teleop.station.operate.hub import Hub
from teleop.station.probe.client import ProbeClient
from teleop.station.probe.rollouts_cache import RolloutCache
from teleop.station.quality.cache import QualityCache
from teleop.station.review.live_reward import LiveReward
from teleop.station.train.plans import PlanMaker
from teleop.station.train.queue import TrainingQueue
from teleop.station.web.throttle import BAD_TOKENS, NOTES, Tries
from teleop.station.web.uploads import Uploads
from teleop.station.webhooks.sender import WebhookSender

DATABASE = "feedback.db"  # in the data home
CLIPS = "cache/clips"  # in the data home; can be deleted at any time
THREADS = 40  # that wait for the database or a disk at a time; by itself there would be few on a small machine
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Station:
    """One station over one data home. What takes time to open is opened when it is first asked for."""

    def __init__(
        self,
        home: Path,
        *,
        database: str | Path | None = None,
        port: int = 0,
        proxied: bool = False,
        hosts: Collection[str] | None = LOOPBACK,
        workers: int = 1,
        private_webhooks: bool = False,
        lean: bool = False,
        environments: Collection[str] = (),
    ) -> None:
        """Open the accounts.

        Args:
            home: the data home.
            database: where the feedback database is; `feedback.db` in the data home where None.
            port: where the station listens; stations on other ports of a machine have separate cookies.
            proxied: whether a proxy is in front of it; the stations behind one, which share a database, share a cookie.
            hosts: the names under which it is reached, without the port; None: any.
            workers: processes that draw pictures.
            private_webhooks: whether messages may be sent to addresses of this machine's own network.
            lean: whether processes start only when they are needed, and none is kept ready.
            environments: outside environments that operators may drive.
        """
        self.environments = tuple(environments)
        self._proxied = proxied
        self.home, self.port, self.hosts, self._workers, self._lean = home, port, hosts, workers, lean
        self.database = database if database is not None else home / DATABASE
        self.people = People(self.database)
        self.bad_tokens, self.notes = Tries(BAD_TOKENS), Tries(NOTES)
        self.uploads = Uploads(home)
        self.overview = HomeSummary(home)
        self.runs = RunIndex(home)
        self.live_reward = LiveReward(self.runs)
        self.training = TrainingQueue(home, self.runs, self.database)
        self.plans = PlanMaker(home, self.training.database)
        self.labels = LabelCounts(lambda: self.store)
        self.quality = QualityCache(self.database, lambda: self.store.mark())
        self.thinking, self.futures = ProbeClient(home), RolloutCache()
        self._lock = threading.RLock()
        self.looking = asyncio.Lock()  # by subscribers to changes of accounts
        self._at_start: list[Callable[[], Awaitable[None]]] = []
        self._at_stop: list[Callable[[], Awaitable[None]]] = []
        self.implicit = ImplicitWriter(home, lambda: self.store)
        self.hub = Hub(home, lambda: self.pool, recorded=self.implicit.look, lean=lean)
        self.when_started(self.hub.start)
        self.when_stopped(self.hub.stop)
        self.when_started(self.training.begin)
        self.when_stopped(self.training.end)
        self.exports = Exports(home)
        self.when_started(self.exports.begin)
        self.posting = WebhookSender(lambda: self.store.webhooks, allow_private=private_webhooks)
        self.when_started(self.posting.start)
        self.when_stopped(self.posting.stop)
        self.standings = ArenaStandings(home, lambda: self.store, self.database)
        self.when_started(self.standings.start)
        self.when_stopped(self.standings.stop)

    @cached_property
    def store(self) -> Store:
        """Questions and answers."""
        with self._lock:
            return Store(self.database)

    @cached_property
    def pool(self) -> RenderPool:
        """The render processes."""
        with self._lock:
            return RenderPool(self._workers, live_workers=1, eager=not self._lean)

    @cached_property
    def library(self) -> Library:
        """What was recorded."""
        with self._lock:
            return Library(self.home)

    @cached_property
    def media(self) -> Media:
        """Pictures and clips of recordings."""
        with self._lock:
            return Media(self.home / CLIPS, lambda: self.pool)

    @cached_property
    def arenas(self) -> Arenas:
        """Policies that are compared."""
        with self._lock:
            return Arenas(self.home, lambda: self.store, self.database)

    def outward(self, text: str) -> str:
        """Return a message as people may read it: without paths of this machine."""
        for place, name in self._places:
            text = text.replace(place, name)
        return text

    @cached_property
    def _places(self) -> list[tuple[str, str]]:
        """Paths of this machine that messages may name, the longest first, and their replacements."""
        program, user, temporary = Path(__file__).parents[2], Path.home(), Path(tempfile.gettempdir())
        named = {self.home: "data home", program: "program", user: "home", temporary: "temporary folder"}
        named |= {path.resolve(): name for path, name in named.items()}
        found = [(str(path), name) for path, name in named.items() if len(path.parts) > 1]
        written = [(json.dumps(place)[1:-1], name) for place, name in found]  # as it is written in JSON
        both = [(f"{place}/", "") for place, _ in [*found, *written]] + found + written
        return sorted(dict(both).items(), key=lambda one: -len(one[0]))

    @property
    def cookie(self) -> str:
        """Name of the cookie: browsers share cookies between the ports of a machine."""
        return "robo_rlhf" if self._proxied else f"robo_rlhf_{self.port}"

    def when_started(self, do: Callable[[], Awaitable[None]]) -> None:
        """Register a callback of the server's event loop before the first request."""
        self._at_start.append(do)

    def when_stopped(self, do: Callable[[], Awaitable[None]]) -> None:
        """Register a callback of the server's event loop after the last request; the newest runs first."""
        self._at_stop.insert(0, do)

    async def start(self) -> None:
        """Run the callbacks before the first request."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "station"))
        for do in self._at_start:
            await do()

    async def stop(self) -> None:
        """Run the callbacks after the last request."""
        for do in self._at_stop:
            await do()
        await asyncio.to_thread(self.implicit.finish)
        if "store" in self.__dict__:
            await self.store.database.close_async()

    def close(self) -> None:
        """Release everything that was opened."""
        self.implicit.finish()
        self.thinking.close()
        self.labels.close()
        self.quality.close()
        self.exports.close()
        self.standings.close()
        if "arenas" in self.__dict__:
            self.arenas.close()
        if "library" in self.__dict__:
            self.library.close()
        if "media" in self.__dict__:
            self.media.close()
        if "pool" in self.__dict__:
            self.pool.close(now=True)
        if "store" in self.__dict__:
            self.store.close()
        self.people.close()
