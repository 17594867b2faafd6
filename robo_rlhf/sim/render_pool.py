"""Pictures by worker processes, for any thread, with no OpenGL and no MuJoCo in the process that asks.

A worker keeps its models compiled and its contexts open, so that only the first clip of a kind waits for them.
A thread a worker hands it one request after another; a worker that dies is started again and asked once more.
Workers are programs of their own (`robo_rlhf.sim.render_worker`): nothing of this process is forked or imported again.
"""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from robo_rlhf.errors import InvalidValueError, RoboRlhfError, ShapeError, WorkerDiedError
from robo_rlhf.sim.camera import Camera
from robo_rlhf.sim.decor import Decor
from robo_rlhf.types import Array

if TYPE_CHECKING:
    from robo_rlhf.sim.clips import Overlay
    from robo_rlhf.sim.render import ModelSource, Quality

JPEG_QUALITY = 85
PATIENCE = 5.0  # [s] for a worker to end by itself


@dataclass(frozen=True)
class Request:
    """What a worker is asked for; sent to it whole."""

    form: Literal["frames", "mp4", "jpeg"]
    model: "ModelSource"
    states: Array  # (T, nstate) float64
    cameras: tuple[Camera | str, ...]
    width: int  # [pixels]
    height: int  # [pixels]
    quality: "Quality"
    fps: float = 20.0
    overlay: "Overlay" = None
    sizes: tuple[tuple[int, int], ...] = ()  # width and height [pixels] a camera, within the above; empty: all alike
    decor: tuple[Decor, ...] = ()
    jpeg_quality: int = JPEG_QUALITY

    def __str__(self) -> str:
        """Return it in words, for errors."""
        model = str(self.model)
        name = "an MJCF text" if model.lstrip().startswith("<") else repr(model)
        return f"{len(self.states)} states of {name} at {self.width}x{self.height}, {self.quality}"


class RenderPool:
    """Worker processes that draw; a context manager, safe to use from several threads."""

    def __init__(self, workers: int = 1) -> None:
        """Start `workers` processes, without waiting for them.

        Raises:
            InvalidValueError: fewer than one worker.
        """
        if workers < 1:
            raise InvalidValueError("render workers", workers, "1 or more")
        self._jobs: queue.SimpleQueue[tuple[Request, Future[Any]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._workers = [_Worker() for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), name=f"render-{index}", daemon=True)
            for index, worker in enumerate(self._workers)
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
        """Return a future of pictures (T, H, W, 3) uint8 RGB of `states` (T, nstate).

        Its `result()` raises what `FrameRenderer` does, and WorkerDiedError where two workers died over it.
        """
        return self._submit(Request("frames", model, states, (camera,), width, height, quality))

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
    ) -> Future[bytes]:
        """Return a future of an MP4 of `states` (T, nstate); see `robo_rlhf.sim.clips.render_clip`."""
        return self._submit(Request("mp4", model, states, (camera,), width, height, quality, fps, overlay))

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
        decor: Sequence[Decor] = (),
        jpeg_quality: int = JPEG_QUALITY,
        key: object = None,
    ) -> Future[list[bytes]]:
        """Return a future of one JPEG a camera, all of one `state` (nstate,): what a live view sends.

        `sizes` are (width, height) [pixels], one a camera, in place of `width` and `height` for all. Where a request
        with the same `key` still waits, this one takes its place in the line, and the older future is cancelled.

        Raises:
            ShapeError: there is not one size a camera.
            InvalidValueError: `jpeg_quality` is outside 1 to 100.
        """
        if sizes and len(sizes) != len(cameras):
            raise ShapeError("sizes of views", (len(cameras), 2), (len(sizes), 2))
        if not 1 <= jpeg_quality <= 100:
            raise InvalidValueError("JPEG quality", jpeg_quality, "a number from 1 to 100")
        if sizes:
            width, height = max(wide for wide, _ in sizes), max(high for _, high in sizes)
        request = Request(
            *("jpeg", model, np.asarray(state)[None], tuple(cameras), width, height, quality),
            sizes=tuple(sizes),
            decor=tuple(decor),
            jpeg_quality=jpeg_quality,
        )
        return self._submit(request)

    def close(self, *, now: bool = False) -> None:
        """End the workers: what waits is cancelled, and with `now` also what is being drawn, else finished."""
        with self._lock:
            self._closed.set()
            for _ in self._threads:
                self._jobs.put(None)
        if now:
            for worker in self._workers:
                worker.interrupt()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "RenderPool":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close; at once where an exception, such as Ctrl-C, ends the block."""
        self.close(now=kind is not None)

    def _submit(self, request: Request) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("this RenderPool is closed")
            self._jobs.put((request, future))
        return future

    def _serve(self, worker: "_Worker") -> None:
        """Hand one request after another to `worker`, until the pool is closed."""
        with contextlib.suppress(OSError):
            worker.start()
        while (job := self._jobs.get()) is not None:
            request, future = job
            if self._closed.is_set():
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._draw(worker, request))
            except BaseException as error:  # the future's owner gets it
                future.set_exception(error)
        worker.end()

    def _draw(self, worker: "_Worker", request: Request) -> object:
        for _ in range(2):
            try:
                return worker.ask(request)
            except (EOFError, OSError, pickle.UnpicklingError):
                code = worker.end()
                if self._closed.is_set():
                    raise CancelledError from None
        raise WorkerDiedError("drawing", str(request), code)


class _Worker:
    """The parent's end of one worker process; used by one thread, but for `interrupt`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process where it does not run, apart from the terminal's Ctrl-C: that is the parent's alone."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "robo_rlhf.sim.render_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        return self._process

    def ask(self, request: Request) -> object:
        """Return the worker's answer.

        Raises:
            EOFError, OSError, pickle.UnpicklingError: the worker died.
            RoboRlhfError: what the request did wrong.
            RuntimeError: a fault of the program, with the worker's traceback.
        """
        message = pickle.dumps(request, protocol=5)
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        process.stdin.flush()
        kind, content = pickle.load(process.stdout)
        if kind == "error":
            raise _rebuilt(*content)
        if kind == "fault":
            raise RuntimeError(f"a render worker failed over {request}:\n{content}")
        return cast(object, content)

    def interrupt(self) -> None:
        """Kill the process, so that `ask` fails in the thread that waits for it."""
        process = self._process
        if process is not None:
            process.kill()

    def end(self) -> int | None:
        """Let the process end, or kill it after a while; return the code that it ended with by itself."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None


def _environment() -> dict[str, str]:
    """Return the environment of a worker: it finds modules wherever this process does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _rebuilt(kind: type[RoboRlhfError], message: str, fields: dict[str, Any]) -> RoboRlhfError:
    """Return an error of ours as it was in the worker; their constructors make the message, so it is not made again."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error
