"""Keeps the preferences of rewinds and takeovers up to date, in a thread, while people operate and edit recordings."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.feedback.implicit.keeping import update
from robo_rlhf.feedback.store import Store

_log = logging.getLogger("robo_rlhf.station")


class ImplicitWriter:
    """Reads a dataset after something happened in it; several requests that wait are one."""

    def __init__(self, home: Path, store: Callable[[], Store]) -> None:
        """Nothing is read yet."""
        self._home, self._store = home, store
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="implicit")

    def look(self, dataset: str) -> None:
        """Have a dataset of the data home read, soon."""
        with self._lock:
            if dataset in self._waiting:
                return
            self._waiting.add(dataset)
        self._thread.submit(self._read, dataset)

    def finish(self) -> None:
        """Wait until everything that was asked for is done."""
        self._thread.shutdown()

    def _read(self, dataset: str) -> None:
        with self._lock:
            self._waiting.discard(dataset)
        try:
            update(self._home, self._store(), dataset)
        except (RoboRlhfError, OSError) as error:  # the next look, or POST /corrections, makes good for it
            _log.warning("preferences of rewinds and takeovers in %s were not written: %s", dataset, error)
