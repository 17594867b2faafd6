"""By what the frames of an episode can be shown and entered: the single place that decides it.

A frame is shown from its simulator state, from a replay of the actions before it, or out of a recorded video; it is
entered, to continue from there, by its state or by a replay. The decision rests on what the header of a file says, so
that a page can ask it of every episode; nothing is simulated and no environment is made for it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from robo_rlhf.core import guests
from robo_rlhf.core.errors import InvalidValueError, NotAllowedError, NotNowError
from robo_rlhf.core.types import Array, Episode, EpisodeMeta
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.data.schema import Header, load_file, read_header
from robo_rlhf.sim.external.ids import is_outside, scene_name, split_task
from robo_rlhf.sim.external.versions import is_installed

NO_VIDEOS: Mapping[str, Path] = MappingProxyType({})
NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
NOT_EXACT = "Neither its states nor a replay lead where they led; `robo-rlhf doctor --env ID` shows by how much."
NO_STATES = "It holds no simulator states."


Show = Literal["state", "replay", "frames"] | None
Enter = Literal["state", "replay"] | None

ENTER: Mapping[str, Enter] = MappingProxyType({"state": "state", "replay": "replay"})


class Ways(NamedTuple):
    """By what an episode is shown and entered; the reason in one sentence where one of them cannot be."""

    show: Show
    enter: Enter
    reason: str = ""  # why not; empty where both can be


class EpisodeAccess:
    """One episode: by what its frames can be shown and entered, and its frames and states."""

    def __init__(
        self, meta: EpisodeMeta, state_size: int, load: Callable[[], Episode], videos: Mapping[str, Path] = NO_VIDEOS
    ) -> None:
        """Decide for an episode.

        Args:
            meta: its metadata.
            state_size: the numbers of each of its states; 0 where it has none.
            load: returns the episode, when a frame or state is asked for.
            videos: the recorded video of each camera, if there are any.
        """
        self.meta, self.state_size, self.videos, self._load = meta, state_size, videos, load
        self.ways = ways_of(meta.task, state_size, videos, meta.versions)

    @property
    def show(self) -> Show:
        """By what its frames are shown; None where they cannot be, see `reason`."""
        return self.ways.show

    @property
    def enter(self) -> Enter:
        """By what its frames are entered, to continue from there; None where they cannot be, see `reason`."""
        return self.ways.enter

    @property
    def reason(self) -> str:
        """Why it cannot be shown or entered, in one sentence; empty where both can be."""
        return self.ways.reason

    @property
    def scene(self) -> str:
        """The name of the model that its states are drawn with."""
        seeded = self.meta.versions.get("model") == "seed"
        return scene_name(self.meta.task, self.meta.seed) if seeded and is_outside(self.meta.task) else self.meta.task

    def frame(self, k: int, camera: str = "front", width: int = 320, height: int = 240) -> Array:
        """Return frame `k` as an image (H, W, 3) uint8; raises as `frames`."""
        picture: Array = self.frames([k], camera, width, height)[0]
        return picture

    def frames(self, chosen: Sequence[int], camera: str = "front", width: int = 320, height: int = 240) -> Array:
        """Return the frames of these numbers, which rise, as images (K, H, W, 3) uint8.

        `camera` is one of the scene for states, and one of `videos` for recorded frames; a replay has only the camera
        of its environment. Those that the environment observes are shown by a replay, see `observed`.

        Raises:
            NotNowError: it cannot be shown.
            InvalidValueError: a frame is not in the episode, or its replay deviates from the recording.
            RoboRlhfError: what the renderer, the environment or the video decoder reports.
        """
        if self.show is None:
            raise NotNowError(f"Episode {self.meta.id} cannot be shown. {self.reason}", "What was recorded stays.")
        from robo_rlhf.episodes.drawing import draw_recorded, draw_replayed, draw_states

        rising = all(a < b for a, b in pairwise(chosen))
        if not chosen or not rising or not 0 <= chosen[0] <= chosen[-1] <= len(self._episode):
            given, expected = f"{chosen[0]} to {chosen[-1]}" if chosen else "none", f"0 to {len(self._episode)}, rising"
            raise InvalidValueError(f"frames of episode {self.meta.id}", given, expected)
        if camera in self.observed:
            return draw_replayed(self._episode, chosen, width, height, camera)
        match self.show:
            case "state":
                return draw_states(self._episode, self.scene, chosen, camera, width, height)
            case "replay":
                return draw_replayed(self._episode, chosen, width, height)
            case "frames":
                return draw_recorded(self._episode, self.videos, chosen, camera, width, height)

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """The cameras whose pictures its environment observes; an environment is made for it."""
        if not is_outside(self.meta.task) or self.show not in ("state", "replay"):
            return ()
        from robo_rlhf.sim.external.replay import observed_cameras

        return tuple(name for name, why in observed_cameras(self.meta.task).items() if not why)

    def state(self, k: int) -> Array:
        """Return the simulator state (nstate,) by which frame `k` is entered; raises as `require_state`."""
        self.require_state()
        state: Array = self._episode.state[k]
        return state

    def require_state(self) -> None:
        """Check that its frames are entered by their states.

        Raises:
            NotNowError: they are not.
        """
        if self.enter != "state":
            why = self.reason or "Its frames are entered by a replay of the actions before them."
            raise NotNowError(f"Episode {self.meta.id} cannot be entered by a state. {why}", "Nothing was changed.")

    @cached_property
    def _episode(self) -> Episode:
        return self._load()


def access_of(episode: Episode, folder: Path | None = None) -> EpisodeAccess:
    """Return the access to an episode in memory; its recorded videos are in the dataset at `folder`."""
    videos = NO_VIDEOS if folder is None else videos_of(episode.meta, folder)
    return EpisodeAccess(episode.meta, episode.state.shape[1], lambda: episode, videos)


def open_access(path: Path, header: Header | None = None) -> EpisodeAccess:
    """Return the access to an episode file, whose `header` is read where it is not given.

    Raises:
        CorruptFileError, VersionError, OSError: its header cannot be read.
    """
    header = header or read_header(path)
    videos = videos_of(header.meta, path.parents[1])  # of one in the trash too
    return EpisodeAccess(header.meta, header.columns["state"][1][1], lambda: load_file(path), videos)


def videos_of(meta: EpisodeMeta, folder: Path) -> Mapping[str, Path]:
    """Return the recorded video of each camera of an episode in the dataset at `folder`."""
    return {camera: video_path(folder, video.file) for camera, video in meta.frames.items()}


def why_not_yet(task: str) -> str:
    """Return in a sentence why episodes of a task that are still to be recorded cannot be shown; empty where they can.

    An outside environment is made for it, to learn whether it renders images.

    Raises:
        RoboRlhfError: there is no such environment, or it cannot be made.
    """
    if not is_outside(task):
        return ""
    from robo_rlhf.episodes.drawing import why_not_rendered

    return why_not_rendered(task)


def ways_of(
    task: str, state_size: int, videos: Mapping[str, Path] = NO_VIDEOS, versions: Mapping[str, str] = NO_VERSIONS
) -> Ways:
    """Return by what an episode of a task is shown and entered.

    Args:
        task: its name.
        state_size: as for `EpisodeAccess`.
        videos: as for `EpisodeAccess`.
        versions: of its metadata; for an outside environment they hold what `provenance_of` gives.
    """
    outside = is_outside(task)
    if not outside and not state_size:
        return Ways("frames" if videos else None, None, NO_STATES)
    strange = next((module for module in modules_of(task) if not guests.is_allowed(module)), "")
    if strange:
        refused = str(NotAllowedError("environment" if outside else "task", task, strange))
        return Ways("frames", None, NO_STATES if not state_size else refused) if videos else Ways(None, None, refused)
    if not outside:
        return Ways("state", "state")
    holds = state_size > 0 and is_installed(versions.get("environment", ""))
    if not holds:
        return Ways("frames", None, NO_STATES) if videos else Ways("replay", "replay")
    show: Show = "state" if versions.get("show") == "state" else "frames" if videos else "replay"
    enter = ENTER.get(versions.get("enter", ""))
    return Ways(show, enter, "" if enter else NOT_EXACT)


def modules_of(task: str) -> list[str]:
    """Return the modules that the name of a task asks to import, those of packages known by name left out.

    >>> modules_of("my_tasks:PressButton@my_robots:Ur5e"), modules_of("my_envs:Mine-v0@50"), modules_of("Pusher-v5")
    (['my_tasks', 'my_robots'], ['my_envs'], [])
    """
    if not is_outside(task):
        return [found[0] for part in task.split("@") if (found := guests.split(part))]
    module = split_task(task.partition("@")[0])[0].rpartition(":")[0]
    return [module] if module else []
