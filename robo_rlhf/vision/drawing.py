"""Pictures of many states at once, for rollouts and training: drawn by worker processes into shared memory."""

import atexit
import functools
import os
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import pairwise
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.vision.sight import Sight

SHARE = 4  # states: fewer are not worth another worker


class Drawer:
    """Draws what a sight shows of the states of one scene. The workers serve all drawers of this process."""

    def __init__(self, scene: str, sight: Sight) -> None:
        """Draw `scene`, the name of a task or of an outside environment; nothing is started yet."""
        self.scene, self.sight = scene, sight
        self._memory: SharedMemory | None = None
        self._waiting: list[Future[None]] = []
        self._count = 0

    def draw(self, states: Array, looks: Sequence[Look] = ()) -> dict[str, Array]:
        """Return pictures (N, size, size, 3) uint8 of `states` (N, nstate) by each camera, each in its look.

        Raises:
            UnknownNameError: the scene has no such camera.
            ShapeError: the states are of another scene.
            WorkerDiedError: two workers died over it.
        """
        self.begin(states, looks)
        return self.finish()

    def begin(self, states: Array, looks: Sequence[Look] = ()) -> None:
        """Let the workers draw `states` (N, nstate) while this process does something else; `finish` waits for them."""
        self._settle()
        self._count = len(states)
        memory = self._room(self._count)
        workers = max(1, min(worker_count(), self._count // SHARE))
        bounds = np.linspace(0, self._count, workers + 1).astype(int)
        for first, end in pairwise(bounds):
            part, span = states[first:end], (int(first), self._count)
            request = (self.scene, part, self.sight.cameras, self.sight.size, memory.name, span)
            self._waiting.append(render_pool().share(*request, looks[first:end]))

    def finish(self) -> dict[str, Array]:
        """Return what `begin` began, as copies; raises as `draw`."""
        self._settle()
        assert self._memory is not None
        side = self.sight.size
        found: Array = np.ndarray((len(self.sight.cameras), self._count, side, side, 3), np.uint8, self._memory.buf)
        return {name: found[index].copy() for index, name in enumerate(self.sight.cameras)}

    def _settle(self) -> None:
        """Wait for all that was begun, so that nothing writes into the memory any more; raise the first error."""
        waiting, self._waiting = self._waiting, []
        errors = [error for future in waiting if (error := future.exception()) is not None]
        if errors:
            raise errors[0]

    def _room(self, count: int) -> SharedMemory:
        needed = len(self.sight.cameras) * count * self.sight.size**2 * 3
        if self._memory is None or self._memory.size < needed:
            self.close()
            self._memory = SharedMemory(create=True, size=max(needed, 1))
            self._release = weakref.finalize(self, _release, self._memory)
        return self._memory

    def close(self) -> None:
        """Give the memory back; drawing again takes new one."""
        if self._memory is not None:
            self._settle()
            self._release()
            self._memory = None


def _release(memory: SharedMemory) -> None:
    memory.close()
    memory.unlink()


def worker_count() -> int:
    """Return how many processes draw: one a core, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, cores)


@functools.cache
def render_pool() -> RenderPool:
    """Return the pool of this process, started with its first request."""
    atexit.register(close_pool)
    return RenderPool(worker_count(), eager=False)


def close_pool() -> None:
    """End the workers; drawing again starts others."""
    if render_pool.cache_info().currsize:
        render_pool().close(now=True)
        render_pool.cache_clear()


def draw_all(drawer: Drawer, states: Array, looks: Sequence[Look] = (), most: int = 256) -> dict[str, Array]:
    """Return what `Drawer.draw` does, of any number of states, `most` at a time."""
    parts = [drawer.draw(states[i : i + most], looks[i : i + most]) for i in range(0, len(states), most)]
    return {name: np.concatenate([part[name] for part in parts]) for name in drawer.sight.cameras}
