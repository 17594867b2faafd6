"""Media: thumbnails, clips and single frames of episodes, drawn from their states when they are first watched.

What was drawn is kept by what it shows: the states themselves, the camera, the size and the frames. So a tag or a note
changes no picture, and equal episodes share theirs.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from cachetools import LRUCache

from robo_rlhf import __version__
from robo_rlhf.core.errors import (
    CorruptFileError,
    InvalidValueError,
    ShapeError,
    UnknownNameError,
)
from robo_rlhf.core.files import open_whole
from robo_rlhf.core.types import Array
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.station.library.entry import Signature, signature_of
from teleop.station.media.clip_cache import CachedBytes, ClipCache
from teleop.station.media.file_responses import Content
from teleop.station.media.films import EpisodeFilm, NoPictureError, digest_of, frames_of, part_of, read_film
from teleop.station.media.priority_semaphore import PrioritySemaphore
from teleop.station.media.replayed import CannotReplayError, EpisodeReplayer, frame_of
from teleop.station.media.scenes import Scenes

WIDTHS = (160, 240, 320, 480, 640, 800, 960)  # [pixels]; pictures are 4 : 3
STRETCH = 600  # frames of the clips that a page asks for, one after the other
HOVER_FRAMES, HOVER_FPS = 48, 16.0  # of the short clip that shows a whole episode
FILMS, STATES = 50_000, 64 * 2**20  # episodes known by their digests; [bytes] of states kept in memory
STILLS = 32 * 2**20  # [bytes] of single frames kept in memory
JPEG, PNG, MP4, POSES = "image/jpeg", "image/png", "video/mp4", "application/octet-stream"
MOST_SEEN = 20  # frames of one sheet of what a policy saw
FRAME_PRIORITY, CLIP_PRIORITY, HOVER_PRIORITY, POSTER_PRIORITY, DOWNLOAD_PRIORITY = range(
    5
)  # by urgency, the most urgent first
READERS = 2  # threads that read episodes, so that the event loop keeps its share of Python's lock
AT_A_TIME = 2  # handed to the pool, so that its worker never idles and urgent work starts soon
TASK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]*")  # the name of a task or an environment; no path, no MJCF
T = TypeVar("T")


@dataclass(frozen=True)
class CameraView:
    """The camera and size of a picture."""

    camera: str = "front"  # as `Camera.parse` reads it
    width: int = 320  # [pixels], one of WIDTHS

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            InvalidValueError: no such width, or a camera that is neither a name nor numbers.
        """
        if self.width not in WIDTHS:
            raise InvalidValueError("width", self.width, f"one of {', '.join(map(str, WIDTHS))}")
        object.__setattr__(self, "camera", str(Camera.parse(self.camera)))

    @property
    def height(self) -> int:
        """Height [pixels]."""
        return self.width * 3 // 4


class Media:
    """Pictures of episode files. Its coroutines belong to one event loop."""

    def __init__(self, folder: Path, pool: Callable[[], RenderPool], *, limit: int | None = None) -> None:
        """Keep clips in `folder`, at most `limit` bytes of them, drawn by the workers of `pool`."""
        self.cache = ClipCache(folder) if limit is None else ClipCache(folder, limit)
        self._pool = pool
        self.scenes = Scenes(self.cache, pool)
        self._readers = ThreadPoolExecutor(READERS, "films")
        self._turns = PrioritySemaphore(AT_A_TIME)
        self._replays = PrioritySemaphore(1)
        self._replayer = EpisodeReplayer()
        self._not_replayed: dict[str, str] = {}  # digest of a film → why; until the station starts anew
        self._films: LRUCache[tuple[Path, Signature], EpisodeFilm] = LRUCache(FILMS)
        self._states: LRUCache[str, Array] = LRUCache(STATES, lambda states: min(states.nbytes, STATES))
        self._cameras: dict[str, dict[str, Any]] = {}
        self._stills: LRUCache[str, bytes] = LRUCache(STILLS, lambda still: min(len(still), STILLS))

    def close(self) -> None:
        """End the process that replays episodes; `pool` is its owner's."""
        self._replayer.close()

    async def film(self, path: Path) -> EpisodeFilm:
        """Return the properties of an episode file that can be shown.

        Raises:
            NoPictureError: it is damaged, or cannot be shown.
            FileNotFoundError: it is not there.
        """
        signature = signature_of(path.stat())  # takes microseconds; a thread under load takes milliseconds
        known = self._films.get((path, signature))
        if known is not None:
            film = known
        else:
            film, states = await asyncio.get_running_loop().run_in_executor(self._readers, read_film, path)
            self._states[film.digest] = states
            film = self._films[path, signature] = film._replace(version=f"{signature[1]:x}")
        if not TASK.fullmatch(film.task):  # MJCF is not taken from files
            raise NoPictureError("scene", "Its task has no name that a scene could have.")
        if film.reason or film.digest in self._not_replayed:
            raise NoPictureError("outside", film.reason or self._not_replayed[film.digest])
        return film

    async def poster(self, path: Path, view: CameraView) -> Content:
        """Return the thumbnail of an episode, from its middle; raises as `film`."""
        film = await self.film(path)
        frame = film.frames // 2
        name = _name(film, view, "poster", frame, frame + 1, 1)

        async def make() -> bytes:
            return await self._still(path, film, view, frame, POSTER_PRIORITY)

        return Content(await self._kept(f"{name}.jpg", make), JPEG, name)

    async def frame(self, path: Path, view: CameraView, frame: int) -> Content:
        """Return one frame, the last one where there are fewer; raises as `film`."""
        film = await self.film(path)
        frame = min(max(frame, 0), film.frames - 1)
        name = _name(film, view, "frame", frame, frame + 1, 1)
        content = self._stills.get(name)
        if content is None:
            content = await self._error_of(self._still(path, film, view, frame, FRAME_PRIORITY))
            self._stills[name] = content
        return Content(CachedBytes.of(content), JPEG, name)

    async def hover(self, path: Path, view: CameraView) -> Content:
        """Return a short clip of all of an episode, quickly; raises as `film`."""
        film = await self.film(path)
        if not film.from_states:
            every = -(-film.frames // HOVER_FRAMES)
            return await self._replayed(path, film, view, range(0, film.frames, every), HOVER_FPS, HOVER_PRIORITY)
        chosen = np.unique(np.linspace(0, film.frames - 1, min(film.frames, HOVER_FRAMES)).round().astype(int))
        return await self._clip(path, film, view, chosen, HOVER_FPS, HOVER_PRIORITY)

    async def clip(
        self, path: Path, view: CameraView, start: int = 0, stop: int | None = None, *, file: str = ""
    ) -> Content:
        """Return frames [start, stop) in real time, all where `stop` is None; raises as `film`.

        Frame i of the clip is shown from i / fps on, so a page can step through it. `file` names a download.

        Raises:
            InvalidValueError: no frame of the episode, or more than MOST_FRAMES.
        """
        film = await self.film(path)
        frames = frames_of(film, start, stop)
        start, stop = frames.start, frames.stop
        turn = DOWNLOAD_PRIORITY if file else CLIP_PRIORITY
        if not film.from_states:
            content = await self._replayed(path, film, view, range(start, stop), film.fps, turn)
        else:
            content = await self._clip(path, film, view, np.arange(start, stop), film.fps, turn)
        return content._replace(file=file)

    async def recording(self, path: Path, camera: str) -> Content:
        """Return the whole video that a camera recorded, as a file; raises as `film`."""
        video = next((one for one in (await self.film(path)).videos if one.camera == camera), None)
        if video is None:
            raise NoPictureError("gone", f"No camera {camera[:80]!r} recorded this episode.")
        file = video_path(path.parent.parent, video.file)
        try:
            body = CachedBytes(await asyncio.to_thread(open_whole, file, "Import the episode again."))
        except FileNotFoundError:
            raise NoPictureError("gone", "The video of this camera is not here any more.") from None
        except CorruptFileError as error:
            raise NoPictureError("broken", str(error)) from error
        return Content(body, MP4, video.file)

    async def poses(self, path: Path, start: int = 0, stop: int | None = None) -> Content:
        """Return the poses of frames [start, stop) of an episode, for pages that draw it; raises as `clip`."""
        film = await self.film(path)
        if not film.from_states:
            raise NoPictureError("whole", "Only the server shows it: its frames are not drawn from states.")
        frames = frames_of(film, start, stop)
        states = (await self._states_of(path, film))[frames.start : frames.stop]
        content = await self._error_of(self.scenes.poses(film.scene, states, film.fps))
        return Content(CachedBytes.of(content), POSES, f"{film.digest}-{frames.start}-{frames.stop}")

    async def part(self, path: Path, view: CameraView, frame: int) -> tuple[Content, range]:
        """Return a part of an episode that holds `frame`, to be appended to others, and its frames; raises as `film`.

        It is kept by its own states, and cut by the simulator's clock: what was drawn of an episode also serves when
        its start or its end is trimmed.
        """
        film = await self.film(path)
        if not film.from_states:
            raise NoPictureError("whole", "It comes in whole clips: its frames are not drawn from states.")
        states = await self._states_of(path, film)
        frames = part_of(states, film.fps, min(max(frame, 0), film.frames - 1))
        states = states[frames.start : frames.stop]
        piece = film._replace(digest=digest_of(f"{film.scene} {film.model}", states), frames=len(states))
        name = _name(piece, view, f"part at {film.fps:g}", 0, len(states), len(states))

        async def make() -> bytes:
            async with self._turns.take(CLIP_PRIORITY):
                size = view.width, view.height
                done = self._pool().mp4(film.scene, states, view.camera, *size, fps=film.fps, fragmented=True)
                return await asyncio.wrap_future(done)

        return Content(await self._kept(f"{name}.part", make), MP4, name), frames

    async def seen(self, path: Path, start: int, stop: int) -> Content:
        """Return what the policy of an episode saw at frames [start, stop), as `RenderPool.sheet`; raises as `clip`."""
        film = await self.film(path)
        if film.sight is None:
            raise NoPictureError("unseen", "Its policy saw no pictures, or none that can be drawn again.")
        frames = frames_of(film, start, min(stop, start + MOST_SEEN))
        states, sight = (await self._states_of(path, film))[[film.shown[k] for k in frames]], film.sight
        what = [digest_of(film.scene, states), film.model, sight.cameras, sight.size, __version__]
        name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:40]

        async def make() -> bytes:
            async with self._turns.take(CLIP_PRIORITY):
                done = self._pool().sheet(film.scene, states, sight.cameras, sight.size)
                return await asyncio.wrap_future(done)

        return Content(await self._kept(f"{name}.png", make), PNG, name)

    async def drawn(self, task: str, states: Array, fps: float, view: CameraView) -> Content:
        """Return a clip of states (T, nstate) that belong to no episode; raises as `film`."""
        film = EpisodeFilm(digest_of(task, states), task, fps, len(states), scene=task)
        name = _name(film, view, f"clip at {fps:g}", 0, len(states), len(states))

        async def make() -> bytes:
            async with self._turns.take(FRAME_PRIORITY):
                done = self._pool().mp4(task, states, view.camera, view.width, view.height, fps=fps)
                return await asyncio.wrap_future(done)

        return Content(await self._kept(f"{name}.mp4", make), MP4, name)

    async def cameras(self, task: str) -> dict[str, Any]:
        """Return the cameras of a task by name, each as azimuth, elevation, distance and the point that it looks at.

        Raises:
            UnknownNameError: there is no such task.
        """
        if task not in self._cameras:
            found = await asyncio.wrap_future(self._pool().cameras(task))
            self._cameras[task] = {
                name: [camera.azimuth, camera.elevation, camera.distance, *(camera.lookat or (0.0, 0.0, 0.0))]
                for name, camera in found.items()
            }
        return self._cameras[task]

    async def _clip(
        self, path: Path, film: EpisodeFilm, view: CameraView, chosen: Array, fps: float, turn: int
    ) -> Content:
        name = _name(film, view, f"clip at {fps:g}", int(chosen[0]), int(chosen[-1]) + 1, len(chosen))

        async def make() -> bytes:
            states = (await self._states_of(path, film))[chosen]
            async with self._turns.take(turn):
                done = self._pool().mp4(film.scene, states, view.camera, view.width, view.height, fps=fps)
                return await asyncio.wrap_future(done)

        return Content(await self._kept(f"{name}.mp4", make), MP4, name)

    async def _replayed(
        self, path: Path, film: EpisodeFilm, view: CameraView, frames: range, fps: float, turn: int
    ) -> Content:
        """Return a clip of an episode without states, by a process that replays it or reads its video."""
        name = _name(film, view, f"replay at {fps:g}", frames.start, frames.stop, frames.step)

        async def make() -> bytes:
            async with self._replays.take(turn):
                return await self._replayer.clip(path, frames, fps, view.camera, (view.width, view.height))

        try:
            return Content(await self._kept(f"{name}.mp4", make), MP4, name)
        except CannotReplayError as error:
            self._not_replayed[film.digest] = f"It cannot be replayed. {error}"
            raise NoPictureError("outside", self._not_replayed[film.digest]) from error

    async def _replayed_frame(self, path: Path, film: EpisodeFilm, view: CameraView, frame: int, turn: int) -> bytes:
        """Return one frame of an episode without states; for a page that plays it, out of the clip that it asks for."""
        start = frame - frame % STRETCH if turn == FRAME_PRIORITY else frame
        frames = range(start, min(start + STRETCH, film.frames) if turn == FRAME_PRIORITY else frame + 1)
        content = await self._replayed(path, film, view, frames, film.fps, turn)
        with closing(content.body) as body:
            return await asyncio.to_thread(frame_of, body.read(0, body.size), frame - start)

    async def _kept(self, key: str, make: Callable[[], Awaitable[bytes]]) -> CachedBytes:
        return await self._error_of(self.cache.get(key, make))

    async def _still(self, path: Path, film: EpisodeFilm, view: CameraView, frame: int, turn: int) -> bytes:
        if not film.from_states:
            return await self._replayed_frame(path, film, view, frame, turn)
        state = (await self._states_of(path, film))[frame]
        async with self._turns.take(turn):
            done = self._pool().jpegs(film.scene, state, (view.camera,), view.width, view.height)
            return (await asyncio.wrap_future(done))[0]

    async def _error_of(self, work: Awaitable[T]) -> T:
        """Return the rendered bytes; a failure is described as text for the page.

        Raises:
            NoPictureError: the task is not known here, or its scene was another when the episode was recorded.
        """
        try:
            return await work
        except UnknownNameError as error:
            if error.kind != "task":
                raise
            text = f"Recorded in {error.given!r}, which this program does not know: there is no scene to draw."
            raise NoPictureError("scene", text) from error
        except ShapeError as error:
            text = "Recorded with another version of the scene: its states do not fit the one of today."
            raise NoPictureError("scene", text) from error

    async def _states_of(self, path: Path, film: EpisodeFilm) -> Array:
        known = self._states.get(film.digest)
        if known is not None:
            return known
        fresh, states = await asyncio.to_thread(read_film, path)
        if fresh.digest != film.digest:
            raise NoPictureError("changed", "This episode was changed a moment ago. Look again.")
        self._states[film.digest] = states
        return states


def _name(film: EpisodeFilm, view: CameraView, form: str, start: int, stop: int, count: int) -> str:
    """Return what a picture shows, as letters and digits."""
    parts = [__version__, film.digest, asdict(view), form, start, stop, count]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
