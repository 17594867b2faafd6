"""Drift: how far what a policy meets in use is from what it was trained on, with levels learned on held-out episodes.

Each episode becomes a few numbers of four families, each a mean over its steps:

    values        of each column of the observations: its z-score, and the square of that
    changes       of each column: the error of a prediction of its next step [deviations], the square of that, and the
                  share by which it changes more than predicted, which large changes decide
    features      of the policy: how far its last hidden layer, or what its encoders make of pictures, is from training
                  (Mahalanobis, of principal components)
    disagreement  of an ensemble, or of the samples of a policy that samples

The training episodes are parted: the prediction is fitted on one half; with the other, held out, episodes in use are
compared by ranks (Mann and Whitney 1947), so that a rare outlier counts as one. The level of a family is what sets of
held-out episodes, compared with the rest of them, stay below but for 1 in 100.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.policies.base import TrainedPolicy, mlp
from robo_rlhf.sim.envs.partial_observation import ObservationMask

FORMAT = 3
FAMILIES = ("values", "changes", "features", "disagreement")
WINDOW, FIRST = 20, 5  # episodes that are compared at once: the newest, and at least
LEAST = 20  # episodes that a reference must have
SPLITS, FALSE_ALARMS = 400, 0.01  # of held-out episodes; share of their sets above the level of a family
WIDTH, UPDATES, BATCH = 64, 1500, 256  # of the prediction
CLIP_Z, CLIP_ERROR, COMPONENTS = 4.0, 5.0, 16
SAMPLES, EVERY = 4, 4  # of a policy that samples; steps of which the policy is asked about one
STD_FLOOR = 1e-3  # as of `Normalizer`
UNUSUAL = 0.999  # quantile of held-out steps against which a moment is held


Pictures = Callable[[Episode], Mapping[str, Array]]  # camera → (n, H, W, 3) uint8, of every `EVERY`-th frame


class Watched(NamedTuple):
    """One episode as the monitor sees it."""

    numbers: Mapping[str, Array]  # family → (k,), see above
    steps: Mapping[str, Array]  # family → (T,), how unusual each step is, before it is scaled
    columns: Array  # (T,), the column whose change is most unusual


class Found(NamedTuple):
    """What a set of episodes shows of one family."""

    family: str
    value: float  # the largest deviation of its numbers [deviations of a mean of ranks]
    level: float  # from which on it is an alarm
    name: str  # of the number that deviates most: a column, or the family

    @property
    def alarm(self) -> bool:
        """Whether it is over its level."""
        return self.value > self.level


class ObservedPolicy:
    """A policy, or several trained alike: what they would do at each step of an episode, and their features."""

    def __init__(
        self,
        policies: Sequence[TrainedPolicy],
        obs_names: Sequence[str],
        delay: int | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """Watch `policies`, the first of which is in use.

        Args:
            policies: trained alike.
            obs_names: of the columns.
            delay: that of their observation mask.
            pictures: returns what a policy with cameras saw; its features are not watched where None.
        """
        self.policies, self.pictures = policies, pictures
        self.mask = None if delay is None else ObservationMask(list(obs_names), delay)
        parts = policies[0].parts()
        noisy, self.sees = any(part.noise for part in parts), any(part.pictures for part in parts)
        alone = f"{SAMPLES} samples" if noisy and not self.sees else "none"
        self.kind = f"ensemble of {len(policies)}" if len(policies) > 1 and not self.sees else alone

    def look(self, episode: Episode) -> tuple[Array | None, Array | None]:
        """Return features (T+1, k) at the frames of an episode, and the disagreement (T+1,) about each action, if any.

        The policy is asked about every `EVERY`-th frame; those up to the next have what it gives there. Of one with
        cameras the features are those of its encoders, and no disagreement is known.
        """
        step = np.arange(len(episode.obs)) // EVERY
        if self.sees:
            return (None if self.pictures is None else self._encoded(self.pictures(episode))[step]), None
        obs = self._seen(episode.obs)
        with torch.inference_mode():
            actions, features = self._act(self.policies[0], obs, 0)
            if self.kind == "none":
                return features[step], None
            if len(self.policies) > 1:
                several = [actions, *(self._act(policy, obs, 0)[0] for policy in self.policies[1:])]
            else:
                several = [actions, *(self._act(self.policies[0], obs, k)[0] for k in range(1, SAMPLES))]
        return features[step], np.stack(several).std(0).mean(-1)[step]

    def _encoded(self, pictures: Mapping[str, Array]) -> Array:
        part = self.policies[0].parts()[0]
        with torch.inference_mode():
            features: Array = part.function(*(torch.from_numpy(pictures[name]) for name in part.pictures)).numpy()
        return features

    def _seen(self, obs: Array) -> Array:
        if self.mask is None:
            return obs
        late = np.concatenate([np.repeat(obs[:1], self.mask.delay, axis=0), obs])[: len(obs)]
        seen: Array = self.mask.apply(obs, late)
        return seen

    def _act(self, policy: TrainedPolicy, obs: Array, draw: int) -> tuple[Array, Array]:
        """Return a policy's actions (n, act_dim) at every `EVERY`-th step, and its features (n, k)."""
        rows, generator = torch.from_numpy(np.ascontiguousarray(obs, np.float32)), torch.Generator().manual_seed(draw)
        count = len(rows[::EVERY])
        kept: list[Tensor] = []
        hooks = [m.register_forward_pre_hook(_keeper(kept)) for m in policy.modules() if isinstance(m, nn.Linear)]
        action: Tensor | None = None
        features: Tensor | None = None
        try:
            for part in policy.parts():
                inputs = []
                for name, columns in part.inputs.items():
                    if name == "obs":
                        inputs.append(_stacked(rows, part.history)[::EVERY])
                    elif name == "noise":
                        noise = torch.empty(count, columns)
                        inputs.append(
                            noise.normal_(generator=generator)
                            if part.noise == "normal"
                            else noise.exponential_(generator=generator)
                        )
                    else:
                        assert action is not None
                        inputs.append(action)
                found = part.function(*inputs)
                action = found[:, 0] if part.chunk else found
                features = kept[-1] if features is None else features
        finally:
            for hook in hooks:
                hook.remove()
        assert action is not None
        assert features is not None
        return action.numpy(), features.reshape(count, -1, features.shape[-1]).mean(1).numpy()


def _keeper(kept: list[Tensor]) -> Any:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kept[:] = [inputs[0].detach()]

    return keep


def _stacked(rows: Tensor, history: int) -> Tensor:
    """Return (T, history * obs_dim): each observation with those before it, the first repeated."""
    first = rows[:1].expand(history - 1, -1)
    whole = torch.cat([first, rows])
    return torch.cat([whole[k : k + len(rows)] for k in range(history)], dim=-1)


class Prediction(nn.Module):
    """The next change of every column, as a normal distribution: from observation, its last change, and the actions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Begin with random weights."""
        super().__init__()
        self.net = mlp([inputs, WIDTH, WIDTH, 2 * outputs], nn.SiLU)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the deviation (B, outputs) for inputs (B, inputs)."""
        mean, log_std = self.net(x).chunk(2, dim=-1)
        return mean, log_std.clamp(-5.0, 1.5)


class Drift:
    """The reference of one policy: what is usual, and levels."""

    def __init__(self, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
        """Use what `fit` made, or a file holds."""
        self.arrays, self.meta = arrays, meta
        self.obs_names: list[str] = meta["obs_names"]
        self.levels: dict[str, float] = meta["levels"]
        self.steps: dict[str, float] = meta["steps"]  # family → what a step of it seldom exceeds
        self.held_out = {family: arrays[f"held_out/{family}"] for family in meta["levels"]}  # (M, k)
        weights = {name.removeprefix("net/"): torch.from_numpy(a) for name, a in arrays.items() if name[:4] == "net/"}
        self.net = Prediction(len(arrays["input_mean"]), len(self.obs_names))
        self.net.load_state_dict(weights)

    @classmethod
    def fit(cls, observed: ObservedPolicy, episodes: Sequence[Episode], obs_names: Sequence[str]) -> "Drift":
        """Learn from training episodes, half of which are held out.

        Raises:
            InvalidValueError: there are fewer than `LEAST`.
        """
        if len(episodes) < LEAST:
            raise InvalidValueError("episodes to compare with", len(episodes), f"at least {LEAST}")
        order = np.random.default_rng(0).permutation(len(episodes))
        fitted = [episodes[k] for k in order[: len(order) // 2]]
        held_out = [episodes[k] for k in order[len(order) // 2 :]]
        obs = np.concatenate([e.obs for e in fitted]).astype(np.float64)
        arrays = {"mean": obs.mean(0), "std": obs.std(0).clip(STD_FLOOR)}
        pairs = [_changes(e, arrays) for e in fitted]
        x, y = np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
        arrays |= {
            "input_mean": x.mean(0),
            "input_std": x.std(0).clip(STD_FLOOR),
            "output_std": y.std(0).clip(STD_FLOOR),
        }
        net = _fitted(_scaled(x, arrays), y / arrays["output_std"])
        arrays |= {f"net/{name}": value.numpy() for name, value in net.state_dict().items()}
        looks = [features for e in fitted if (features := observed.look(e)[0]) is not None]
        if looks:
            features = np.concatenate(looks).astype(np.float64)
            arrays["feature_mean"] = features.mean(0)
            _, sizes, axes = np.linalg.svd(features - features.mean(0), full_matrices=False)
            kept = min(COMPONENTS, len(sizes))
            arrays["feature_axes"] = axes[:kept].T / (sizes[:kept] / np.sqrt(len(features))).clip(STD_FLOOR)
        empty: dict[str, Any] = {"obs_names": list(obs_names), "levels": {}, "steps": {}, "disagreement": observed.kind}
        made = cls(arrays, empty)
        seen = [made.watch(e, observed) for e in held_out]
        for family in seen[0].numbers:
            rows = np.stack([one.numbers[family] for one in seen])
            arrays[f"held_out/{family}"] = rows
            empty["levels"][family] = _level(rows)
            empty["steps"][family] = float(np.quantile(np.concatenate([one.steps[family] for one in seen]), UNUSUAL))
        return cls(arrays, empty)

    def watch(self, episode: Episode, observed: ObservedPolicy) -> Watched:
        """Return what an episode shows."""
        z = ((episode.obs - self.arrays["mean"]) / self.arrays["std"]).clip(-CLIP_Z, CLIP_Z)
        x, y = _changes(episode, self.arrays)
        with torch.inference_mode():
            mean, log_std = self.net(torch.from_numpy(_scaled(x, self.arrays)))
        predicted = mean.numpy()
        missed = y / self.arrays["output_std"] - predicted
        error = missed * np.exp(-log_std.numpy())
        clipped = error.clip(-CLIP_ERROR, CLIP_ERROR)
        gain = (missed * predicted).sum(0) / ((predicted**2).sum(0) + 1e-6)
        features, disagreement = observed.look(episode)
        numbers = {
            "values": np.concatenate([z.mean(0), (z**2).mean(0)]),
            "changes": np.concatenate([clipped.mean(0), (clipped**2).mean(0), gain]),
        }
        steps = {
            "values": np.abs((episode.obs - self.arrays["mean"]) / self.arrays["std"]).max(-1)[1:],
            "changes": np.abs(error).max(-1),
        }
        if features is not None:
            parts = (features - self.arrays["feature_mean"]) @ self.arrays["feature_axes"]
            far = np.sqrt((parts**2).mean(-1))  # (T+1,)
            numbers["features"], steps["features"] = np.array([far.mean(), far.max()]), far[1:]
        if disagreement is not None:
            numbers["disagreement"] = np.array([disagreement.mean()])
            steps["disagreement"] = disagreement[1:]
        return Watched(numbers, steps, np.abs(error).argmax(-1))

    def compare(self, seen: Sequence[Watched]) -> list[Found]:
        """Return what the newest episodes, at most `WINDOW`, show of each family; nothing of fewer than `FIRST`."""
        newest = seen[-WINDOW:]
        if len(newest) < FIRST:
            return []
        found = []
        for family, level in self.levels.items():
            rows = np.stack([one.numbers[family] for one in newest])
            deviations = _deviations(self.held_out[family], rows)[-1]
            worst = int(deviations.argmax())
            both = family in ("values", "changes")
            name = self.obs_names[worst % len(self.obs_names)] if both else ("mean", "largest")[worst % 2]
            found.append(Found(family, float(deviations[worst]), level, name))
        return found

    def unusual(self, seen: Watched) -> Array:
        """Return how unusual each step (T,) is: from 1 on, more than 999 of 1000 held-out ones in some family."""
        scaled = [seen.steps[family] / max(self.steps[family], 1e-9) for family in self.levels]
        worst: Array = np.max(scaled, axis=0)
        return worst

    def save(self, path: Path) -> None:
        """Write it."""
        write_checkpoint(path, self.arrays, {"drift": FORMAT, **self.meta})

    @classmethod
    def load(cls, path: Path) -> "Drift | None":
        """Read it; None where there is none of this version, or it is damaged: it can be made again."""
        try:
            arrays, meta = read_checkpoint(path)
            return cls(arrays, meta) if meta.get("drift") == FORMAT else None
        except (OSError, CorruptFileError, KeyError, RuntimeError):
            return None


def key_of(*parts: object) -> str:
    """Return a digest that names a reference: of its policies, its episodes, and this version."""
    return hashlib.sha256(repr((FORMAT, *parts)).encode()).hexdigest()[:24]


def _changes(episode: Episode, scale: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return what the changes of an episode are predicted from (T, inputs), and those changes (T, obs_dim)."""
    z = (episode.obs - scale["mean"]) / scale["std"]
    before = np.concatenate([np.zeros_like(z[:1]), np.diff(z[:-1], axis=0)])
    acted = np.concatenate([np.zeros_like(episode.action[:1]), episode.action[:-1]])
    return np.concatenate([z[:-1], before, episode.action, acted], axis=1), np.diff(z, axis=0)


def _scaled(x: Array, scale: Mapping[str, Array]) -> Array:
    scaled: Array = ((x - scale["input_mean"]) / scale["input_std"]).clip(-CLIP_ERROR, CLIP_ERROR).astype(np.float32)
    return scaled


def _fitted(x: Array, y: Array) -> Prediction:
    """Return the prediction of y (M, outputs) from x (M, inputs).

    Its likelihood is weighted by the predicted deviation (Seitzer et al. 2022, beta 0.5): else rare large changes, as
    of a gripper that closes, are explained by large deviations, and their means are not learned.
    """
    inputs, outputs = torch.from_numpy(x), torch.from_numpy(y.astype(np.float32))
    generator = torch.Generator().manual_seed(0)
    with seeded(0):
        net = Prediction(x.shape[1], y.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    for _ in range(UPDATES):
        rows = torch.randint(len(inputs), (BATCH,), generator=generator)
        mean, log_std = net(inputs[rows])
        error = ((outputs[rows] - mean) * torch.exp(-log_std)).clamp(-20.0, 20.0)
        loss = ((error.square() / 2 + log_std) * log_std.detach().exp()).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def _deviations(usual: Array, rows: Array) -> Array:
    """Return how far the means of the first 1 to n of `rows` (n, k) are from `usual` (M, k), by ranks: (n, k)."""
    count = len(usual)
    below = (rows[:, None] > usual[None]).mean(1) + (rows[:, None] == usual[None]).mean(1) / 2  # (n, k)
    scores = np.sqrt(12.0) * (below - 0.5)
    n = np.arange(1, len(rows) + 1)[:, None]
    deviations: Array = np.abs(scores.cumsum(0) / n) / np.sqrt(1 / n + 1 / count)
    return deviations


def _level(rows: Array) -> float:
    """Return what the deviation of a set of held-out episodes (M, k) stays below, looked at after each of them."""
    rng, half = np.random.default_rng(1), len(rows) // 2
    worst = []
    for _ in range(SPLITS):
        order = rng.permutation(len(rows))
        usual, rest = rows[order[:half]], rows[order[half:]]
        new = rest[:WINDOW] if len(rest) >= WINDOW else rest[rng.integers(len(rest), size=WINDOW)]
        worst.append(_deviations(usual, new)[FIRST - 1 :].max())
    return float(np.quantile(worst, 1 - FALSE_ALARMS))
