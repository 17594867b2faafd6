"""The queue of the render workers: live requests go first, and a viewer's newest request replaces its older one.

It is independent of the content of the requests.
"""

import threading
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Lane = Literal["live", "rest"]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RenderJob(Generic[T]):
    """A request, and the future for its answer."""

    request: T
    future: Future[Any]
    key: Hashable | None = None  # the viewer of a live request; None: not live


class RenderQueue(Generic[T]):
    """Jobs in order; safe to use from several threads."""

    def __init__(self) -> None:
        """Start empty and open."""
        self._changed = threading.Condition()
        self._live: dict[Hashable, RenderJob[T]] = {}  # dictionaries keep their order, also where a value is replaced
        self._rest: deque[RenderJob[T]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """Return the number of waiting jobs."""
        return len(self._live) + len(self._rest)

    def put(self, job: RenderJob[T]) -> None:
        """Add a job; one of the same key that still waits is cancelled, and this one takes its place.

        Raises:
            RuntimeError: the queue is closed.
        """
        older = None
        with self._changed:
            if self._closed:
                raise RuntimeError("this RenderPool is closed")
            if job.key is None:
                self._rest.append(job)
            else:
                older = self._live.get(job.key)
                self._live[job.key] = job
            self._changed.notify_all()
        if older is not None:
            older.future.cancel()  # outside the lock: it calls back

    def take(self, lanes: tuple[Lane, ...]) -> RenderJob[T] | None:
        """Wait for the next job of the `lanes`, live ones first, and return it; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                if "live" in lanes and self._live:
                    return self._live.pop(next(iter(self._live)))
                if "rest" in lanes and self._rest:
                    return self._rest.popleft()
                self._changed.wait()
        return None

    def close(self) -> None:
        """Let every `take` return None, and cancel the waiting jobs."""
        with self._changed:
            self._closed = True
            waiting = [*self._live.values(), *self._rest]
            self._live.clear()
            self._rest.clear()
            self._changed.notify_all()
        for job in waiting:
            job.future.cancel()
