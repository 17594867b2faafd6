"""Pictures by worker processes, for any thread, with no OpenGL and no MuJoCo in the process that asks.

A worker keeps its models compiled and its contexts open, so that only the first clip of a kind waits for them.
A thread a worker hands it one request after another; a worker that dies is started again and asked once more.
Workers are spawned: as with every spawned process, a script that makes a pool guards it by `if __name__ == "__main__"`.
"""

import contextlib
import multiprocessing
import queue
import signal
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from robo_rlhf.errors import InvalidValueError, RoboRlhfError, WorkerDiedError
from robo_rlhf.sim.camera import Camera
from robo_rlhf.types import Array

if TYPE_CHECKING:
    from robo_rlhf.sim.clips import Overlay
    from robo_rlhf.sim.render import FrameRenderer, ModelSource, Quality

KEPT = 8  # open contexts a worker; the one used longest ago is closed first
PATIENCE = 5.0  # [s] for a worker to end by itself
JPEG_QUALITY = 85


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
    ) -> Future[list[bytes]]:
        """Return a future of one JPEG a camera, all of one `state` (nstate,): what a live view sends."""
        return self._submit(Request("jpeg", model, np.asarray(state)[None], tuple(cameras), width, height, quality))

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
        if hasattr(signal, "pthread_sigmask"):  # inherited by the worker: Ctrl-C is the parent's alone, from the start
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
            except (EOFError, OSError):
                code = worker.end()
                if self._closed.is_set():
                    raise CancelledError from None
        raise WorkerDiedError("drawing", str(request), code)


class _Worker:
    """The parent's end of one worker process; used by one thread, but for `interrupt`."""

    _starting = threading.Lock()  # one process at a time: multiprocessing looks after its children at each start

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> Connection:
        """Start the process where it does not run; return the pipe to it."""
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs,), name="render", daemon=True)
            with self._starting:
                self._process.start()
            theirs.close()  # so that the death of the worker is the end of the pipe
        return self._pipe

    def ask(self, request: Request) -> object:
        """Return the worker's answer.

        Raises:
            EOFError, OSError: the worker died.
            RoboRlhfError: what the request did wrong.
            RuntimeError: a fault of the program, with the worker's traceback.
        """
        pipe = self.start()
        pipe.send(request)
        kind, content = pipe.recv()
        if kind == "error":
            raise _rebuilt(*content)
        if kind == "fault":
            raise RuntimeError(f"a render worker failed over {request}:\n{content}")
        if kind == "frames":
            frames = np.empty(content, np.uint8)
            if frames.size:
                pipe.recv_bytes_into(frames.data.cast("B"))
            return frames
        return content

    def interrupt(self) -> None:
        """Kill the process, so that `ask` fails in the thread that waits for it."""
        process = self._process
        if process is not None and process.is_alive():
            process.kill()

    def end(self) -> int | None:
        """Let the process end, or kill it after a while; return the code that it ended with by itself."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        process.join(PATIENCE)
        code = process.exitcode
        process.kill()
        process.join()
        return code


def _rebuilt(kind: type[RoboRlhfError], message: str, fields: dict[str, Any]) -> RoboRlhfError:
    """Return an error of ours as it was in the worker; their constructors make the message, so it is not made again."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error


def _work(pipe: Connection) -> None:
    """Answer requests until the parent closes the pipe, or dies. Runs in the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
    desk = _Desk()
    while True:
        try:
            request = pipe.recv()
        except (EOFError, OSError):
            break
        with contextlib.suppress(BrokenPipeError):
            _answer(pipe, desk, request)
    desk.close()


def _answer(pipe: Connection, desk: "_Desk", request: Request) -> None:
    try:
        content = desk.draw(request)
    except RoboRlhfError as error:
        pipe.send(("error", (type(error), str(error), error.__dict__)))
    except Exception:  # ours to fix: the text shows where
        pipe.send(("fault", traceback.format_exc()))
    else:
        if isinstance(content, np.ndarray):
            pipe.send(("frames", content.shape))
            if content.size:
                pipe.send_bytes(content.data.cast("B"))
        else:
            pipe.send(("done", content))


class _Desk:
    """What a worker keeps: compiled models and open contexts."""

    def __init__(self) -> None:
        self._models: dict[ModelSource, Any] = {}
        self._renderers: dict[tuple[ModelSource, int, int, Quality], FrameRenderer] = {}

    def draw(self, request: Request) -> Array | bytes | list[bytes]:
        from robo_rlhf.sim.clips import clip_bytes
        from robo_rlhf.sim.render import check_states

        renderer = self._renderer(request)
        if request.form == "mp4":
            return clip_bytes(renderer, request.states, request.cameras[0], request.fps, request.overlay)
        if request.form == "frames":
            return renderer.frames(request.states, request.cameras[0])
        check_states(request.states, renderer.state_size)
        return [_jpeg(picture) for picture in renderer.views(request.states[0], request.cameras)]

    def close(self) -> None:
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _renderer(self, request: Request) -> "FrameRenderer":
        from robo_rlhf.sim.render import FrameRenderer, load_model

        key = (request.model, request.width, request.height, request.quality)
        renderer = self._renderers.pop(key, None)
        if renderer is None:
            if request.model not in self._models:
                self._models[request.model] = load_model(request.model)
            renderer = FrameRenderer(self._models[request.model], *key[1:])
        while len(self._renderers) >= KEPT:
            self._renderers.pop(next(iter(self._renderers))).close()
        self._renderers[key] = renderer  # the last is the one used last
        return renderer


def _jpeg(picture: Array) -> bytes:
    import cv2

    _, code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(code)
