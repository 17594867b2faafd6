"""What a policy server saw and did, as episodes of a dataset: they have no simulator, and videos where pictures came.

The server only hands over what it answered; a thread writes it, with the journal that recordings have, so that a crash
loses less than half a second. Pictures lie beside the journal as JPEG until their episode is closed:

<dataset>/journal/ID.CAMERA.jpegs   for each picture: step and bytes, uint32 each, then the JPEG

An episode ends where the robot says "reset", asks nothing for a while, or leaves.
"""

import contextlib
import os
import queue
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.files import open_whole, remove
from robo_rlhf.core.types import Array, EpisodeMeta, Outcome, RecordedVideo, Source
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.layout import JOURNAL_SUFFIX, journal_path, new_id
from robo_rlhf.data.recorded_videos import store_video
from robo_rlhf.data.recording.journal import EpisodeWriter
from robo_rlhf.data.recording.stream import step_row
from robo_rlhf.sim.envs.task_env import versions
from robo_rlhf.sim.rendering.video import encode_mp4

SERVED = "served"  # the device, and the format of the origin, of such episodes
LONGEST = 20_000  # steps of an episode that is never reset
MOST_WAITING = 256 * 2**20  # [bytes] that wait for the thread; what comes then is not logged
QUIET = 60.0  # [s] between two reports of the same trouble
TICK = 0.5  # [s] between two looks for robots that ask no more
MOST_CAMERAS, LARGEST_SIDE, QUALITY = 8, 1024, 90  # of a request; [pixels]; of JPEG
_CAMERA = re.compile(r"[A-Za-z0-9_]{1,40}")
_HEAD = struct.Struct("<II")
_NOTHING = np.zeros(0)  # the state of what has no simulator


class Served(NamedTuple):
    """One answer of the server."""

    obs: Array  # (obs_dim,) float32
    action: Array  # (act_dim,) float32 in [-1, 1], as sent
    age: float  # [s] of the observation when it came
    latency: float  # [s] from the request to its answer
    held: bool  # the answer was to hold
    reset: bool  # an episode begins
    success: bool | None  # as the robot reports it; None where it says nothing
    pictures: Mapping[str, Array]  # camera → (H, W, 3) uint8
    wall_time: float  # [s since 1970]


@dataclass
class _Open:
    """An episode that is being written, of one robot."""

    writer: EpisodeWriter
    last: Served  # whose step is written when the next observation comes
    seen: float  # when, by the monotonic clock [s]
    outcome: Outcome = "aborted"  # as reported; nobody says how it ended where nothing was
    pictures: dict[str, BinaryIO] = field(default_factory=dict)


def check_pictures(given: object) -> dict[str, Array]:
    """Return the pictures of a request by camera.

    Raises:
        InvalidValueError: they are none.
    """
    expected = f"at most {MOST_CAMERAS} names, each with an array (H, W, 3) of uint8 of at most {LARGEST_SIDE} pixels"
    if not isinstance(given, dict) or len(given) > MOST_CAMERAS:
        raise InvalidValueError("pictures", type(given).__name__, expected)
    for name, picture in given.items():
        shape: tuple[int, ...] = picture.shape if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 else ()
        good = len(shape) == 3 and shape[2] == 3 and all(16 <= side <= LARGEST_SIDE for side in shape[:2])
        if not good or not isinstance(name, str) or not _CAMERA.fullmatch(name):
            raise InvalidValueError("pictures", f"{str(name)[:40]} of shape {shape}", expected)
    return given


class ServedLog:
    """The log of one server; several servers may write into one dataset."""

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        policy: str,
        *,
        limit: int,
        gap: float,
        tell: Callable[[str], object] = print,
    ) -> None:
        """Open the dataset at `folder`, made where it is missing, and close what a crash left there.

        Args:
            folder: of the dataset.
            manifest: of the policy, as `Deployable` has it.
            policy: its name.
            limit: bytes of the dataset from which on the oldest served episodes give way; those with a tag, a note or
                a person's outcome stay.
            gap: time [s] without a request after which an episode is over.
            tell: receives a sentence on what is deleted, and on what could not be logged.

        Raises:
            InvalidValueError: the dataset is for another task.
        """
        self.dataset = Dataset(folder, create=True, task=manifest["task"])
        if self.dataset.task not in (MIXED, manifest["task"]):
            expected = f"one for {manifest['task']}, or a new name"
            raise InvalidValueError(f"--log {folder.name}", f"a dataset for {self.dataset.task}", expected)
        self.manifest, self.policy, self.limit, self.gap, self.tell = manifest, policy, limit, gap, tell
        self.lost = 0  # answers that could not be logged
        self.full = False  # nothing may give way for what is new
        self._numbers = count()
        self._queue = queue.SimpleQueue[tuple[int, str, Served | None] | None]()
        self._waiting = 0
        self._lock = threading.Lock()
        self._torn: set[int] = set()  # robots of which an answer is missing
        self._open: dict[int, _Open] = {}
        self._reported: dict[str, float] = {}
        self._finish_pictures()
        self._size = self._measure()
        self._thread = threading.Thread(target=self._work, name="served log", daemon=True)
        self._thread.start()

    def robot(self, client: str) -> Callable[[Served | None], None]:
        """Return the function that takes each answer to one robot, and None when it leaves; it never waits."""
        number = next(self._numbers)

        def take(served: Served | None) -> None:
            size = 0 if served is None else _size(served)
            with self._lock:
                if self._waiting + size > MOST_WAITING:
                    self.lost += 1
                    self._torn.add(number)
                    return
                self._waiting += size
                if served is not None and number in self._torn:
                    self._torn.discard(number)
                    served = served._replace(reset=True)  # steps are missing in between
            self._queue.put((number, client, served))

        return take

    def close(self) -> None:
        """Write all that was handed over, and end every episode."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        looked = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                found = self._queue.get(timeout=TICK)
                if found is None:
                    break
                self._take(*found)
            if time.monotonic() - looked > TICK:
                looked = time.monotonic()
                for number in [n for n, one in self._open.items() if looked - one.seen > self.gap]:
                    self._end(number)
        for number in list(self._open):
            self._end(number)
        if self.lost:
            self.tell(f"{self.lost} answers were not logged")

    def _take(self, number: int, client: str, served: Served | None) -> None:
        open_ = self._open.get(number)
        if open_ is not None and (
            served is None
            or served.reset
            or served.wall_time - open_.last.wall_time > self.gap
            or len(open_.writer) >= LONGEST
        ):
            self._end(number)
            open_ = None
        if served is None:
            return
        with self._lock:
            self._waiting -= _size(served)
        try:
            if open_ is None:
                open_ = self._begin(number, client, served)
                if open_ is None:
                    return
            else:
                self._step(open_, served.obs, bool(served.success))
            open_.last, open_.seen = served, time.monotonic()
            if served.success is not None:
                open_.outcome = "success" if served.success else "failure"
            for camera, picture in served.pictures.items():
                self._keep(open_, camera, picture)
        except (RoboRlhfError, OSError) as error:
            self.lost += 1
            self._trouble(f"an answer was not logged: {error}")

    def _begin(self, number: int, client: str, served: Served) -> _Open | None:
        self._rotate()
        if self.full:
            self.lost += 1
            return None
        episode_id = new_id()
        origin = {"format": SERVED, "client": client, "policy": self.policy, "pair": episode_id}  # starts of its own
        meta = EpisodeMeta(
            id=episode_id,
            task=self.manifest["task"],
            seed=0,
            control_dt=1.0 / self.manifest["control_hz"],
            outcome="aborted",
            operator=self.policy,
            device=SERVED,
            versions=versions(),
            obs_names=tuple(self.manifest["obs_names"]),
            action_names=tuple(self.manifest["action_names"]),
            origin=origin,
        )
        writer = self.dataset.record(meta, served.obs, _NOTHING, success=bool(served.success))
        self._open[number] = opened = _Open(writer, served, time.monotonic())
        return opened

    def _step(self, open_: _Open, obs: Array, success: bool) -> None:
        last = open_.last
        signals = {"latency": np.array([last.latency], np.float32), "held": np.array([last.held], np.float32)}
        row = step_row(
            obs, _NOTHING, last.action, 0.0, success, Source.POLICY, signals, last.wall_time, last.age
        )  # the reward is not known
        open_.writer.append(row)

    def _end(self, number: int) -> None:
        open_ = self._open.pop(number)
        try:
            self._step(open_, open_.last.obs, bool(open_.last.success))  # what followed was not seen
            meta, steps = open_.writer.meta, len(open_.writer)
            for file in open_.pictures.values():
                file.close()
            frames = self._videos(meta.id, steps, meta.control_dt)
            open_.writer.meta = EpisodeMeta(**{**vars(meta), "frames": frames})
            open_.writer.close(open_.outcome)
            self._forget_pictures(meta.id)
            self._size = self._measure()
        except (RoboRlhfError, OSError) as error:
            self._trouble(f"episode {open_.writer.id} is left to recovery: {error}")
            with contextlib.suppress(RoboRlhfError, OSError):
                open_.writer.__exit__(None, None, None)

    def _keep(self, open_: _Open, camera: str, picture: Array) -> None:
        if camera not in open_.pictures:
            path = journal_path(self.dataset.path, open_.writer.id).with_suffix(f".{camera}.jpegs")
            open_.pictures[camera] = path.open("ab")
        good, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if good:
            file = open_.pictures[camera]
            file.write(_HEAD.pack(len(open_.writer), len(data)) + data.tobytes())
            file.flush()

    def _videos(self, episode_id: str, steps: int, control_dt: float) -> dict[str, RecordedVideo]:
        """Return the videos made of the pictures of an episode."""
        found = {}
        for path in self._pictures(episode_id):
            first = next(_read_pictures(path), None)
            if first is not None:
                high, wide = first[1].shape[:2]
                fps = 1.0 / control_dt
                name = store_video(self.dataset.path, encode_mp4(_each_step(path, steps + 1), fps, steps + 1), "mp4")
                found[path.name.split(".")[-2]] = RecordedVideo(name, name, fps, steps + 1, wide, high)
        return found

    def _finish_pictures(self) -> None:
        """Give the pictures that a crash left to their episodes, which recovery has closed."""
        for episode_id in {path.name.rsplit(".", 2)[0] for path in self._pictures("*")}:
            if journal_path(self.dataset.path, episode_id).exists():
                continue  # another server writes it
            if episode_id in self.dataset:
                info = self.dataset.info(episode_id)
                frames = self._videos(episode_id, info.length, info.meta.control_dt)
                self.dataset.set_frames(episode_id, frames)
            self._forget_pictures(episode_id)

    def _pictures(self, episode_id: str) -> list[Path]:
        return sorted((self.dataset.path / "journal").glob(f"{episode_id}.*.jpegs"))

    def _forget_pictures(self, episode_id: str) -> None:
        for path in self._pictures(episode_id):
            remove(path, durable=False)

    def _measure(self) -> int:
        """Return how many bytes the dataset has."""
        return sum(
            os.stat(os.path.join(folder, name)).st_size
            for folder, _, files in os.walk(self.dataset.path)
            for name in files
            if not name.endswith((JOURNAL_SUFFIX, ".jpegs", ".partial"))
        )

    def _rotate(self) -> None:
        """Delete the oldest served episodes while the dataset is over its limit."""
        if self._size <= self.limit:
            self.full = False
            return
        gone = 0
        for info in self.dataset.list(device=SERVED):
            if self._size <= self.limit:
                break
            meta = info.meta
            if not (meta.tags or meta.note or meta.marked):
                self.dataset.delete(meta.id)
                self.dataset.purge([meta.id])
                self._size, gone = self._measure(), gone + 1
        if gone:
            self.tell(f"{self.dataset.path.name}: the {gone} oldest served episodes gave way to its limit")
        self.full = self._size > self.limit
        if self.full:
            self._trouble("nothing more is logged: the dataset is at its limit, and people have marked what it holds")

    def _trouble(self, sentence: str) -> None:
        """Tell of a trouble, each kind of it once a minute."""
        kind, now = sentence.partition(":")[0], time.monotonic()
        if now - self._reported.get(kind, -QUIET) >= QUIET:
            self._reported[kind] = now
            self.tell(f"{self.dataset.path.name}: {sentence}")


def _size(served: Served) -> int:
    return 512 + served.obs.nbytes + served.action.nbytes + sum(p.nbytes for p in served.pictures.values())


def _read_pictures(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield step and picture (H, W, 3) RGB of each whole picture in a file."""
    with open_whole(path, "Remove it.") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            step, length = _HEAD.unpack(head)
            data = file.read(length) if length <= MOST_WAITING else b""
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) == length > 0 else None
            if picture is None:
                return
            yield step, picture[:, :, ::-1]


def _each_step(path: Path, steps: int) -> Iterator[Array]:
    """Yield a picture for each step, all of the size of the first; one that is missing is the one before."""
    pictures = _read_pictures(path)
    _, shown = next(pictures)
    high, wide = shown.shape[:2]
    coming = next(pictures, None)
    for step in range(steps):
        while coming is not None and coming[0] <= step:
            shown, coming = cv2.resize(coming[1], (wide, high)), next(pictures, None)
        yield shown
