"""What the policy probe's process keeps between requests: the newest worlds, episodes, policies, reward models."""

from collections.abc import Callable, Hashable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from cachetools import LRUCache

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import find_dataset, read_whole
from robo_rlhf.data.layout import episode_path
from robo_rlhf.policies.masked import ActingPolicy, load_for
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward
from teleop.session.branch import RecordedEpisode, inside, read_episode
from teleop.worlds.opening import World, open_world

WORLDS, EPISODES, MODELS = 8, 8, 8
T = TypeVar("T")


def _kept(cache: LRUCache[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    """Return the value of `key`, made where it is missing."""
    if key not in cache:
        cache[key] = make()
    return cache[key]


class LoadedObjects:
    """Everything of a data home that requests name; read again where its file has changed."""

    def __init__(self, home: Path) -> None:
        """Look in the data home `home`."""
        self.home = home
        self._worlds: LRUCache[Hashable, World] = LRUCache(WORLDS)
        self._episodes: LRUCache[Hashable, RecordedEpisode] = LRUCache(EPISODES)
        self._policies: LRUCache[Hashable, ActingPolicy] = LRUCache(MODELS)
        self._rewards: LRUCache[Hashable, RewardModel] = LRUCache(MODELS)

    def world(self, past: RecordedEpisode, num_envs: int, use: str) -> World:
        """Return the world of an episode, under its conditions, with `num_envs` copies; each `use` has separate ones.

        Raises:
            UnknownNameError: there is no such task.
            InvalidValueError: its conditions are not known here.
        """
        asked = past.meta.task, num_envs, past.conditions
        return _kept(self._worlds, (*asked, use), lambda: open_world(*asked))

    def episode(self, dataset: str, episode: str) -> RecordedEpisode:
        """Return a recorded episode.

        Raises:
            NotFoundError: there is no such dataset or episode.
            CorruptFileError, VersionError: its file cannot be read.
        """
        written: object = None
        try:
            status = episode_path(find_dataset(self.home, dataset), episode).stat()
            written = status.st_mtime_ns, status.st_ino
        except (OSError, InvalidValueError):
            pass  # reading it says what is wrong
        return _kept(self._episodes, (dataset, episode, written), lambda: read_episode(self.home, dataset, episode))

    def policy(self, name: str, world: World, use: str) -> ActingPolicy:
        """Return the policy in a checkpoint of the data home, a separate one for each `use`.

        It is given whole observations, whatever was hidden from it while it learned.

        Raises:
            NotFoundError: there is no such file.
            CorruptFileError: it cannot be read.
            CheckpointMismatchError: it is of another task or other shapes, or holds no policy.
        """
        path = inside(self.home, name, "policy")
        return _kept(self._policies, (name, _written(path), world.name, use), lambda: load_for(path, world))

    def reward(self, name: str, world: World) -> RewardModel:
        """Return the reward model in a checkpoint of the data home; raises as `policy`."""
        path = inside(self.home, name, "reward model")
        return _kept(
            self._rewards,
            (name, _written(path), world.name),
            lambda: load_reward(path, task=world.name, obs_dim=world.obs_dim, act_dim=world.act_dim),
        )

    def digest(self, name: str) -> str:
        """Return a digest of a checkpoint's content.

        Raises:
            NotFoundError: it does not lie in the data home.
        """
        return sha256(read_whole(inside(self.home, name, "policy"), "Name a checkpoint.")).hexdigest()[:16]


def _written(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
