"""What the pictures of an episode file depend on: its states and its model, read once and checked."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, RoboRlhfError, VersionError
from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.schema import read_columns
from robo_rlhf.episodes.access import open_access
from robo_rlhf.sim.envs.conditions import frames_shown
from robo_rlhf.vision.sight import Sight, read_sight

PART = 12  # frames of a part of an episode that is watched while it is drawn
MOST_FRAMES = 12_000  # of one clip: 10 min at 20 Hz


class NoPictureError(RoboRlhfError):
    """An episode that cannot be shown, for a reason that the page says in its place."""

    def __init__(self, code: str, text: str) -> None:
        """Give a short word for scripts (`broken`, `outside`, `scene`) and the reason in a sentence."""
        self.code = code
        super().__init__(text)


class FilmVideo(NamedTuple):
    """What one camera recorded of an episode, in a file that browsers step through."""

    camera: str
    file: str
    fps: float
    frames: int
    start: float  # [s] into the file


class EpisodeFilm(NamedTuple):
    """The properties of an episode file that its pictures depend on."""

    digest: (
        str  # of the states and the task; of the actions and observations where its frames are not drawn from states
    )
    task: str
    fps: float  # of the recording
    frames: int  # T + 1
    from_states: bool = True  # else another process replays its actions or reads its video
    scene: str = ""  # the name of the model that its states are drawn with
    reason: str = ""  # why it cannot be shown; empty where it can
    model: str = ""  # the digest of the model that its states were recorded with
    videos: tuple[FilmVideo, ...] = ()  # where cameras recorded it, each by itself
    sight: Sight | None = None  # the cameras that its policy saw, where it had some and states draw them
    shown: tuple[int, ...] = ()  # the frame whose pictures the policy was shown at each
    version: str = ""  # changes with the file


def read_film(path: Path) -> tuple[EpisodeFilm, Array]:
    """Return the properties of an episode file and its states, every byte of it checked."""
    try:
        access = open_access(path)
        from_states = access.show in ("state", None) and access.state_size > 0
        columns, header = read_columns(path, ("state",) if from_states else ("state", "action", "obs"))
    except (CorruptFileError, VersionError) as error:
        raise NoPictureError("broken", str(error)) from error
    states, meta = columns["state"], header.meta
    if from_states:
        about: list[object] = [access.scene, meta.model_hash, meta.control_dt, states.shape]
        content = states.tobytes()
    else:
        shown = [(camera, video.file, video.start) for camera, video in meta.frames.items()]
        about = [meta.task, meta.seed, columns["action"].shape, *shown]
        content = columns["action"].tobytes() + columns["obs"].tobytes()
    digest = hashlib.sha256(json.dumps(about).encode() + content).hexdigest()[:32]
    reason = access.reason if access.show is None else ""
    recorded = tuple(FilmVideo(name, v.file, v.fps, v.frames, v.start) for name, v in meta.frames.items())
    fps, videos = 1.0 / meta.control_dt, () if from_states else recorded
    film = EpisodeFilm(digest, meta.task, fps, len(states), from_states, access.scene, reason, meta.model_hash, videos)
    return film._replace(**_seen(meta, len(states)) if from_states else {}), states


def _seen(meta: EpisodeMeta, frames: int) -> dict[str, Any]:
    """Return what decides which pictures the policy of an episode of so many frames saw."""
    try:
        sight = read_sight(meta.versions)
        return {} if sight is None else {"sight": sight, "shown": tuple(frames_shown(meta, range(frames)))}
    except InvalidValueError:  # conditions of another version
        return {}


def frames_of(film: EpisodeFilm, start: int, stop: int | None) -> range:
    """Return the frames that a clip is of.

    Raises:
        InvalidValueError: no frame of the episode, or more than MOST_FRAMES.
    """
    stop = film.frames if stop is None else min(stop, film.frames)
    if not 0 <= start < stop or stop - start > MOST_FRAMES:
        expected = f"at least one and at most {MOST_FRAMES:,} of frames 0 to {film.frames - 1}"
        raise InvalidValueError("clip", f"frames {start} to {stop - 1}", expected)
    return range(start, stop)


def part_of(states: Array, fps: float, frame: int) -> range:
    """Return the frames of the part of `states` (T, nstate) that holds `frame`.

    Parts begin where the simulator's clock, the first number of a state, says so; the first and last may be shorter.
    """
    ticks = states[0, 0] * fps  # NaN or huge where the first number is no time
    ahead = round(ticks) % PART if abs(ticks) < 2**52 else 0
    start = (frame + ahead) // PART * PART - ahead
    return range(max(start, 0), min(start + PART, len(states)))


def digest_of(task: str, states: Array) -> str:
    """Return what tells these states (T, nstate) of a task from all others, as letters and digits."""
    return hashlib.sha256(f"{task} {states.shape}".encode() + states.tobytes()).hexdigest()[:32]
