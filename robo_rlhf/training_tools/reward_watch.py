"""What a reward with cameras sees of the episodes that are being collected: a few pictures a second of every copy."""

import numpy as np

from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.vision.observer import CameraObserver, own_looks
from robo_rlhf.vision.seen_episodes import frames_between


class RewardWatch:
    """Takes the pictures of one episode of every copy of an environment; the next begins anew."""

    def __init__(self, env: VecEnv, reward: object, model: RewardModel) -> None:
        """Look at `env` as often as `model`, the learned part of `reward`, sees; raises as `CameraObserver`."""
        assert model.sight is not None
        self.reward, self.num_envs = reward, env.num_envs
        self.every = frames_between(model.rate, env.control_dt)
        self._observer = CameraObserver(env, model.sight, own_looks(model.sight))
        self._taken: list[dict[str, Array]] = []
        self._drawing = False  # since the newest step that a picture was taken of, beside the physics

    def begin(self) -> None:
        """Begin with the states that the copies are in, for the model that the reward has now."""
        self._finish()
        self._taken = []
        model = _model_of(self.reward)
        assert model is not None
        model.look_at(self)
        self.note(0)

    def note(self, t: int) -> None:
        """Take the pictures after step `t`, where it is time."""
        if t % self.every == 0:
            self._finish()
            self._observer.begin()
            self._drawing = True

    def _finish(self) -> None:
        if self._drawing:
            self._drawing = False
            self._taken.append(self._observer.finish())

    def numbers(self, steps: int) -> Array:
        """Return the number (T+1, N) of the newest picture of each observation."""
        found: Array = np.arange(steps + 1)[:, None] // self.every * self.num_envs + np.arange(self.num_envs)
        return found

    def __len__(self) -> int:
        """Return the number of pictures of each camera."""
        self._finish()
        return len(self._taken) * self.num_envs

    def take(self, frame: Array) -> dict[str, Array]:
        """Return the pictures (..., H, W, 3) uint8 of each camera of numbers (...)."""
        self._finish()
        when, copy = np.divmod(frame.reshape(-1), self.num_envs)
        found = {}
        for camera, first in self._taken[0].items():
            pictures = np.empty((len(when), *first.shape[1:]), np.uint8)
            for i, (k, n) in enumerate(zip(when.tolist(), copy.tolist(), strict=True)):
                pictures[i] = self._taken[k][camera][n]
            found[camera] = pictures.reshape(*frame.shape, *first.shape[1:])
        return found


def watch_for(reward: object, env: VecEnv) -> RewardWatch | None:
    """Return what takes the pictures that the learned part of `reward` sees of `env`; None where it has no cameras.

    Raises:
        NotNowError: it has, and nothing of the environment can be drawn.
    """
    model = _model_of(reward)
    return None if model is None or model.sight is None else RewardWatch(env, reward, model)


def _model_of(reward: object) -> RewardModel | None:
    """Return the learned model of a reward, which another may replace between two iterations."""
    found = getattr(getattr(reward, "reward", reward), "model", None)
    return found if isinstance(found, RewardModel) else None
