"""Gymnasium vector environments of the tasks: N copies as a `VectorEnv`, stepped natively as one batch."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array, Step
from robo_rlhf.sim.envs.gym_env import RENDER_MODES, SEED_BOUND, BatchEnv, Pictures, checked, open_batch, spaces


class GymVectorEnv(gymnasium.vector.VectorEnv[Array, Array, Array]):
    """N copies of a task, stepped together natively, with all three of Gymnasium's autoreset modes and partial resets.

    Values and infos are those of `SyncVectorEnv` over N `GymEnv`, bit for bit.
    """

    metadata = {"render_modes": list(RENDER_MODES), "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        task: str | BatchEnv,
        num_envs: int = 1,
        render_mode: str | None = None,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        terminate_on_success: bool = False,
        camera: str = "front",
        width: int = 320,
        height: int = 240,
        robot: str = "",
    ) -> None:
        """Open `num_envs` copies of the task called `task`, with the `robot` where one is named, or take a batch.

        Raises:
            UnknownNameError: there is no such task or robot.
            InvalidValueError: an unknown render mode or autoreset mode, or a robot for a task that has one of its own.
        """
        self._pictures = Pictures(render_mode, camera, width, height)
        self.autoreset_mode = _autoreset(autoreset_mode)
        self.batch = open_batch(task, num_envs, robot)
        self.num_envs = self.batch.num_envs
        self.render_mode, self.terminate_on_success = render_mode, terminate_on_success
        self.horizon = min(self.batch.horizon, max_episode_steps or self.batch.horizon)
        self.single_observation_space, self.single_action_space = spaces(self.batch)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        fps = round(1 / self.batch.control_dt)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode, "render_fps": fps}
        self._streams = [seeding.np_random(None)[0] for _ in range(self.num_envs)]
        self._obs: Array = np.zeros((self.num_envs, self.batch.obs_dim), np.float32)
        self._elapsed = np.zeros(self.num_envs, np.int64)
        self._ended = np.zeros(self.num_envs, np.bool_)  # copies whose episode is over and not yet reset

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes in all copies, or in those of `options["reset_mask"]` (N,) bool.

        Copy i starts from `seed` + i, from seed[i], or, without a seed, from the next one drawn from its generator.
        """
        ids = np.flatnonzero(self._mask(options))
        every = self._given_seeds(seed)
        given = [every[int(i)] for i in ids]
        for i, first in zip(ids, given, strict=True):
            if first is not None:
                self._streams[i] = seeding.np_random(first)[0]
        self._start(ids, given)
        return self._obs.copy(), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Apply `actions` (N, act_dim) for one control step; ended copies are reset according to the autoreset mode.

        Raises:
            ShapeError: not one action a copy.
            NonFiniteError: NaN in an action.
            InvalidValueError: actions that are not real numbers; or copies have ended and autoreset is disabled.
        """
        actions = checked(actions, self.action_space.shape)
        waiting, live = self._ended, ~self._ended
        if waiting.any():
            if self.autoreset_mode is AutoresetMode.DISABLED:
                advice = "running copies only; start them anew with reset(options={'reset_mask': ...})"
                raise InvalidValueError("step", f"ended copies {np.flatnonzero(waiting).tolist()}", advice)
            actions = np.where(waiting[:, None], np.float32(0), actions)
        if not live.any():
            self._start(np.arange(self.num_envs), [None] * self.num_envs)
            zeros = np.zeros(self.num_envs, np.bool_)
            return self._obs.copy(), np.zeros(self.num_envs), zeros, zeros.copy(), {}
        return self._advance(self.batch.step(actions), waiting, live)

    def render(self) -> tuple[Array, ...] | None:
        """Return an image (height, width, 3) uint8 of each copy; None without a render mode."""
        return self._pictures.frames(self.batch)

    def close_extras(self, **kwargs: Any) -> None:
        """Release the renderer and the batch."""
        self._pictures.close()
        self.batch.close()

    def _advance(self, step: Step, waiting: Array, live: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Convert one step of the batch to Gymnasium's five values; `waiting` copies are reset instead."""
        self._elapsed += 1
        self._obs = step.obs.copy()
        terminated = step.success & live & self.terminate_on_success
        truncated = (self._elapsed >= self.horizon) & live
        self._ended = terminated | truncated
        if waiting.any():
            self._start(np.flatnonzero(waiting), [None] * int(waiting.sum()))
        ended = np.flatnonzero(self._ended)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and ended.size:
            info = self._final_info(step, ended)
            self._start(ended, [None] * ended.size)
        else:
            info = _masked({"success": step.success, **step.signals}, live)
        reward = np.where(live, step.reward, 0.0).astype(np.float64)
        return self._obs.copy(), reward, terminated, truncated, info

    def _final_info(self, step: Step, ended: Array) -> dict[str, Any]:
        """Return the infos of a step in which copies `ended`, with their last ones in "final_info"."""
        values = {"success": step.success, **step.signals}
        over = np.zeros(self.num_envs, np.bool_)
        over[ended] = True
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in ended:
            final_obs[i] = step.obs[i].copy()
        final = {
            "final_obs": final_obs,
            "_final_obs": over,
            "final_info": _masked(values, over),
            "_final_info": over.copy(),
        }
        return {**final, **(_masked(values, ~over) if not over.all() else {})}

    def _start(self, ids: Array, given: Sequence[int | None]) -> None:
        """Start episodes in copies `ids`, from the seeds `given` or from the next ones drawn where that is None."""
        pairs = zip(ids, given, strict=True)
        seeds = np.array([self._streams[i].integers(SEED_BOUND) if s is None else s for i, s in pairs], np.int64)
        self._obs[ids] = self.batch.reset_at(ids, seeds)
        self._elapsed[ids] = 0
        self._ended[ids] = False

    def _given_seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        given = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else list(seed)
        if len(given) != self.num_envs:
            raise ShapeError("seed", (self.num_envs,), (len(given),))
        return given

    def _mask(self, options: dict[str, Any] | None) -> Array:
        """Return the mask of the copies to reset."""
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise InvalidValueError("options['reset_mask']", f"{mask.dtype} {mask.shape}", f"bool ({self.num_envs},)")
        return mask


def _autoreset(mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        choices = ", ".join(repr(m.value) for m in AutoresetMode)
        raise InvalidValueError("autoreset_mode", repr(mode), f"one of: {choices}") from None


def _masked(values: dict[str, Array], mask: Array) -> dict[str, Array]:
    """Return infos in Gymnasium's batched form: each value, zero outside `mask`, and the mask as "_name"."""
    info: dict[str, Array] = {}
    for name, value in values.items():
        rows = mask.reshape(-1, *[1] * (value.ndim - 1))
        info[name] = value.copy() if mask.all() else np.where(rows, value, np.zeros_like(value))
        info[f"_{name}"] = mask.copy()
    return info
