"""A stored episode as a device: replays its actions and measures the deviation from its stored states."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, find_dataset
from robo_rlhf.core.types import Command, Episode, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import datasets_of
from robo_rlhf.sim.envs.conditioned_env import SENT, ConditionedEnv
from robo_rlhf.sim.physics.batch import apart
from teleop.devices import DEVICES, Device
from teleop.input.action_mapping import from_action
from teleop.worlds.native import NativeWorld

SAME_START = 1e-6  # [m, rad] how far states may be apart that are still the same start: of another processor, say


@DEVICES.register("replay")
class Replay(Device):
    """Returns the actions of an episode one after another, then `keep`; the robot holds after that."""

    name: ClassVar[str] = "replay"
    source: ClassVar[Source] = Source.SCRIPTED

    def __init__(self, env: NativeWorld, *, episode: str | Episode = "", home: Path | None = None) -> None:
        """Replay in `env`.

        Args:
            env: the world.
            episode: DATASET/ID in the data home, such as samples/reach/reach-3000001, or an episode.
            home: the data home; see `files.data_home`.

        Raises:
            InvalidValueError: none is named, or it is of another task.
            NotFoundError, CorruptFileError: it cannot be read.
        """
        self._env = env
        self.episode = episode if isinstance(episode, Episode) else find_episode(episode, home)
        task = self.episode.meta.task
        if task != env.name:
            raise InvalidValueError(f"replaying episode {self.episode.meta.id}", f"task {env.name!r}", f"task {task!r}")
        sent = self.episode.signals.get(SENT) if isinstance(env, ConditionedEnv) else None
        self._actions = self.episode.action if sent is None else sent  # what arrives of them is what arrived then
        self.step = 0  # of the action that is next
        self.deviation = 0.0  # largest difference of a position [m, rad] so far; 0.0: the same states bit for bit

    def begin(self, seed: int) -> None:
        """Begin with the first action.

        Raises:
            InvalidValueError: the world is not in the state in which the episode began.
        """
        self.step, self.deviation = 0, 0.0
        if self._distance() > SAME_START:
            meta = self.episode.meta
            given = f"a world that began from seed {seed} and stands {self._distance():.3g} away from it"
            why = " (it was trimmed or branched, so its seed alone does not lead there)" if meta.parent else ""
            raise InvalidValueError(f"replaying episode {meta.id}", given, f"its first state, of seed {meta.seed}{why}")

    def read(self) -> Command:
        """Return the next action, with `keep` the last one; not active after that."""
        self.measure()
        if self.step >= len(self.episode):
            return Command(np.zeros(6), -1.0, frozenset(), active=False)
        command = from_action(self._actions[self.step], self._env.task.action_names)
        self.step += 1
        return command._replace(buttons=frozenset({"keep"} if self.step == len(self.episode) else ()))

    def measure(self) -> float:
        """Compare the world with the stored state that it should be in; return `deviation`."""
        self.deviation = float(np.maximum(self.deviation, self._distance()))
        return self.deviation

    def _distance(self) -> float:
        """Return how far the world is from the frame that comes next; infinity where it cannot be compared."""
        stored = self.episode.state[self.step]
        state = self._env.get_state()[0]
        if stored.shape != state.shape:
            return float("inf")
        return apart(self._env.model, stored, state)


def find_episode(name: str, home: Path | None = None) -> Episode:
    """Return the episode DATASET/ID of a data home.

    Raises:
        InvalidValueError: no such form; the message lists the datasets.
        NotFoundError, CorruptFileError: it cannot be read.
    """
    dataset, _, episode_id = name.rpartition("/")
    if not dataset:
        where = data_home(home)
        choices = ", ".join(datasets_of(where)) or "(no datasets)"
        raise InvalidValueError("episode to replay", repr(name), f"DATASET/ID, with a dataset of {where}: {choices}")
    return Dataset(find_dataset(data_home(home), dataset)).load(episode_id)
