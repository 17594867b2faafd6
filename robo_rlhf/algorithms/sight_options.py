"""Options that say what a policy or a reward sees: cameras, and which columns beside their pictures."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.registry import Choices, known
from robo_rlhf.policies import POLICIES
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.encoders import ENCODERS
from robo_rlhf.vision.sight import Sight, check_cameras, shown_columns

if TYPE_CHECKING:
    from robo_rlhf.core.types import Episode
    from robo_rlhf.vision.frame_cache import TrainingPictures


PICTURES_A_BATCH = 64  # in the place of the usual 256: an update takes as long as of hundreds without pictures


@dataclass(frozen=True, kw_only=True)
class SightOptions:
    """Options of what is seen; without them a network gets all columns and no picture, as ever."""

    cameras: str = ""
    """Cameras whose pictures are seen, such as front,wrist; none where empty. A batch of 256, the default, is one of 64
    then."""
    size: int = 96
    """Sides of a picture [pixels]."""
    hide: str = ""
    """Columns or things that are not seen, such as cube,puck."""
    proprioception_only: bool = False
    """See no column that a real robot could not measure itself, as the task says."""
    encoder: Annotated[str, Choices(ENCODERS)] = "small"
    """Network that reads a picture."""
    shared_encoder: bool = False
    """Read the pictures of all cameras with one network instead of one each."""
    shift: int = 4
    """How far pictures are moved at random while learning [pixels]."""

    looks: int = 0
    """Draw each frame in one of so many looks: other light, colours, textures and camera poses; 0: as the scene is."""

    @property
    def sees(self) -> bool:
        """Whether any of these options is used."""
        return bool(self.cameras or self.hide or self.proprioception_only or self.looks)

    @property
    def sight(self) -> Sight | None:
        """Cameras and size; None without cameras."""
        names = _words(self.cameras)
        return Sight(names, self.size, self.looks) if names else None

    def check_sight(self, task: str, recorded: "Sequence[str] | None" = None) -> None:
        """Refuse what cannot be seen of a task: one of this project, an outside environment, or one recorded elsewhere.

        Args:
            task: its name.
            recorded: the cameras of its videos, where it has no simulator here.

        Raises:
            UnknownNameError: no such camera, column, thing or encoder; the message suggests the nearest.
            InvalidValueError: a size or a shift outside its range, or columns without names.
        """
        self.columns(task)
        known(ENCODERS, self.encoder)
        if self.looks and not self.cameras:
            raise InvalidValueError("--looks", self.looks, "--cameras, whose pictures differ between looks")
        if self.shift < 0:
            raise InvalidValueError("--shift", self.shift, "0 or more pixels")
        sight = self.sight
        if sight is not None and recorded is not None:
            check_cameras(sight.cameras, recorded)
        elif sight is not None:
            check_cameras(sight.cameras, _cameras_of(task))

    def columns(self, task: str) -> tuple[int, ...] | None:
        """Return the indices of the columns that are seen; None for all. Raises as `check_sight`."""
        hide = (*_words(self.hide), *(("privileged",) if self.proprioception_only else ()))
        if not hide:
            return None
        if task not in TASKS:
            raise InvalidValueError("--hide or --proprioception-only", task, "a native task, whose columns have names")
        found = TASKS[task]
        return shown_columns(found.obs_names, found.privileged, hide)

    def visual_settings(self, task: str, policy: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a policy of kind "visual" in place of one of kind `policy` with `settings`."""
        sight, columns = self.sight, self.columns(task)
        more: dict[str, Any] = {"columns": None if columns is None else list(columns), "encoder": self.encoder}
        if sight is not None:
            more |= {"cameras": list(sight.cameras), "size": sight.size, "looks": sight.looks}
        more |= {"shared": self.shared_encoder, "shift": self.shift}
        return {"policy": policy, "settings": dict(settings), **more}

    def judging(self, task: str, config: Any, rate: float, *, frozen: bool) -> Any:
        """Return settings of reward learning whose reward sees what is asked for; as they are where nothing is.

        `rate` is in pictures a second; the encoders of a policy are taken over and kept where `frozen`.
        """
        if not self.sees or config.reward == "visual":
            return config
        settings = dict(config.settings)
        members = {name: settings.pop(name) for name in ("members",) if name in settings}
        seen = self.visual_settings(task, "", {})
        seen = {name: value for name, value in seen.items() if name != "policy"}
        seen |= {"reward": config.reward, "settings": settings, "rate": rate, "frozen": frozen, **members}
        return replace(config, reward="visual", settings=seen)

    def seeing(self, task: str, config: Any) -> Any:
        """Return settings of behaviour cloning whose policy sees what is asked for; as they are where nothing is.

        With cameras a batch of the usual size is a smaller one, see `PICTURES_A_BATCH`, and it looks again after a
        quarter of a chunk at most, unless an execution horizon is set.
        """
        if not self.sees:
            return config
        smaller = bool(self.cameras) and config.batch == type(config)().batch
        batch = PICTURES_A_BATCH if smaller else config.batch
        inner = {**(_often(config.policy, config.settings) if self.cameras else {}), **config.settings}
        return replace(config, policy="visual", settings=self.visual_settings(task, config.policy, inner), batch=batch)

    def asked_to_see(self) -> dict[str, Any]:
        """Return the options that a run stores; none where nothing is asked for."""
        return {"cameras": self.cameras, "size": self.size} if self.cameras else {}

    def pictures(
        self, home: Path, episodes: "Sequence[Episode]", folder: Path, progress: Callable[[int, int], None] | None
    ) -> "TrainingPictures | None":
        """Return the pictures of all frames of episodes of the dataset at `folder`; None without cameras."""
        sight = self.sight
        if sight is None:
            return None
        from robo_rlhf.sim.envs.conditioned_env import as_shown
        from robo_rlhf.vision.episode_pictures import see_episodes
        from robo_rlhf.vision.frame_cache import FRAMES, FrameCache

        episodes = [as_shown(episode) for episode in episodes]
        return see_episodes(episodes, sight, FrameCache(home / FRAMES), folder=folder, progress=progress)


def _cameras_of(task: str) -> "Mapping[str, str]":
    """Return the cameras of a task by name, those in its observations too: why it is none, or an empty text."""
    from robo_rlhf.sim.rendering.renderer import load_model
    from robo_rlhf.sim.rendering.scene_cameras import DEFAULT_CAMERA, camera_names

    observed: Mapping[str, str] = {}
    if is_outside(task):
        from robo_rlhf.sim.external.replay import observed_cameras

        observed = observed_cameras(task)
    try:
        drawn = (*camera_names(load_model(task)), DEFAULT_CAMERA)
    except InvalidValueError:  # it is not MuJoCo
        if not observed:
            raise
        drawn = ()
    return {**observed, **dict.fromkeys(drawn, "")} | {name: why for name, why in observed.items() if not why}


def _often(policy: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the execution horizon of a kind of policy that predicts chunks: a quarter of one, or the usual if less."""
    usual = {name: one.default for name, one in inspect.signature(POLICIES[policy]).parameters.items()}
    if "execution_horizon" not in usual:
        return {}
    quarter = int(settings.get("chunk", usual["chunk"])) // 4
    return {"execution_horizon": max(1, min(usual["execution_horizon"], quarter))}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
