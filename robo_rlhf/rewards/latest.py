"""A learned reward that may change during training: reloaded when another process writes its checkpoint file."""

from pathlib import Path

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward


class PenalizedReward:
    """The reward to maximise: the ensemble's mean minus `uncertainty_penalty` times its deviation."""

    def __init__(self, model: RewardModel, uncertainty_penalty: float) -> None:
        """Take the reward from `model`."""
        self.model, self.uncertainty_penalty = model, uncertainty_penalty

    def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
        """Return the reward (T, N) of steps, for obs (T, N, obs_dim), action (T, N, act_dim) and next_obs."""
        if self.model.markovian:
            mean, std = self.model.predict(obs, action, next_obs)
        else:  # the model expects the time axis second: (T, N) → (N, T)
            mean, std = (x.T for x in self.model.predict(*(x.swapaxes(0, 1) for x in (obs, action, next_obs))))
        lowered: Array = mean - self.uncertainty_penalty * std
        return lowered


class NewestReward(PenalizedReward):
    """The same, from a file: `refresh` reloads it where it was written since.

    A file that is missing, unreadable or does not fit changes nothing: the previous reward stays in use.
    """

    def __init__(self, path: Path, uncertainty_penalty: float, *, task: str, obs_dim: int, act_dim: int) -> None:
        """Load the reward model at `path`.

        Raises:
            NotFoundError: there is no such file.
            CorruptFileError: the file is truncated or not a checkpoint.
            CheckpointMismatchError: it is of another task or of other shapes, or holds no reward model.
        """
        self.path, self._task, self._sizes = path, task, (obs_dim, act_dim)
        self._written = _written(path)  # before reading: a later write is then noticed
        super().__init__(self._load(), uncertainty_penalty)

    def refresh(self) -> tuple[bool, str]:
        """Reload the file where it was written since; return whether the reward changed, and a message for the log."""
        written = _written(self.path)
        if written is None or written == self._written:
            return False, ""
        self._written = written
        try:
            self.model = self._load()
        except RoboRlhfError as error:
            return False, f"a new reward cannot be used, the previous one stays in use: {error}"
        return True, "a new reward"

    def _load(self) -> RewardModel:
        return load_reward(self.path, task=self._task, obs_dim=self._sizes[0], act_dim=self._sizes[1])


def _written(path: Path) -> tuple[int, int, int] | None:
    """Return a stamp that changes when the file is written, None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
