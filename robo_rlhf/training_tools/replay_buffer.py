"""The replay buffer of off-policy learners: a ring of blocks of episodes in lock step, without rewards.

A block is one episode of every copy, or the demonstrations. Its reward is computed when it is first drawn from after
the reward model changed, always over the whole block, so it is never stale, sees the steps before each step, and is
bit for bit the same after a run is resumed. N-step returns are computed from it, cached until the next change and
never stored.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.learning import take_count
from robo_rlhf.core.types import Array


class Block(NamedTuple):
    """N episodes of up to T steps."""

    features: Array  # (T+1, N, feature_dim) float32, the policy's features; the observation comes first
    action: Array  # (T, N, act_dim) float32, as applied
    active: Array  # (T, N) bool, False after the end of an episode
    goes_on: Array  # (N,) bool, whether the state after the last step has a value
    noted: Mapping[str, Array]  # name → (T, N), further inputs of the configured reward; mostly none
    full_obs: Array | None = None  # (T+1, N, obs_dim) float32, where the policy's are masked: input of rewards


class ReplayBatch(NamedTuple):
    """A batch of B transitions; `next` is up to n steps later."""

    features: Tensor  # (B, feature_dim)
    left: Tensor  # (B, 1) fraction of time left
    action: Tensor  # (B, act_dim)
    gain: Tensor  # (B,) discounted reward until `next`, in units of the value function
    next_features: Tensor  # (B, feature_dim)
    next_left: Tensor  # (B, 1)
    discount: Tensor  # (B,) weight of the value of `next`: 0 where the episode ends


class Units(NamedTuple):
    """Values are learned as (value - mean) / deviation, of the first returns."""

    mean: float = 0.0
    deviation: float = 1.0


class ReplayBuffer:
    """A ring of blocks, after the demonstrations, which are never overwritten."""

    def __init__(
        self,
        env_shape: tuple[int, int],
        sizes: tuple[int, int],
        capacity: int,
        *,
        n_step: int,
        gamma: float,
        finite: bool,
        demonstrations: Block | None = None,
    ) -> None:
        """Allocate the arrays.

        Args:
            env_shape: (T, N) of the blocks.
            sizes: (feature_dim, act_dim).
            capacity: capacity in steps, rounded down to whole blocks but at least one.
            n_step: steps until `next`.
            gamma: discount per step.
            finite: whether the learner sees the time left; else it is always 1.
            demonstrations: the demonstrations, at most T steps long.

        Raises:
            InvalidValueError: demonstrations longer than the horizon.
        """
        self.horizon, self.num_envs = env_shape
        if demonstrations is not None and len(demonstrations.action) > self.horizon:
            raise InvalidValueError(
                "demonstrations in a replay", f"{len(demonstrations.action)} steps", f"{self.horizon} or less"
            )
        self.n_step, self.gamma, self.finite = n_step, gamma, finite
        per_block = self.horizon * self.num_envs
        self.slots = max(1, capacity // per_block)
        self.units = Units()
        self.blocks: list[Block] = []
        self.cursor = 0  # the slot that the next block goes to
        self.demonstrations = demonstrations
        rows, steps = (
            _rows(demonstrations) + self.slots * (per_block + self.num_envs),
            _steps(demonstrations) + self.slots * per_block,
        )
        self._features, self._left = torch.zeros(rows, sizes[0]), torch.ones(rows, 1)
        self._action, self._gain, self._discount = torch.zeros(steps, sizes[1]), torch.zeros(steps), torch.zeros(steps)
        self._reward = torch.zeros(steps)
        self._row, self._next = torch.zeros(steps, dtype=torch.long), torch.zeros(steps, dtype=torch.long)
        self._counts = np.zeros(steps, np.bool_)
        self._stale: set[int] = set()  # slots whose reward is stale; -1: the demonstrations
        if demonstrations is not None:
            self._write(-1, demonstrations)

    def __len__(self) -> int:
        """Return the number of stored steps, without demonstrations."""
        return int(sum(block.active.sum() for block in self.blocks))

    def add(self, block: Block) -> None:
        """Add a block, in place of the oldest where the ring is full.

        Raises:
            ShapeError: not an episode of every copy.
        """
        if block.action.shape[:2] != (self.horizon, self.num_envs):
            raise ShapeError("a block of a replay", (self.horizon, self.num_envs, "act_dim"), block.action.shape)
        if len(self.blocks) < self.slots:
            self.blocks.append(block)
        else:
            self.blocks[self.cursor] = block
        self._write(self.cursor, block)
        self.cursor = (self.cursor + 1) % self.slots

    def forget_rewards(self) -> None:
        """Mark every reward as stale, because the model has changed: it is recomputed when it is next needed."""
        self._stale = set(range(len(self.blocks))) | ({-1} if self.demonstrations is not None else set())

    def label(self, reward: Callable[[Block], Array], newest: int) -> Array:
        """Compute all stale rewards; return that of the slot `newest` (T, N), computed last."""
        for slot in [*sorted(self._stale - {newest}), newest]:
            found = reward(self._block(slot))
            self._label(slot, found)
        self._stale.clear()
        return found

    def spread(self) -> float:
        """Return the deviation of the reward over all stored steps, 0 only where all are equal."""
        reward = self._reward.numpy()[self._counts]
        return float(np.ptp(reward) and reward.std())

    def draw(self, rng: np.random.Generator, count: int, batch: int, demonstration_share: float) -> Tensor:
        """Return the steps of `count` batches, (count, batch): `demonstration_share` of each from demonstrations."""
        demos = round(batch * demonstration_share) if self.demonstrations is not None else 0
        border = _steps(self.demonstrations)
        valid = np.flatnonzero(self._counts)
        split = int(np.searchsorted(valid, border))
        parts = [valid[:split][rng.integers(split, size=(count, demos))]] if demos else []
        own = valid[split:]
        parts.append(own[rng.integers(len(own), size=(count, batch - demos))])
        return torch.from_numpy(np.concatenate(parts, axis=1))

    def batch(self, steps: Tensor) -> ReplayBatch:
        """Return steps (B,) as `draw` gave them."""
        here, there = self._row[steps], self._next[steps]
        return ReplayBatch(
            self._features[here],
            self._left[here],
            self._action[steps],
            self._gain[steps],
            self._features[there],
            self._left[there],
            self._discount[steps],
        )

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the content except the demonstrations, as arrays and a JSON object."""
        arrays: dict[str, Array] = {}
        for name in ("features", "action", "active", "goes_on"):
            if self.blocks:
                arrays[name] = np.stack([getattr(block, name) for block in self.blocks])
        for name in self.blocks[0].noted if self.blocks else ():
            arrays[f"seen/{name}"] = np.stack([block.noted[name] for block in self.blocks])
        whole = [block.full_obs for block in self.blocks if block.full_obs is not None]
        if whole:
            arrays["whole"] = np.stack(whole)
        return arrays, {"cursor": self.cursor, "units": list(self.units)}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Restore what `pack` gave; the rewards are computed when they are needed.

        Raises:
            ValueError: it is of another buffer, or not finite.
        """
        self._check_packed(arrays)
        names = [name.removeprefix("seen/") for name in arrays if name.startswith("seen/")]
        self.units = Units(*map(float, meta["units"]))
        if not (np.isfinite(self.units).all() and self.units.deviation > 0):
            raise ValueError(f"units {self.units} of the replay")
        self.blocks, self.cursor = [], 0
        for i in range(len(arrays.get("action", ()))):
            features, action, active, goes_on = (arrays[k][i] for k in ("features", "action", "active", "goes_on"))
            seen = {name: arrays[f"seen/{name}"][i] for name in names}
            whole = arrays["whole"][i] if "whole" in arrays else None
            self.add(Block(features, action, active, goes_on, seen, whole))
        self.cursor = take_count(meta, "cursor", self.slots - 1)
        self.forget_rewards()

    def _check_packed(self, arrays: Mapping[str, Array]) -> None:
        blocks, steps, n = len(arrays.get("action", ())), self.horizon, self.num_envs
        if blocks > self.slots:
            raise ValueError(f"{blocks} blocks of a replay that has room for {self.slots}")
        known: dict[str, tuple[tuple[int, ...], type]] = {
            "features": ((steps + 1, n, self._features.shape[1]), np.float32),
            "action": ((steps, n, self._action.shape[1]), np.float32),
            "active": ((steps, n), np.bool_),
            "goes_on": ((n,), np.bool_),
        }
        for name, value in arrays.items():
            noted = (steps, n) if name.startswith("seen/") else (steps + 1, n, *value.shape[3:])
            shape, dtype = known.get(name, (noted, np.bool_ if value.dtype == np.bool_ else np.float32))
            if value.shape != (blocks, *shape) or value.dtype != dtype:
                expected = f"{np.dtype(dtype)} {(blocks, *shape)}"
                raise ValueError(f"{name} of the replay as {value.dtype} {value.shape} in place of {expected}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} of the replay with values that are not finite")

    def _block(self, slot: int) -> Block:
        block = self.demonstrations if slot < 0 else self.blocks[slot]
        assert block is not None
        return block

    def _places(self, slot: int, block: Block) -> tuple[slice, slice]:
        """Return the offsets of a slot's rows of features and of its steps."""
        row, step = _rows(self.demonstrations), _steps(self.demonstrations)
        if slot < 0:
            return slice(0, row), slice(0, step)
        rows, steps = _rows(block), _steps(block)
        return slice(row + slot * rows, row + (slot + 1) * rows), slice(step + slot * steps, step + (slot + 1) * steps)

    def _write(self, slot: int, block: Block) -> None:
        """Copy a block into the tables; its reward is still to be computed."""
        rows, steps = self._places(slot, block)
        count, n = block.action.shape[:2]
        time, copy = np.arange(count)[:, None], np.arange(n)
        length = block.active.sum(0)  # (N,)
        there = np.minimum(time + self.n_step, np.maximum(length, time + 1))  # (T, N) when `next` is
        ends = (there >= length) & ~block.goes_on
        discount = np.where(ends, 0.0, self.gamma ** (there - time))
        self._features[rows] = torch.from_numpy(np.ascontiguousarray(block.features)).flatten(0, 1)
        if self.finite:
            left = 1 - torch.arange(count + 1, dtype=torch.float32) / self.horizon
            self._left[rows] = left[:, None].expand(count + 1, n).reshape(-1, 1)
        self._action[steps] = torch.from_numpy(np.ascontiguousarray(block.action)).flatten(0, 1)
        self._row[steps] = torch.from_numpy((rows.start + time * n + copy).reshape(-1))
        self._next[steps] = torch.from_numpy((rows.start + there * n + copy).reshape(-1))
        self._discount[steps] = torch.from_numpy(discount.astype(np.float32).reshape(-1))
        self._counts[steps] = block.active.reshape(-1)
        self._stale.add(slot)

    def _label(self, slot: int, reward: Array) -> None:
        """Compute the n-step returns of a block from its reward (T, N)."""
        block = self._block(slot)
        _, steps = self._places(slot, block)
        self._reward[steps] = torch.from_numpy(np.ascontiguousarray(reward)).reshape(-1)
        counted = np.where(block.active, reward, 0.0).astype(np.float64)
        gain = np.zeros_like(counted)
        for k in range(min(self.n_step, len(counted))):
            gain[: len(counted) - k] += self.gamma**k * counted[k:]
        discount = self._discount[steps].numpy().reshape(gain.shape)
        mean, deviation = self.units
        scaled = (gain + (discount - 1) * mean) / deviation
        self._gain[steps] = torch.from_numpy(scaled.astype(np.float32).reshape(-1))


def units_of(rewards: Sequence[tuple[Array, Array]], gamma: float) -> Units:
    """Return the units of values whose first rewards (T, N) and active steps (T, N) are these."""
    found = []
    for reward, active in rewards:
        later, returns = np.zeros(reward.shape[1]), np.zeros(reward.shape)
        for t in reversed(range(len(reward))):
            later = returns[t] = np.where(active[t], reward[t] + gamma * later, 0.0)
        found.append(returns[active])
    values = np.concatenate(found)
    return Units(float(values.mean()), float(max(values.std(), 1e-6)) if np.ptp(values) else 1.0)


def _rows(block: Block | None) -> int:
    return 0 if block is None else block.features.shape[0] * block.features.shape[1]


def _steps(block: Block | None) -> int:
    return 0 if block is None else block.active.size
