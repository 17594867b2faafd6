"""Frames to resume from: those of a recorded episode, its continuation, and what an earlier session left open."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mujoco

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError, NotNowError, VersionError
from robo_rlhf.core.types import EpisodeMeta, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.data.recording.journal import EpisodeWriter, begin_branch
from robo_rlhf.data.recording.recovery import RECOVERED
from robo_rlhf.data.recording.stream import Row
from robo_rlhf.data.schema import FRAME_COLUMNS, SIGNAL, Columns, to_episode
from robo_rlhf.episodes.access import EpisodeAccess
from robo_rlhf.rollouts.deviation import measure_deviation
from robo_rlhf.rollouts.evaluation import FIRST_SEED
from robo_rlhf.sim.envs.conditioned_env import SENT
from robo_rlhf.sim.envs.conditions import Conditions, read_conditions
from robo_rlhf.sim.envs.task_env import is_made_here
from robo_rlhf.sim.external.ids import is_outside
from teleop.worlds.conditioned import ConditionedWorld
from teleop.worlds.native import NativeWorld
from teleop.worlds.opening import World
from teleop.worlds.outside import OutsideWorld

OTHER_SCENE = " It was recorded with another version of the scene: what follows may go another way than it did."
NEWEST = 200  # episodes that are read: ids sort by time, and a page does not wait for ten thousand files
APART = 1000  # seeds between operators who record into one dataset at the same time
MEASURED = 10  # steps that are taken again where another machine recorded
STRAYS = 5e-3  # [m, rad] after so few steps: processors alone make less of a difference than that, other scenes more
BRANCH, CORRECTION, INTERRUPTED, GOAL = "branch", "correction", "interrupted", "goal"  # tags


class RecordedEpisode:
    """A recorded episode whose frames can be shown, and resumed from."""

    def __init__(self, columns: Columns, meta: EpisodeMeta, dataset: str) -> None:
        """Take the columns of an episode of the dataset of this name, and its metadata."""
        self.columns, self.meta, self.dataset = columns, meta, dataset
        self.access = EpisodeAccess(meta, columns["state"].shape[1], lambda: to_episode(columns, meta))
        self._differences: dict[str, str] = {}  # from the scene of this identity

    @property
    def conditions(self) -> Conditions:
        """The conditions that it was recorded under, and goes on under; raises as `read_conditions`."""
        return read_conditions(self.meta.versions)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.columns["state"])

    def row(self, index: int) -> Row:
        """Return frame `index`, and from 1 on the step that led to it."""
        return {
            name: value[index if name in FRAME_COLUMNS else index - 1]
            for name, value in self.columns.items()
            if name in FRAME_COLUMNS or index > 0
        }

    def check(self, env: VecEnv) -> None:
        """Check that `env` can enter its frames.

        Raises:
            InvalidValueError: it holds no states, or those of another model; an outside environment's other columns.
            NotNowError: neither states nor a replay enter the frames of an outside environment.
        """
        if is_outside(self.meta.task):
            return self._check_outside(env)
        if self.conditions and self.meta.trimmed and self.meta.parent_step:
            advice = (
                f"Continue {self.meta.parent}, which it was cut out of." if self.meta.parent else "It can be shown."
            )
            raise NotNowError(
                f"What was on the way when episode {self.meta.id} begins was cut off with its start.", advice
            )
        if self.conditions and SIGNAL + SENT not in self.columns:
            expected = f"the signal {SENT}: an episode that was recorded under conditions holds it"
            raise InvalidValueError(f"episode {self.meta.id}", "no actions as they were sent", expected)
        found, wanted = self.columns["state"].shape[1], env.get_state().shape[1]
        if found != wanted:
            given = f"states of {found} numbers" if found else "no simulator states"
            raise InvalidValueError(f"episode {self.meta.id}", given, f"states of {wanted}, as task {env.name} has now")

    def _check_outside(self, env: VecEnv) -> None:
        if self.access.enter is None:
            raise NotNowError(f"Episode {self.meta.id} cannot be continued. {self.access.reason}", "It stays.")
        for what, wanted in (("obs", env.obs_dim), ("action", env.act_dim)):
            found = self.columns[what].shape[1]
            if found != wanted:
                given = f"{what} of {found} columns"
                raise InvalidValueError(f"episode {self.meta.id}", given, f"{wanted}, as {env.name} has now")

    def differences(self, env: World) -> str:
        """Return a description of how the recorded world differs from this one; empty where it does not.

        `env` must be able to enter its frames; its state is restored afterwards.
        """
        if isinstance(env, OutsideWorld):
            known = self.meta.versions.get("environment", "")
            same = not env.has_states or known == env.provenance["environment"]
            return "" if same else f" It was recorded with {known}, and is replayed here."
        if env.model_hash not in self._differences:
            self._differences[env.model_hash] = self._compare(env.env if isinstance(env, ConditionedWorld) else env)
        return self._differences[env.model_hash]

    def _compare(self, env: NativeWorld) -> str:
        made_by = self.meta.versions.get("mujoco", "")
        if made_by and made_by != mujoco.__version__:
            return f" It was recorded with MuJoCo {made_by}, this is {mujoco.__version__}: forces may differ a little."
        same = env.is_scene_of(self.meta.model_hash) if self.meta.model_hash else True
        if same is False or self.columns["action"].shape[1] != env.act_dim:
            return OTHER_SCENE
        elsewhere = "processor" in self.meta.versions and not is_made_here(self.meta.versions)
        if same and not elsewhere:
            return ""
        steps = min(MEASURED, len(self) - 1)
        off = measure_deviation(env, self.columns["state"][: steps + 1], self.columns["action"][:steps])
        if not same and not off <= STRAYS:
            return OTHER_SCENE
        measured = f"its first {steps} steps lead here to positions that differ by up to {off:.2g} m or rad"
        return f" It was recorded on another machine: {measured}." if off else ""

    def go_on(self, folder: Path, frame: int, fields: Mapping[str, Any]) -> EpisodeWriter:
        """Begin an episode in the dataset at `folder` with what is before `frame`, and metadata but for `fields`."""
        return begin_branch(folder, self.columns, self.meta, frame, **fields)


def read_episode(home: Path, dataset: str, episode_id: str) -> RecordedEpisode:
    """Read an episode of a dataset in the data home, or of the samples that ship.

    Raises:
        NotFoundError: there is no such dataset or episode.
        CorruptFileError, VersionError: its file cannot be read.
    """
    columns, header = Reader(require_dataset(home, dataset)).read(episode_id)
    return RecordedEpisode(columns, replace(header.meta, id=episode_id), dataset)


def inside(home: Path, name: str, what: str) -> Path:
    """Return the path of something in the data home.

    Raises:
        NotFoundError: the name leads out of it.
    """
    if not is_inside(home, name):
        raise NotFoundError(what, name, f"It must lie in the data home, {home}.")
    return home / name


def is_inside(home: Path, name: str) -> bool:
    """Whether `name` is of something below the data home."""
    root, path = home.resolve(), (home / name).resolve()
    return path != root and path.is_relative_to(root)


class ResumePoint(NamedTuple):
    """The seed and the episode to resume from."""

    next_seed: int
    offer: str = ""  # the operator's last episode, where it was cut short
    frame: int = 0  # its last one
    seconds: float = 0.0  # its length in simulated time


def find_resume_point(dataset: Dataset, task: str, operator: str) -> ResumePoint:
    """Find it in the newest episodes of `dataset`."""
    infos = _newest(dataset)
    seeds = [info.meta.seed for info in infos if info.meta.task == task and info.meta.seed < FIRST_SEED]
    next_seed = max(seeds, default=-1) + 1 + APART * len(dataset.recovery.live)
    mine = [info for info in infos if info.meta.operator == operator]
    if mine:
        last = mine[-1]
        if {RECOVERED, INTERRUPTED} & {*last.meta.tags}:
            return ResumePoint(next_seed, last.meta.id, last.length, last.duration)
    return ResumePoint(next_seed)


def _newest(dataset: Dataset) -> list[EpisodeInfo]:
    """Return the newest episodes, oldest first; damaged ones are left to the listing of the dataset."""
    found = []
    for episode_id in dataset.ids()[-NEWEST:]:
        try:
            found.append(dataset.info(episode_id))
        except (CorruptFileError, VersionError, NotFoundError):
            continue
    return found
