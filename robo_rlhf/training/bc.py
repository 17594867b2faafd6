"""Behaviour cloning: imitate demonstrations with a policy of any kind."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from robo_rlhf.core.errors import NonFiniteError
from robo_rlhf.core.learning import (
    AdamW,
    Average,
    pack_generator,
    pack_module,
    pack_optimizer,
    seeded,
    take,
    take_count,
    unpack_generator,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import (
    Run,
    fitting,
)
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.training_arrays.examples import StepWeights, check_alike, chunk_examples
from robo_rlhf.data.training_arrays.observation_spread import hidden_spread, widened
from robo_rlhf.policies.base import Chunks, TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.sim.envs.conditioned_env import as_sent
from robo_rlhf.training_tools.settings import (
    BCSettings,
)
from robo_rlhf.vision.frame_cache import TrainingPictures

Progress = Callable[[int, int, Mapping[str, float]], None]  # updates done, total, newest metrics
Score = Callable[[TrainedPolicy], float]  # score of a policy, larger is better: success in rollouts


Config = BCSettings


def train(
    config: Config,
    run: Run,
    episodes: Sequence[Episode],
    *,
    score: Score | None = None,
    progress: Progress | None = None,
    weighting: StepWeights | None = None,
    starts: Array | None = None,
    meta: Mapping[str, Any] | None = None,
    start: TrainedPolicy | None = None,
    pictures: TrainingPictures | None = None,
) -> TrainedPolicy:
    """Clone `episodes` into a policy, saved as the run's checkpoint "policy"; resume where a killed run stopped.

    Args:
        config: the settings.
        run: the folder of the run.
        episodes: the demonstrations.
        score: scores snapshots, where `config` asks for several; the best one is kept.
        progress: called after every gradient step.
        weighting: weights of steps, such as those in which an operator corrected a policy.
        starts: (S, obs_dim), initial observations: scales of columns that hardly vary in `episodes`.
        meta: further content of the checkpoint, a JSON object.
        start: a policy of the same kind and settings to continue from, with its scales, instead of random weights.
        pictures: of all frames of `episodes`, for a policy with cameras.

    Raises:
        InvalidValueError: the episodes hold nothing to learn from, or are of different tasks.
        UnknownNameError: no such kind of policy.
        NonFiniteError: the loss is not finite; the previous checkpoint is kept.
    """
    path = run.checkpoint_path("policy")
    if run.result() is not None:
        return load_policy(path)
    learner = BCLearner(config, episodes, weighting, starts, start, pictures)
    stored = run.load("training")
    if stored is not None:
        with fitting(run.checkpoint_path("training"), f"where learning a {config.policy} policy stopped"):
            learner.unpack(*stored)
    run.rewind_metrics(learner.done)
    while learner.done < config.updates:
        metrics = learner.advance(score)
        if learner.done % config.log_every == 0 or "score" in metrics:
            run.log(learner.done, metrics)
        if learner.done % config.save_every == 0:
            run.save("training", *learner.pack())
        if progress is not None:
            progress(learner.done, config.updates, metrics)
    policy = learner.finish()
    known = {"task": episodes[0].meta.task, "algorithm": "bc", "demonstrations": len(episodes)}
    save_policy(policy, path, {**known, **(meta or {})})
    run.finish({"updates": learner.done, "examples": learner.count, "loss": learner.loss, "score": learner.best_score})
    return policy


def fit(
    config: Config,
    episodes: Sequence[Episode],
    *,
    score: Score | None = None,
    progress: Progress | None = None,
    weighting: StepWeights | None = None,
    starts: Array | None = None,
) -> TrainedPolicy:
    """Clone `episodes` as `train` does, in memory alone."""
    learner = BCLearner(config, episodes, weighting, starts)
    while learner.done < config.updates:
        metrics = learner.advance(score)
        if progress is not None:
            progress(learner.done, config.updates, metrics)
    return learner.finish()


class BCLearner:
    """A policy in training: its optimiser, averaged weights, source of randomness, and the best snapshot so far."""

    def __init__(
        self,
        config: Config,
        episodes: Sequence[Episode],
        weighting: StepWeights | None = None,
        starts: Array | None = None,
        start: TrainedPolicy | None = None,
        pictures: TrainingPictures | None = None,
    ) -> None:
        """Build the policy, with weights drawn from the seed or those of `start`, and the training arrays."""
        episodes = [as_sent(episode) for episode in episodes]  # what arrives of it is the environment's business
        obs_dim, act_dim = check_alike(episodes, seen=pictures is not None)
        self.config = config
        with seeded(config.seed):
            self.policy = new_policy(config.policy, obs_dim, act_dim, config.settings)
        shown = np.concatenate([e.obs[:-1] for e in episodes])
        spread = np.zeros(obs_dim, np.float32) if starts is None else hidden_spread(shown, starts)
        self.policy.fit_normalizer(
            torch.from_numpy(widened(shown, spread)),
            torch.from_numpy(np.concatenate([e.action for e in episodes])),
        )
        if start is not None:
            self.policy.load_state_dict(start.state_dict())
        self.pictures = pictures
        self.data, self.frame, self.noise = _tensors(self.policy, config, episodes, weighting, spread)
        self.count = len(self.data.obs)  # examples
        self.generator = torch.Generator().manual_seed(config.seed)
        self.parameters = [p for p in self.policy.parameters() if p.requires_grad]
        self.optimizer = AdamW(self.parameters, weight_decay=config.weight_decay, fused=True)
        self.average = Average(self.parameters, config.average)
        self.precision = _precision(config)
        self.done = 0  # updates
        self.loss = 0.0  # running mean
        self.best: dict[str, Array] = {}
        self.best_score: float | None = None

    def advance(self, score: Score | None = None) -> dict[str, float]:
        """Take one gradient step, score a snapshot where one is due, and return metrics."""
        metrics = {"learning_rate": self.rate(), "loss": self.update()}
        if score is not None and self.done in _snapshots(self.config):
            metrics["score"] = self.consider(score)
        return metrics

    def rate(self) -> float:
        """Return the learning rate of the next update."""
        config, k = self.config, self.done
        cosine = 0.5 * (1 + math.cos(math.pi * k / config.updates))
        return config.learning_rate * cosine * min(1.0, (k + 1) / max(config.warmup, 1))

    def update(self) -> float:
        """Take one gradient step and return the running mean of the loss.

        Raises:
            NonFiniteError: the loss is not finite; the weights are as before.
        """
        self.optimizer.param_groups[0]["lr"] = self.rate()
        batch = self.sample()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            loss = self.policy.loss(batch, self.generator)
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteError(
                "The imitation loss",
                f"update {self.done + 1}",
                "The last checkpoint is kept; check the demonstrations for extreme values, or lower the learning rate.",
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        self.average.update(self.done)
        self.done += 1
        self.loss += (value - self.loss) * max(0.01, 1 / self.done)
        return self.loss

    def sample(self) -> Chunks:
        """Draw a batch of examples, with noise on the observations."""
        index = torch.randint(self.count, (self.config.batch,), generator=self.generator)
        obs, action, mask, weight = (field.index_select(0, index) for field in self.data[:4])
        if self.config.obs_noise:
            least = self.config.obs_noise_least
            reach = (
                self.noise
                if least >= 1
                else (self.config.obs_noise * obs.abs() + least * self.noise).minimum(self.noise)
            )
            obs = obs + reach * torch.randn(obs.shape, generator=self.generator)
        seen = {} if self.pictures is None else self.pictures.take(self.frame[index.numpy()])
        return Chunks(obs, action, mask, weight, {name: torch.from_numpy(shown) for name, shown in seen.items()})

    def consider(self, score: Score) -> float:
        """Score the averaged weights, keep them if none before was better, and return the score."""
        self.average.swap()
        value = score(self.policy.eval())
        if self.best_score is None or value >= self.best_score:
            self.best, self.best_score = pack_module("best", self.policy), value
        self.average.swap()
        self.policy.train()
        return value

    def finish(self) -> TrainedPolicy:
        """Return the policy with the best snapshot's weights, or the averaged ones where none was scored."""
        if self.best:
            unpack_module("best", self.policy, self.best)
        else:
            self.average.swap()
        self.policy.seed(0)
        return self.policy.eval()

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return everything that later updates depend on, as arrays and a JSON object."""
        arrays = {
            **pack_module("policy", self.policy),
            **self.average.pack("average"),
            **pack_optimizer("optimizer", self.optimizer),
            **self.best,
            "generator": pack_generator(self.generator),
        }
        return arrays, {"done": self.done, "loss": self.loss, "best_score": self.best_score}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        if take("best", arrays):
            unpack_module("best", self.policy, arrays)  # checks that it fits; the current weights replace it
        unpack_module("policy", self.policy, arrays)
        self.average.unpack("average", arrays)
        unpack_optimizer("optimizer", self.optimizer, arrays)
        unpack_generator(self.generator, arrays["generator"])
        self.best = {f"best/{name}": value for name, value in take("best", arrays).items()}
        self.done, self.loss, best = take_count(meta, "done"), float(meta["loss"]), meta["best_score"]
        self.best_score = None if best is None else float(best)


def _tensors(
    policy: TrainedPolicy, config: Config, episodes: Sequence[Episode], weighting: StepWeights | None, spread: Array
) -> tuple[Chunks, Array, torch.Tensor]:
    """Return all examples, their frames (M, history), and the deviation of each column's noise (history * obs_dim,)."""
    examples = chunk_examples(
        episodes,
        policy.chunk,
        policy.history,
        idle=config.idle,
        idle_keep=config.idle_keep,
        correction_weight=config.correction_weight,
        weighting=weighting,
    )
    noise = config.obs_noise * np.maximum(examples.obs.std(axis=0), np.tile(spread, policy.history))
    obs, action, mask, weight = (torch.from_numpy(np.ascontiguousarray(value)) for value in examples[:4])
    return Chunks(obs, action, mask, weight), examples.frame, torch.from_numpy(noise)


def _snapshots(config: Config) -> set[int]:
    """Return the updates after which a snapshot is scored: none where there is nothing to choose from."""
    if config.select_every:
        return {*range(config.select_every, config.updates, config.select_every), config.updates}
    if config.candidates < 2:
        return set()
    half = config.updates / 2
    return {config.updates - round(half * k / config.candidates) for k in range(config.candidates)}


def _precision(config: Config) -> str:
    if config.precision != "auto":
        return config.precision
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"
