"""A pool of render worker processes, usable from any thread, without OpenGL or MuJoCo in the calling process.

A worker keeps its models compiled and its contexts open, so that only the first clip of a kind waits for them.
One thread per worker passes it one request after another; a worker that dies is restarted and the request repeated
once, one that exceeds its time limit is ended. Live requests go before all others, and may have dedicated workers.
Workers are separate programs (`robo_rlhf.processes`): nothing of this process is forked.
"""

import contextlib
import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError, WorkerDiedError
from robo_rlhf.core.types import Array
from robo_rlhf.processes.worker import WorkerProcess
from robo_rlhf.sim.rendering.annotations import Annotation
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.draw_queue import Lane, RenderJob, RenderQueue

if TYPE_CHECKING:
    from robo_rlhf.sim.rendering.clips import Overlay
    from robo_rlhf.sim.rendering.looks import Look
    from robo_rlhf.sim.rendering.renderer import ModelSource, Quality
    from robo_rlhf.sim.scene_description.description import SceneFiles

JPEG_QUALITY = 85
LIVE_LIMIT = 20.0  # [s] that a live request may take; compiling its scene needs 1
LIMIT, LIMIT_EACH = 60.0, 1.0  # [s] that any other may take, and more for each state
NICE = 10  # niceness of workers without live requests, where others serve those: live views go first


@dataclass(frozen=True)
class RenderRequest:
    """A request to a worker; sent to it whole."""

    form: Literal["frames", "mp4", "jpeg", "cameras", "shared", "sheet", "scene", "poses"]
    model: "ModelSource"
    states: Array  # (T, nstate) float64
    cameras: tuple[Camera | str, ...]
    width: int  # [pixels]
    height: int  # [pixels]
    quality: "Quality"
    fps: float = 20.0
    overlay: "Overlay" = None
    sizes: tuple[tuple[int, int], ...] = ()  # width and height [pixels] per camera, within the above; empty: all alike
    annotations: tuple[Annotation, ...] = ()
    jpeg_quality: int = JPEG_QUALITY
    place: str = ""  # the shared memory (cameras, all states, H, W, 3) that pictures are written into
    span: tuple[int, int] = (0, 0)  # the first of these states in it, and how many it has room for
    looks: "tuple[Look, ...]" = ()  # of each state, for images in shared memory; empty: as the scene was made
    fragmented: bool = False

    def __str__(self) -> str:
        """Return a description, for errors."""
        model = str(self.model)
        name = "an MJCF text" if model.lstrip().startswith("<") else repr(model)
        return f"{len(self.states)} states of {name} at {self.width}x{self.height}, {self.quality}"


class RenderPool:
    """A pool of render workers; a context manager, safe to use from several threads."""

    def __init__(
        self,
        workers: int = 1,
        live_workers: int = 0,
        *,
        live_limit: float = LIVE_LIMIT,
        limit: float = LIMIT,
        eager: bool = True,
    ) -> None:
        """Start the processes, without waiting for them; where not `eager`, each with its first request.

        `live_workers` draw live requests and nothing else, and all other workers then draw the rest, at a lower
        priority of the system. Where there are none, `workers` draw both, live ones first. `live_limit` and `limit`
        [s] are how long a request may take in a worker.

        Raises:
            InvalidValueError: fewer than one worker, or fewer than none for live requests.
        """
        if workers < 1:
            raise InvalidValueError("render workers", workers, "1 or more")
        if live_workers < 0:
            raise InvalidValueError("live render workers", live_workers, "0 or more")
        self._queue: RenderQueue[RenderRequest] = RenderQueue()
        self._closed, self._eager = threading.Event(), eager
        self._limits = {True: live_limit, False: limit}
        both: tuple[Lane, ...] = ("live", "rest")
        lanes = [("rest",) if live_workers else both] * workers + [("live",)] * live_workers
        self._workers = [
            WorkerProcess("drawing", "robo_rlhf.sim.rendering.worker:start", nice=NICE if lane == ("rest",) else 0)
            for lane in lanes
        ]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker, lane), name=f"render-{index}", daemon=True)
            for index, (worker, lane) in enumerate(zip(self._workers, lanes, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    def frames(
        self,
        model: "ModelSource",
        states: Array,
        camera: Camera | str = "front",
        width: int = 320,
        height: int = 240,
        quality: "Quality" = "fast",
    ) -> Future[Array]:
        """Return a future of images (T, H, W, 3) uint8 RGB of `states` (T, nstate).

        Its `result()` raises as `FrameRenderer`, and WorkerDiedError where two workers died over it.
        """
        return self._submit(RenderRequest("frames", model, states, (camera,), width, height, quality))

    def share(
        self,
        model: "ModelSource",
        states: Array,
        cameras: Sequence[Camera | str],
        size: int,
        place: str,
        span: tuple[int, int],
        looks: "Sequence[Look]" = (),
    ) -> Future[None]:
        """Return a future that is done when images of `states` (T, nstate) by each camera lie in shared memory.

        Args:
            model: as everywhere.
            states: some of those that the memory has room for.
            cameras: in their order there.
            size: sides of an image [pixels].
            place: the name of the memory, (cameras, room, size, size, 3) uint8.
            span: where in it the first of the states lies, and its room.
            looks: of each state; as the scene was made where empty.
        """
        request = RenderRequest("shared", model, states, tuple(cameras), size, size, "fast", place=place, span=span)
        return self._submit(replace(request, looks=tuple(looks)))

    def sheet(
        self,
        model: "ModelSource",
        states: Array,
        cameras: Sequence[str],
        size: int,
        *,
        key: Hashable | None = None,
    ) -> Future[bytes]:
        """Return a future of a PNG of what a policy sees: a row for each of `states` (T, nstate), a column a camera.

        Every picture has sides of `size` pixels, those that `share` draws. With a `key` it is live, as in `jpegs`.
        """
        return self._submit(RenderRequest("sheet", model, states, tuple(cameras), size, size, "fast"), key)

    def mp4(
        self,
        model: "ModelSource",
        states: Array,
        camera: Camera | str = "front",
        width: int = 320,
        height: int = 240,
        quality: "Quality" = "fast",
        fps: float = 20.0,
        overlay: "Overlay" = None,
        *,
        fragmented: bool = False,
    ) -> Future[bytes]:
        """Return a future of an MP4 of `states` (T, nstate); see `robo_rlhf.sim.rendering.clips.clip_bytes`."""
        request = RenderRequest("mp4", model, states, (camera,), width, height, quality, fps, overlay)
        return self._submit(replace(request, fragmented=fragmented))

    def jpegs(
        self,
        model: "ModelSource",
        state: Array,
        cameras: Sequence[Camera | str] = ("front",),
        width: int = 320,
        height: int = 240,
        quality: "Quality" = "fast",
        *,
        sizes: Sequence[tuple[int, int]] = (),
        annotations: Sequence[Annotation] = (),
        jpeg_quality: int = JPEG_QUALITY,
        key: Hashable | None = None,
    ) -> Future[list[bytes]]:
        """Return a future of one JPEG per camera, all of one `state` (nstate,): for live views.

        `sizes` are (width, height) [pixels], one per camera, in place of `width` and `height` for all. A request with a
        `key`, which identifies the viewer, is live: it goes before those that are not, and where an older one of the
        same key still waits, it takes that one's place in the queue, and the older future is cancelled.

        Raises:
            ShapeError: there is not one size per camera.
            InvalidValueError: `jpeg_quality` is outside 1 to 100.
        """
        if sizes and len(sizes) != len(cameras):
            raise ShapeError("sizes of views", (len(cameras), 2), (len(sizes), 2))
        if not 1 <= jpeg_quality <= 100:
            raise InvalidValueError("JPEG quality", jpeg_quality, "a number from 1 to 100")
        if sizes:
            width, height = max(wide for wide, _ in sizes), max(high for _, high in sizes)
        request = RenderRequest(
            *("jpeg", model, np.asarray(state)[None], tuple(cameras), width, height, quality),
            sizes=tuple(sizes),
            annotations=tuple(annotations),
            jpeg_quality=jpeg_quality,
        )
        return self._submit(request, key)

    def cameras(
        self, task: str, width: int = 640, height: int = 480, *, key: Hashable | None = None
    ) -> Future[dict[str, Camera]]:
        """Return a future of the task's cameras by name, each as a free one; see `scene_cameras`.

        With a `key` the worker for live views answers, which is then ready to draw the task at that size.
        """
        return self._submit(RenderRequest("cameras", task, np.empty((0, 0)), (), width, height, "fast"), key)

    def scene(self, model: "ModelSource", *, key: Hashable | None = None) -> "Future[SceneFiles]":
        """Return a future of a model as browsers draw it; with a `key` from the worker for live views."""
        return self._submit(RenderRequest("scene", model, np.empty((0, 0)), (), 1, 1, "fast"), key)

    def poses(self, model: "ModelSource", states: Array, *, key: Hashable | None = None) -> Future[Array]:
        """Return a future of the poses (T, M, 7) float32 of all that moves in `states` (T, nstate); see `Movers.poses`.

        With a `key` from the worker for live views: poses take microseconds.
        """
        return self._submit(RenderRequest("poses", model, states, (), 1, 1, "fast"), key)

    def close(self, *, now: bool = False) -> None:
        """End the workers: waiting requests are cancelled, and with `now` also running ones, which else finish."""
        self._closed.set()
        self._queue.close()
        if now:
            for worker in self._workers:
                worker.stop()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "RenderPool":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close; at once where an exception, such as Ctrl-C, ends the block."""
        self.close(now=kind is not None)

    def _submit(self, request: RenderRequest, key: Hashable | None = None) -> Future[Any]:
        future: Future[Any] = Future()
        self._queue.put(RenderJob(request, future, key))
        return future

    def _serve(self, worker: WorkerProcess, lanes: tuple[Lane, ...]) -> None:
        """Pass one request after another to `worker`, until the pool is closed."""
        if self._eager:
            with contextlib.suppress(WorkerDiedError):
                worker.start()
        while (job := self._queue.take(lanes)) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            limit = self._limits[job.key is not None] + LIMIT_EACH * len(job.request.states)
            try:
                job.future.set_result(self._draw(worker, job.request, limit))
            except BaseException as error:  # raised to the future's owner
                job.future.set_exception(error)
        worker.end()

    def _draw(self, worker: WorkerProcess, request: RenderRequest, limit: float) -> object:
        try:
            return worker.ask(request, limit, tries=2)
        except WorkerDiedError:
            if self._closed.is_set():
                raise CancelledError from None
            with contextlib.suppress(WorkerDiedError):
                worker.start()  # so that the next request does not wait for it
            raise
