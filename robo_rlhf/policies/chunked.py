"""Base class of policies that predict action chunks: normalisation, observation history and action queue."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from robo_rlhf.core.checks import at_least
from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import Normalizer, Part, TrainedPolicy

HALF_RANGE_FLOOR = 0.05  # an action column that varies less than this is not amplified


class ChunkedPolicy(TrainedPolicy):
    """Predicts `chunk` actions from the newest `history` observations, and executes `execution_horizon` of them."""

    action_center: Tensor
    action_scale: Tensor

    def __init__(self, obs_dim: int, act_dim: int, **settings: Any) -> None:
        """Take the settings, with `chunk`, `execution_horizon` and `history` among them.

        Raises:
            InvalidValueError: one of these three is less than 1.
        """
        super().__init__(obs_dim, act_dim, **settings)
        self.chunk, self.history = settings["chunk"], settings["history"]
        self.execution_horizon = min(settings["execution_horizon"], self.chunk)
        for name in ("chunk", "history", "execution_horizon"):
            at_least(1).check(f"{name} of policy {self.kind}", settings[name])
        self.normalizer = Normalizer(obs_dim)
        self.register_buffer("action_center", torch.zeros(act_dim))
        self.register_buffer("action_scale", torch.ones(act_dim))
        self._queue: list[Array] = []  # actions (N, act_dim) still to be executed
        self._seen: list[Tensor] = []  # the newest `history` observations

    noise_columns = 0  # random numbers that a prediction takes
    noise_kind = ""  # their distribution: normal or exponential

    @abstractmethod
    def predict_with(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return a chunk (N, chunk, act_dim) in [-1, 1] for obs (N, history * obs_dim), noise (N, noise_columns)."""

    def predict(self, obs: Tensor) -> Tensor:
        """Return a chunk of actions (N, chunk, act_dim) in [-1, 1] for observations (N, history * obs_dim)."""
        noise = torch.empty(len(obs), self.noise_columns)
        if self.noise_kind == "normal":
            noise.normal_(generator=self.generator)
        elif self.noise_kind == "exponential":
            noise.exponential_(generator=self.generator)
        return self.predict_with(obs, noise)

    def parts(self) -> list[Part]:
        """Return the network from observations to a chunk."""
        inputs = {"obs": self.history * self.obs_dim} | ({"noise": self.noise_columns} if self.noise_kind else {})
        empty = torch.empty(0, 0)
        return [
            Part(
                self,
                lambda obs, noise=empty: self.predict_with(obs, noise),
                inputs,
                chunk=self.chunk,
                execution_horizon=self.execution_horizon,
                history=self.history,
                noise=self.noise_kind,
            )
        ]

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the observation's z-scores, and the range of each action column that becomes [-1, 1]."""
        self.normalizer.fit(obs)
        low, high = action.amin(0), action.amax(0)
        self.action_center.copy_((low + high) / 2)
        self.action_scale.copy_(((high - low) / 2).clamp_min(HALF_RANGE_FLOOR))

    def reset(self, num_envs: int) -> None:
        """Clear the action queue and the observation history."""
        self._queue, self._seen = [], []

    def act(self, obs: Array) -> Array:
        """Return the next action (N, act_dim); every `execution_horizon` steps a new chunk is predicted."""
        with torch.inference_mode():
            seen = self.remember(obs)
            if not self._queue:
                chunk = self.predict(seen)
                self._queue = list(chunk[:, : self.execution_horizon].transpose(0, 1).numpy())
        return self._queue.pop(0)

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers."""
        return bool(self.noise_kind)

    def attends(self) -> bool:
        """Whether the next action depends on the next observation: not while predicted actions wait."""
        return self.history > 1 or not self._queue

    def remember(self, obs: Array) -> Tensor:
        """Append obs (N, obs_dim); return the newest (N, history * obs_dim), the first repeated at the start."""
        newest = torch.as_tensor(obs, dtype=torch.float32)
        self._seen = [*(self._seen or [newest] * self.history), newest][-self.history :]
        return torch.cat(self._seen, dim=-1)

    def normalize(self, obs: Tensor) -> Tensor:
        """Return z-scores (B, history, obs_dim) of observations (B, history * obs_dim)."""
        normalized: Tensor = self.normalizer(obs.view(obs.shape[0], self.history, self.obs_dim))
        return normalized

    def to_unit(self, action: Tensor) -> Tensor:
        """Map actions (..., act_dim) to the range [-1, 1] of what was demonstrated."""
        return (action - self.action_center) / self.action_scale

    def from_unit(self, unit: Tensor) -> Tensor:
        """Map what `to_unit` gave back to actions within [-1, 1]."""
        return (unit * self.action_scale + self.action_center).clamp(-1.0, 1.0)
