"""The success head: the chance that people would say that the task is done in a state.

It is learned from answers to "did it succeed?" about how episodes end, beside the reward that explains preferences, and
stands in for an environment's mark of success, which no real robot gives.

A few dozen answers have to do, so the head knows what success is made of: some columns of the observation are always
about the same when a demonstration ends, or the difference of two is (the hand is where the goal is); the others are
whatever they are. Its logit falls with the distance of each of these features from there, in deviations of how
demonstrations end, on a logarithmic scale; the answers decide how much each of them counts. Each member leaves out one
part of the answers, which it is judged on.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NonFiniteError, NotFoundError, ShapeError
from robo_rlhf.core.learning import Adam, pack_module, unpack_module
from robo_rlhf.core.model_files import bounded
from robo_rlhf.core.runs import fitting, read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Array, Episode

PREFIX = "success"
MEMBERS = 5
UPDATES, LEARNING_RATE = 500, 0.03
SPARSITY = 0.01  # cost of the sum of a member's weights: columns that tell nothing get none
DIFFERENCES = 16  # most differences of two columns that are features
SHARP = 0.3  # largest share of its deviation that a difference may have at the end, for it to be a feature
SHARPER = 0.5  # and largest share of what either of its columns has left of its own there
FLIP = 0.05  # chance that an answer was given at random
SCALE_FLOOR = 0.02  # least deviation of a column at the end, as a share of its deviation over all states
ENDING = 5  # frames at the end of a clip that its answer is about
BEFORE = 0.7  # share of a demonstration's steps in which it is not done yet
LAST = 0.2  # share of an episode's steps, the last ones, in which success counts
DEMONSTRATION_WEIGHT = 0.5  # of a demonstration's end, and of what comes before, where an answer weighs 1


class SuccessExamples(NamedTuple):
    """M states, and whether the task is done in them."""

    obs: Array  # (M, obs_dim) float32
    done: Array  # (M,) float32, 1 or 0
    weight: Array  # (M,) float32
    fold: Array  # (M,) int64, the same for the states of one answer, from 0; -1: never held out

    def joined(self, other: "SuccessExamples") -> "SuccessExamples":
        """Return these states and then the others."""
        return SuccessExamples(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


class SuccessHead(nn.Module):
    """An ensemble of `MEMBERS` additive classifiers of observations."""

    basis: Tensor  # (d, F), the columns and differences of two columns that are looked at; 0 where there are fewer
    end: Tensor  # (F,), what these are when the task is done
    scale: Tensor  # (F,), their deviation there
    mean: Tensor  # (F,) of the features
    std: Tensor  # (F,) of the features

    def __init__(self, obs_dim: int, overrates: float = 0.0) -> None:
        """Start with the same small weight of every feature; `overrates`: see `verdicts`."""
        super().__init__()
        self.obs_dim, self.overrates = obs_dim, overrates
        count = obs_dim + DIFFERENCES
        self.register_buffer("basis", torch.eye(obs_dim, count))
        for name, value in (("end", 0.0), ("scale", 1.0), ("mean", 0.0), ("std", 1.0)):
            self.register_buffer(name, torch.full((count,), value))
        self.raw = nn.Parameter(torch.full((MEMBERS, count), -2.0))  # a weight is softplus of it, so never below 0
        self.bias = nn.Parameter(torch.zeros(MEMBERS))

    def features(self, obs: Tensor) -> Tensor:
        """Return log(1 + z²) of each feature (..., F), z its distance from the end in deviations."""
        return (((obs @ self.basis - self.end) / self.scale) ** 2).log1p()

    def forward(self, obs: Tensor) -> Tensor:
        """Return the logit of success (E, ...) by each member, for observations (..., d)."""
        return self.logit((self.features(obs) - self.mean) / self.std)

    def logit(self, features: Tensor) -> Tensor:
        """Return the logit of success (E, ...) by each member, for standardised features (..., F)."""
        return (self.bias - features @ softplus(self.raw).T).movedim(-1, 0)

    @torch.inference_mode()
    def chance(self, obs: Array) -> tuple[Array, Array]:
        """Return the chance (...) that people would call observations (..., d) done: mean and deviation of members.

        Raises:
            ShapeError: observations of another size.
            NonFiniteError: NaN or infinity in an observation.
        """
        if obs.shape[-1] != self.obs_dim:
            raise ShapeError("obs for a success head", (*obs.shape[:-1], self.obs_dim), obs.shape)
        found = self(torch.as_tensor(obs, dtype=torch.float32)).sigmoid()
        if not torch.isfinite(found).all():
            raise NonFiniteError("A chance of success", "prediction of a success head", "Its input holds NaN.")
        return found.mean(0).numpy(), found.std(0, correction=0).numpy()

    def sure(self, obs: Array) -> Array:
        """Return the chance (...) less the deviation of the members, at least 0: what may be imitated, and rewarded.

        Whatever is optimised finds where a head is wrong, and there its members differ.
        """
        mean, deviation = self.chance(obs)
        found: Array = np.maximum(mean - deviation, 0.0)
        return found

    def verdicts(self, ends: Array) -> Array:
        """Return the chance (M,) that people would call episodes successes by their last observations (M, d).

        Less `overrates`, by how much answers about the newest policy's episodes show that these were overrated.
        A mean of these is a share; one alone may lie outside of [0, 1].
        """
        found: Array = self.chance(ends)[0] - np.float32(self.overrates)
        return found

    @torch.inference_mode()
    def held_out_chance(self, obs: Array, fold: Array) -> Array:
        """Return the chance (M,) by the members that were not trained on the answers of `fold` (M,), obs (M, d)."""
        own = torch.from_numpy(np.asarray(fold) % MEMBERS)
        found: Array = self(torch.as_tensor(obs, dtype=torch.float32)).gather(0, own[None])[0].sigmoid().numpy()
        return found


def residuals(answers: Array, chance: Array) -> Array:
    """Return by how much answers (M,), 1 or 0, exceed chances (M,) of success; one given at random says nothing."""
    found: Array = (answers - FLIP / 2) / (1 - FLIP) - chance
    return found


def ending_examples(obs: Array, done: float, weight: float, fold: int) -> SuccessExamples:
    """Return the last states of one judged clip, whose observations after each step are (L, obs_dim)."""
    last = np.asarray(obs[-ENDING:], np.float32)
    count = len(last)
    share = np.full(count, weight / count, np.float32)
    return SuccessExamples(last, np.full(count, done, np.float32), share, np.full(count, fold))


def demonstration_examples(demonstrations: Sequence[Episode]) -> list[SuccessExamples]:
    """Return the ends of demonstrations as done, and what comes before as not done; held out from nothing."""
    found = []
    for episode in demonstrations:
        before = episode.obs[: max(1, round(BEFORE * len(episode)))]
        share = np.full(len(before), DEMONSTRATION_WEIGHT / len(before), np.float32)
        found.append(ending_examples(episode.obs, 1.0, DEMONSTRATION_WEIGHT, -1))
        found.append(SuccessExamples(before, np.zeros(len(before), np.float32), share, np.full(len(before), -1)))
    return found


def fit_success(examples: SuccessExamples) -> SuccessHead:
    """Return the head that explains the examples.

    How success looks comes from the ends of demonstrations, or where there are none from the answers that say yes.

    Raises:
        InvalidValueError: no example is done, or none is not: nothing tells the two apart.
        NonFiniteError: NaN or infinity among the observations.
    """
    if examples.done.min(initial=1.0) == examples.done.max(initial=0.0):
        given = "only episodes that succeeded" if examples.done.all() else "only episodes that failed"
        raise InvalidValueError("answers about success", given, "some of both, or demonstrations")
    if not np.isfinite(examples.obs).all():
        raise NonFiniteError("An observation", "data for a success head", "Verify the episodes it comes from.")
    done = examples.done > 0.5
    shown = done & (examples.fold < 0)
    ends, head = shown if shown.any() else done, SuccessHead(examples.obs.shape[1])
    head.basis.copy_(torch.from_numpy(_basis(examples.obs.astype(np.float64), ends)))
    seen = examples.obs.astype(np.float64) @ head.basis.double().numpy()
    ends, spread = seen[ends], seen.std(axis=0)
    head.end.copy_(torch.from_numpy(ends.mean(axis=0)))
    head.scale.copy_(torch.from_numpy(np.maximum(ends.std(axis=0), SCALE_FLOOR * spread) + 1e-6))
    obs, signs = torch.from_numpy(examples.obs), torch.from_numpy(2 * examples.done - 1)
    with torch.no_grad():
        features = head.features(obs)
        head.mean.copy_(features.mean(0))
        head.std.copy_(features.std(0, correction=0) + 1e-3)
        features = (features - head.mean) / head.std
    fold, weight = torch.from_numpy(examples.fold), torch.from_numpy(examples.weight)
    shares = torch.stack([weight * ((fold < 0) | (fold % MEMBERS != e)) for e in range(MEMBERS)])  # (E, M)
    shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-8)
    at_random = torch.tensor(np.log(FLIP / 2), dtype=torch.float32)
    optimizer = Adam(head.parameters(), LEARNING_RATE)
    for _ in range(UPDATES):
        likely = torch.logaddexp(logsigmoid(head.logit(features) * signs) + np.log1p(-FLIP), at_random)
        loss = -(likely * shares).sum() + SPARSITY * softplus(head.raw).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return head.eval()


def held_out_accuracy(head: SuccessHead, examples: SuccessExamples) -> float | None:
    """Return the share of answers that the members which did not train on them predict; None without answers."""
    asked = examples.fold >= 0
    if not asked.any():
        return None
    chance = head.held_out_chance(examples.obs[asked], examples.fold[asked])
    right = (chance > 0.5) == (examples.done[asked] > 0.5)
    return float(np.average(right, weights=examples.weight[asked]))


class WithSuccess:
    """A learned reward, and `weight` for each of the last steps of an episode that people would call done.

    Success counts at the end alone. Paid at every step it would be a reward for haste, which no one asked for; paid
    at the end it is the same for all episodes once all succeed, and what people prefer decides.
    """

    def __init__(
        self,
        reward: Callable[[Array, Array, Array], Array],
        head: SuccessHead,
        weight: float,
    ) -> None:
        """Add to `reward` the chance of which `head` is sure."""
        self.reward, self.head, self.weight = reward, head, weight

    def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
        """Return the reward (T, N) of whole episodes, for obs (T, N, obs_dim), action (T, N, act_dim) and next_obs."""
        model = getattr(self.reward, "model", None)
        sees = model is not None and model.sight is not None  # then the last column is the number of a picture
        before, after = (obs[..., :-1], next_obs[..., :-1]) if sees else (obs, next_obs)
        bonus = np.where(last_steps(before, after), self.head.sure(after), 0.0)
        total: Array = self.reward(obs, action, next_obs) + np.float32(self.weight) * bonus.astype(np.float32)
        return total

    def refresh(self) -> tuple[bool, str]:
        """Let the learned reward take up what is new, where it does: see `experience.refresh_reward`."""
        refresh = getattr(self.reward, "refresh", None)
        return refresh() if refresh is not None else (False, "")


def last_steps(obs: Array, next_obs: Array) -> Array:
    """Return (T, N) bool, the last `LAST` of the steps of each episode; one that ended before T stands still."""
    steps = len(obs)
    moves = (obs != next_obs).any(-1)  # (T, N)
    length = np.where(moves.any(0), steps - np.argmax(moves[::-1], axis=0), steps)  # (N,)
    first = length - np.maximum(1, np.round(LAST * length))
    place = np.arange(steps)[:, None]
    found: Array = (place >= first) & (place < length)
    return found


def save_success(head: SuccessHead, path: Path, task: str) -> None:
    """Write a success head atomically."""
    write_checkpoint(
        path, pack_module(PREFIX, head), {"task": task, PREFIX: {"obs_dim": head.obs_dim, "overrates": head.overrates}}
    )


def load_success(path: Path) -> SuccessHead:
    """Load the head that `save_success` wrote.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is damaged or not a checkpoint.
        CheckpointMismatchError: it holds no success head.
        NonFiniteError: a weight is NaN or infinite.
    """
    if not path.exists():
        raise NotFoundError("checkpoint", path, "Run the same command again, or give another path.")
    arrays, meta = read_checkpoint(path)
    if PREFIX not in meta:
        raise CheckpointMismatchError(path, "a success head", ", ".join(sorted(meta)) or "nothing")
    with fitting(path, f"weights for {str(meta[PREFIX])[:300]}"), bounded(sum(value.size for value in arrays.values())):
        head = SuccessHead(**meta[PREFIX])
        unpack_module(PREFIX, head, arrays)
    return head.eval()


def _basis(obs: Array, ends: Array) -> Array:
    """Return (d, F), the columns, and the differences of two that vary little at the end, `ends` (M,) of `obs` (M, d).

    Where a hand ends at a goal that is elsewhere each time, neither position tells success, and their difference does.
    """
    columns = obs.shape[1]
    first, second = np.triu_indices(columns, 1)
    left = _left(obs, ends)  # (d,)
    between = _left(obs[:, first] - obs[:, second], ends)  # (P,)
    sharp = (between <= SHARP) & (between <= SHARPER * np.minimum(left[first], left[second]))
    chosen = np.argsort(np.where(sharp, between, np.inf), kind="stable")[: min(DIFFERENCES, int(sharp.sum()))]
    basis = np.eye(columns, columns + DIFFERENCES)
    for place, pair in enumerate(chosen, start=columns):
        basis[first[pair], place], basis[second[pair], place] = 1.0, -1.0
    return basis


def _left(values: Array, ends: Array) -> Array:
    """Return what share of the deviation of values (M, k) is left at the end; 1 for a constant."""
    whole = values.std(axis=0)
    share: Array = np.where(whole > 1e-6, values[ends].std(axis=0) / np.maximum(whole, 1e-6), 1.0)
    return share
