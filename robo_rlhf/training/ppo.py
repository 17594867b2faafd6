"""PPO: fine-tune a Gaussian policy on a learned reward, held near the policy that it started from.

Schulman et al. 2017 with the clipped objective and generalised advantages, over a batch of environments with a fixed
horizon, and with an analytic KL term to the cloned policy. One iteration is one whole episode of every copy, so no
state of an environment outlives an iteration; all randomness of iteration i is drawn from (seed, i), so no state of a
generator does either. Task reward and success are never read here, unless the configured reward names them: `Step` is
passed whole to the caller's diagnostics, and nothing is returned from there.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.learning import (
    Flat,
    pack_module,
    pack_optimizer,
    seeded,
    take_count,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.policies.base import GaussianActor, Normalizer, mlp
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.training_tools.action_preferences import ActionPreferences
from robo_rlhf.training_tools.experience import KEPT, Begin, EpisodeBatch, Reward, collect
from robo_rlhf.training_tools.reward_watch import RewardWatch, watch_for
from robo_rlhf.training_tools.rl_loop import Diagnostics, Progress, Stored, check_fit, resume, rl_loop
from robo_rlhf.training_tools.settings import PPOSettings
from robo_rlhf.training_tools.shaping import RewardObjective
from robo_rlhf.training_tools.viewers import Viewers

OnIteration = Callable[[int, GaussianActor, Mapping[str, float]], object]  # a true return value ends the training


Config = PPOSettings


def train(
    config: Config,
    run: Run,
    env: VecEnv,
    actor: GaussianActor,
    reward: Reward,
    *,
    carry: Stored | None = None,
    progress: Progress | None = None,
    on_iteration: OnIteration | None = None,
    diagnostics: Diagnostics | None = None,
    live: Viewers | None = None,
    choices: ActionPreferences | None = None,
    begin: Begin | None = None,
) -> GaussianActor:
    """Fine-tune `actor` in place, save it as the run's checkpoint "policy"; resume where a killed run stopped.

    Args:
        config: the settings.
        run: the run folder; its checkpoint "training" holds the whole state of training.
        env: `config.num_envs` copies of the task.
        actor: the initial policy, which is also the anchor.
        reward: the reward to maximise, called once per iteration with the actions as applied; where it has `refresh`,
            that is called before each iteration, to see whether it has changed.
        carry: the checkpoint "training" of the round before, which had another reward: policy, anchor, value
            function and optimisers continue from it.
        progress: called after every iteration.
        on_iteration: the same, with the policy; a true return value ends the training early.
        diagnostics: called with every whole step, including task reward and success.
        live: viewers, for a reward with the term `live`.
        choices: of what the policy might have done, a loss beside that of the reward: see `config.choice_weight`.
        begin: starts the episodes that are practised, where that is more than a reset.

    Raises:
        ShapeError: policy or reward do not fit the environment.
        InvalidValueError: the environment has another number of copies, or cannot give what the reward needs; or
            encoders are to learn that the policy does not have.
        CheckpointMismatchError: the run's checkpoint, or `carry`, is of another policy.
        NonFiniteError: NaN or infinity from policy, environment, reward or loss; the previous checkpoint is kept.
    """
    check_fit(config, env, actor)
    learner = PPOLearner(config, actor, choices)
    shaping = RewardObjective(RewardSum(config.objective), env, config.gamma, ends=config.finite, live=live)
    watch = watch_for(reward, env)
    resume(run, learner, carry)

    def iterate(changed: bool) -> dict[str, float]:
        shaping.refreshed()
        return learner.iterate(env, reward, diagnostics, shaping, watch, begin)

    rl_loop(config, run, env, learner, reward, iterate, progress, on_iteration)
    return actor


class PPOBatch(NamedTuple):
    """The training batch of one iteration: the B active steps."""

    features: Tensor  # (B, feature_dim)
    action: Tensor  # (B, act_dim), before clipping
    log_prob: Tensor  # (B,) under the policy that acted
    advantage: Tensor  # (B,) mean 0, deviation 1
    anchor_mean: Tensor  # (B, act_dim)
    anchor_std: Tensor  # (B, act_dim)
    inputs: Tensor  # (B, obs_dim + 1), see `StateCritic`
    target: Tensor  # (B,) targets of the value function

    def shuffled(self, rng: np.random.Generator, size: int) -> Iterator["PPOBatch"]:
        """Yield minibatches of about `size` steps, each step once."""
        order = torch.from_numpy(rng.permutation(len(self.target)))
        parts = max(1, round(len(order) / size))
        for columns in zip(*(column[order].tensor_split(parts) for column in self), strict=True):
            yield PPOBatch(*columns)


class PPOLearner:
    """Policy, anchor, value function and their optimisers."""

    def __init__(self, config: Config, actor: GaussianActor, choices: ActionPreferences | None = None) -> None:
        """Start from `actor`, and from its actions that people chose among.

        Raises:
            InvalidValueError: its encoders are to learn, and it has none of its own.
        """
        self.config, self.actor, self.choices = config, actor, choices
        eyes = actor.eyes if isinstance(actor, ResidualPolicy) else None
        if eyes is not None:
            eyes.requires_grad_(config.learn_encoder)
        elif config.learn_encoder:
            given = f"a policy of kind {actor.kind} without encoders of its own"
            raise InvalidValueError("learn_encoder", given, "the correction of a policy that was cloned with --cameras")
        if config.std:
            with torch.no_grad():
                actor.log_std.fill_(math.log(config.std))
        self.anchor = copy.deepcopy(actor).requires_grad_(False)
        if choices is not None:
            choices.begin(self.anchor)
        self.anchor_weight = config.anchor
        with seeded(config.seed):
            self.critic = StateCritic(actor.obs_dim, config.critic_width, config.critic_layers)
        self.actor_step = Flat(actor, config.actor_lr)
        self.critic_step = Flat(self.critic, config.critic_lr)
        self.done = 0  # iterations
        self.ended = False

    def iterate(
        self,
        env: VecEnv,
        reward: Reward,
        diagnostics: Diagnostics | None,
        shaping: RewardObjective,
        watch: RewardWatch | None = None,
        begin: Begin | None = None,
    ) -> dict[str, float]:
        """Run one episode of every copy, learn from it, and return the metrics."""
        where = f"iteration {self.done + 1} of ppo on {env.name}"
        rng = np.random.default_rng([self.config.seed, self.done])
        see = None if diagnostics is None else functools.partial(diagnostics, self.done + 1)
        seen, here = shaping.recording(see), shaping.looks_at_env or self.config.learn_encoder  # pictures stay here
        episodes = collect(env, self.actor, self.actor.draw, rng, where, seen, watch, here=here, begin=begin)
        value, terms = shaping.value(episodes, reward, where)
        batch, metrics = self.prepare(episodes, value)
        metrics |= terms | self.improve(batch, rng)
        if not (self.actor_step.finite() and self.critic_step.finite()):
            raise NonFiniteError("A weight after the update", where, KEPT)
        self.adapt_anchor(metrics["anchor_kl"])
        self.done += 1
        self.ended = self.done >= self.config.iterations
        return metrics

    @torch.no_grad()
    def prepare(self, episodes: EpisodeBatch, reward: Array) -> tuple[PPOBatch, dict[str, float]]:
        """Return the training batch for rewards (T, N), and the metrics of the policy that acted."""
        active = episodes.active
        inputs, advantage, target = self.estimate(episodes, reward)
        counts = torch.from_numpy(active)
        features, action = episodes.features[:-1][counts], torch.from_numpy(episodes.sampled)[counts]
        acting, anchor = self.actor.distribution(features), self.anchor.distribution(features)
        batch = PPOBatch(
            features=features,
            action=action,
            log_prob=log_prob(acting, action),
            advantage=torch.from_numpy(standardised(advantage[active], reward[active])),
            anchor_mean=anchor.mean,
            anchor_std=anchor.stddev,
            inputs=inputs[counts],
            target=self.critic.units(torch.from_numpy(target[active])),
        )
        return batch, {
            "reward": float(reward[active].mean()),
            "reward_std": float(np.ptp(reward[active]) and reward[active].std()),
            "anchor_kl": float(divergence(acting, anchor.mean, anchor.stddev).mean()),
            "anchor_weight": self.anchor_weight,
            "entropy": float(entropy(acting).mean()),
            "std": float(acting.stddev.mean()),
            "explained_variance": 1 - float(np.var(advantage[active])) / max(float(np.var(target[active])), 1e-12),
        }

    def estimate(self, episodes: EpisodeBatch, reward: Array) -> tuple[Tensor, Array, Array]:
        """Return the inputs of the value function (T, N, obs_dim + 1), advantages (T, N) and returns (T, N)."""
        config, obs, active = self.config, torch.from_numpy(episodes.obs), episodes.active
        if self.done == 0:
            returns = advantages(reward, np.zeros((len(obs), active.shape[1])), active, config.gamma, 1.0)
            self.critic.calibrate(obs[:-1][torch.from_numpy(active)], torch.from_numpy(returns[active]))
        left = torch.linspace(1, 0, len(obs)) if config.finite else torch.ones(len(obs))
        inputs = self.critic.inputs(obs, left[:, None, None].expand(*obs.shape[:2], 1))
        value = self.critic.value(inputs).double().numpy()
        advantage = advantages(
            reward,
            value,
            active,
            config.gamma,
            config.gae_lambda,
            bootstrap=not config.finite,
            cut=episodes.cut,
        )
        return inputs[:-1], advantage, advantage + value[:-1]

    def improve(self, batch: PPOBatch, rng: np.random.Generator) -> dict[str, float]:
        """Take the gradient steps of one iteration and return the means of their metrics."""
        config = self.config
        warming = self.done < config.warmup
        resting = warming
        losses: list[float] = []
        seen = [dict.fromkeys(("approx_kl", "clip_fraction"), 0.0)] if warming else []
        for _ in range(config.warmup_epochs if warming else config.epochs):
            for part in batch.shuffled(rng, config.minibatch):
                losses.append(self.update_critic(part))
                if not resting:
                    seen.append(self.update_actor(part, rng))
                    resting = 0 < config.target_kl < seen[-1]["approx_kl"]
        steps = 0 if warming else len(seen) - resting
        means = {name: float(np.mean([metrics[name] for metrics in seen])) for name in seen[0]}
        return {"value_loss": float(np.mean(losses)), **means, "actor_steps": float(steps)}

    def update_critic(self, part: PPOBatch) -> float:
        """Take one step of the value function and return its loss, in units of the first returns' variance."""
        loss: Tensor = (self.critic(part.inputs) - part.target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_step.step(self.config.max_grad_norm)
        return float(loss.detach())

    def update_actor(self, part: PPOBatch, rng: np.random.Generator) -> dict[str, float]:
        """Take one step of the policy, unless it has moved further than the target KL already."""
        config = self.config
        policy = self.actor.distribution(part.features)
        log_ratio = log_prob(policy, part.action) - part.log_prob
        ratio = log_ratio.exp()
        moved = ratio.detach() - 1
        metrics = {
            "approx_kl": (moved - log_ratio.detach()).mean().item(),  # Schulman 2020, estimator k3
            "clip_fraction": (moved.abs() > config.clip).float().mean().item(),
        }
        if 0 < config.target_kl < metrics["approx_kl"]:
            return metrics
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        loss = -torch.minimum(ratio * part.advantage, clipped * part.advantage).mean()
        if self.anchor_weight:
            loss = loss + self.anchor_weight * divergence(policy, part.anchor_mean, part.anchor_std).mean()
        if config.entropy:
            loss = loss - config.entropy * entropy(policy).mean()
        if self.choices is not None and config.choice_weight:
            loss = loss + config.choice_weight * self.choices.loss(self.actor, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        self.actor_step.step(config.max_grad_norm)
        return metrics

    def adapt_anchor(self, kl: float) -> None:
        """Adapt the weight of the anchor towards its target KL by the factor of Schulman et al. 2017, section 4."""
        target = self.config.anchor_target
        if target and kl > 1.5 * target:
            self.anchor_weight = min(self.anchor_weight * 1.5, 100.0)
        elif target and kl < target / 1.5:
            self.anchor_weight = max(self.anchor_weight / 1.5, 1e-4)

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the whole state of training, as arrays and a JSON object."""
        arrays = {
            **pack_module("actor", self.actor),
            **pack_module("anchor", self.anchor),
            **pack_module("critic", self.critic),
            **pack_optimizer("actor_step", self.actor_step.optimizer),
            **pack_optimizer("critic_step", self.critic_step.optimizer),
            "anchor_weight": np.array([self.anchor_weight]),
        }
        return arrays, {"done": self.done, "ended": self.ended}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        for name, module in (("actor", self.actor), ("anchor", self.anchor), ("critic", self.critic)):
            unpack_module(name, module, arrays)
        unpack_optimizer("actor_step", self.actor_step.optimizer, arrays)
        unpack_optimizer("critic_step", self.critic_step.optimizer, arrays)
        self.anchor_weight = float(arrays["anchor_weight"][0])
        self.done, self.ended = take_count(meta, "done"), bool(meta["ended"])


class StateCritic(nn.Module):
    """The value function of observation and time left, in units set by the first batch of each reward."""

    scale: Tensor  # (2,)

    def __init__(self, obs_dim: int, width: int, layers: int) -> None:
        """Build the network."""
        super().__init__()
        self.normalizer = Normalizer(obs_dim)
        self.net = mlp([obs_dim + 1, *[width] * layers, 1], nn.SiLU)
        self.register_buffer("scale", torch.tensor([0.0, 1.0]))  # mean and deviation of returns

    def calibrate(self, obs: Tensor, returns: Tensor) -> None:
        """Set the units of observations (M, obs_dim) and of returns (M,)."""
        self.normalizer.fit(obs)
        self.scale.copy_(torch.stack([returns.mean(), returns.std(correction=0).clamp_min(1e-6)]))

    def inputs(self, obs: Tensor, left: Tensor) -> Tensor:
        """Return the input of `forward`, for obs (..., obs_dim) and the fraction of time left (..., 1) in [0, 1]."""
        return torch.cat([self.normalizer(obs), 2 * left - 1], dim=-1)

    def units(self, returns: Tensor) -> Tensor:
        """Return the targets of `forward` for returns (M,)."""
        return ((returns - self.scale[0]) / self.scale[1]).float()

    def value(self, inputs: Tensor) -> Tensor:
        """Return values (...) in units of the reward."""
        value: Tensor = self.forward(inputs) * self.scale[1] + self.scale[0]
        return value

    def forward(self, inputs: Tensor) -> Tensor:
        """Return values (...) in units of `scale`."""
        value: Tensor = self.net(inputs).squeeze(-1)
        return value


def advantages(
    reward: Array,
    value: Array,
    active: Array,
    gamma: float,
    gae_lambda: float,
    *,
    bootstrap: bool = False,
    cut: Array | None = None,
) -> Array:
    """Return generalised advantage estimates (T, N) float64 (Schulman et al. 2016); 0 where not active.

    Args:
        reward: (T, N).
        value: (T+1, N), of the observations.
        active: (T, N) bool; an episode that has ended has no further value.
        gamma: discount per step.
        gae_lambda: 0 trusts `value` after one step, 1 not at all.
        bootstrap: whether the last observation counts with its value, or with zero.
        cut: (N,) bool, episodes whose continuation is unknown: there the observation after the last step counts with
            its value, so that nothing is learned from the cut.
    """
    goes_on = np.vstack([active[1:], np.full_like(active[:1], bootstrap) & active[-1:]])
    if cut is not None:
        goes_on |= active & cut
    surprise = np.where(active, reward + gamma * value[1:] * goes_on - value[:-1], 0.0)
    decay = gamma * gae_lambda * goes_on
    advantage = np.zeros_like(surprise)
    later = np.zeros(reward.shape[1])
    for t in reversed(range(len(reward))):
        later = advantage[t] = surprise[t] + decay[t] * later
    return advantage


def standardised(advantage: Array, reward: Array) -> Array:
    """Return advantages (B,) with mean 0 and deviation 1, float32; all 0 where no reward (B,) differs from another."""
    if not np.ptp(reward):
        return np.zeros(len(advantage), np.float32)
    scaled: Array = ((advantage - advantage.mean()) / (advantage.std() + 1e-8)).astype(np.float32)
    return scaled


def log_prob(policy: Normal, action: Tensor) -> Tensor:
    """Return the log density (B,) of actions (B, act_dim), but for a constant."""
    std = policy.stddev
    return -(((action - policy.mean) / std).square() / 2 + std.log()).sum(-1)


def entropy(policy: Normal) -> Tensor:
    """Return the differential entropy (B,), summed over actions [nats]."""
    return (policy.stddev.log() + (1 + math.log(2 * math.pi)) / 2).sum(-1)


def divergence(policy: Normal, mean: Tensor, std: Tensor) -> Tensor:
    """Return KL(policy || Normal(mean, std)), summed over actions, (B,)."""
    ratio = policy.stddev / std
    return ((ratio.square() + ((policy.mean - mean) / std).square() - 1) / 2 - ratio.log()).sum(-1)
