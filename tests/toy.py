"""A tiny world in pure numpy for quick tests: a point slides over a plane to a goal.

`ToyEnv` is a whole `VecEnv`; `ToyOperator` solves it as a person would, with hand noise and pauses;
`demonstrations` records the two together.
"""

from collections.abc import Mapping

import numpy as np

from robo_rlhf.core.types import Array, Episode, Source, Step
from robo_rlhf.rollouts.rollout import rollout

GOAL_RADIUS = 0.08  # [m]
MAX_SPEED = 0.1  # [m/step]
NO_STEPS: Mapping[int, int] = {}


class ToyEnv:
    """A point mass at (x, y), pushed by actions (2,); it succeeds while it is at the goal.

    Observation (6,): position, velocity, goal. State (6,): the same in float64.
    With `ends`, an episode ends one step after success, as outside environments do. With `faults`, copy → step,
    the environment goes wrong in these copies at these steps.
    """

    name = "toy"
    obs_dim = 6
    act_dim = 2
    horizon = 40
    control_dt = 0.05

    def __init__(self, num_envs: int = 8, *, ends: bool = False, faults: Mapping[int, int] = NO_STEPS) -> None:
        self.num_envs, self.ends, self.faults_at = num_envs, ends, faults
        self._state = np.zeros((num_envs, 6))
        self._active = np.ones(num_envs, dtype=bool)

    def reset(self, seeds: Array) -> Array:
        assert seeds.shape == (self.num_envs,)
        for i, seed in enumerate(seeds):
            rng = np.random.default_rng(int(seed))
            start, goal = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2)
            self._state[i] = [*start, 0.0, 0.0, *goal]
        self._active[:] = True
        self._time = 0
        return self._observe()

    def step(self, action: Array) -> Step:
        applied = np.clip(action, -1, 1).astype(np.float32)
        wrong = [i for i, t in self.faults_at.items() if t <= self._time]
        self._active[wrong] = False
        self._time += 1
        active = self._active.copy()
        position, velocity, goal = np.split(self._state, 3, axis=1)
        velocity = 0.5 * velocity + 0.5 * MAX_SPEED * applied
        moved = np.hstack([np.clip(position + velocity, -1.5, 1.5), velocity, goal])
        self._state = np.where(active[:, None], moved, self._state)
        success = self._success()
        if self.ends:
            self._active &= ~success
        return Step(
            obs=self._observe(),
            reward=(1 - np.tanh(self._distance())).astype(np.float32),
            success=success,
            applied=applied,
            signals={"ee_pos": np.hstack([self._state[:, :2], np.zeros((self.num_envs, 1))]).astype(np.float32)},
            active=active,
            faults=dict.fromkeys(wrong, "toy went wrong"),
        )

    def get_state(self) -> Array:
        return self._state.copy()

    def set_state(self, state: Array) -> Array:
        self._state = np.array(state, dtype=np.float64)
        self._active[:] = True
        self._time = 0
        return self._observe()

    def close(self) -> None:
        pass

    def _observe(self) -> Array:
        return self._state.astype(np.float32)

    def _distance(self) -> Array:
        return np.hypot(*(self._state[:, :2] - self._state[:, 4:]).T)

    def _success(self) -> Array:
        return self._distance() < GOAL_RADIUS


class SeenToyEnv(ToyEnv):
    """The same, observed by a camera `eye` too, 16 pixels a side: the point is bright."""

    observed_cameras = ("eye",)

    def pictures(self) -> dict[str, Array]:
        """Return the pictures (N, 16, 16, 3) uint8 of the present states."""
        shown = np.zeros((self.num_envs, 16, 16, 3), np.uint8)
        column, row = (np.clip(self._state[:, k] * 5 + 8, 1, 15).astype(int) for k in (0, 1))
        for copy in range(self.num_envs):
            shown[copy, row[copy] - 1 : row[copy] + 1, column[copy] - 1 : column[copy] + 1] = 255
        return {"eye": shown}


class ToyOperator:
    """Moves to the goal; with `noise` in the hand, and pauses of five steps begun with probability `pause`."""

    def __init__(self, noise: float = 0.2, pause: float = 0.03, seed: int = 0) -> None:
        self.noise, self.pause, self.seed = noise, pause, seed

    def reset(self, num_envs: int) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._pausing = np.zeros(num_envs, dtype=int)

    def act(self, obs: Array) -> Array:
        error = obs[:, 4:] - obs[:, :2] - obs[:, 2:4]
        action = np.clip(error / MAX_SPEED, -1, 1) + self.noise * self._rng.standard_normal(error.shape)
        self._pausing = np.where(self._rng.random(len(obs)) < self.pause, 5, np.maximum(self._pausing - 1, 0))
        action[self._pausing > 0] = 0.0
        return np.clip(action, -1, 1).astype(np.float32)


def demonstrations(count: int = 16, first_seed: int = 0, **operator: float) -> list[Episode]:
    """Record `count` demonstrations of the toy task."""
    seeds = np.arange(first_seed, first_seed + count)
    return rollout(ToyEnv(count), ToyOperator(**operator), seeds, source=Source.SCRIPTED)  # type: ignore[arg-type]
