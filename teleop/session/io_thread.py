"""The I/O thread beside the control loop: it runs the jobs that wait for the disk, one after another.

The loop applies the results in `turn`, so a session's state is changed by one thread only.
"""

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from robo_rlhf.core.errors import DiskError, DiskFullError

T = TypeVar("T")


class IOThread:
    """Jobs in the order in which they were given."""

    def __init__(self, name: str, ring: Callable[[], None], setup: Callable[[], None] = lambda: None) -> None:
        """Start a thread of this name with the first job.

        Args:
            name: of the thread.
            ring: called in it when there is something for `turn`.
            setup: called in it first.
        """
        self._ring = ring
        self._pool = ThreadPoolExecutor(1, name, setup)
        self._done: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._open = 0  # jobs whose result was not applied yet

    @property
    def busy(self) -> bool:
        """Whether a job is running, or its result was not applied yet."""
        return self._open > 0

    def submit(
        self,
        job: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `job` in the I/O thread; then `turn` calls `then` with its result.

        Where the job raises, `turn` calls `otherwise` with the error, or raises it.
        """
        self._open += 1

        def tell(future: Future[T]) -> None:
            error = future.exception()
            if error is None:
                self._done.put(lambda: then(future.result()))
            else:
                self._done.put(lambda: _handle(error, otherwise))
            self._ring()

        self._pool.submit(job).add_done_callback(tell)

    def deliver(self) -> None:
        """Apply the results of finished jobs; called by the loop, never blocks."""
        while True:
            try:
                take_up = self._done.get_nowait()
            except queue.Empty:
                return
            self._open -= 1
            take_up()

    def finish(self) -> None:
        """Wait for all jobs and apply their results; no more can be given."""
        self._pool.shutdown(wait=True)
        self.deliver()


def _handle(error: BaseException, otherwise: Callable[[Exception], None] | None) -> None:
    if otherwise is None or not isinstance(error, Exception):
        raise error
    otherwise(error)


def ignore(_: Any) -> None:
    """Ignore the result of a job."""


def explain_disk_full(error: Exception) -> str:
    """Return why the session waits, what is lost (nothing), and what to do."""
    what = error.what if isinstance(error, DiskError | DiskFullError) else f"The disk refuses: {error}."
    return f"{what} Nothing is lost. Make room, and it continues by itself."
