"""SAC with demonstrations in every batch: fine-tune a policy, or train one, on a reward that may change meanwhile.

Haarnoja et al. 2018 (temperature learned) with what Ball et al. 2023 ("RLPD") add: half of each batch from
demonstrations, value functions with layer normalisation, several of them; and returns over a few steps. One iteration
is one whole episode of every copy and then its share of updates, so no state of an environment outlives an iteration;
all randomness of iteration i is drawn from (seed, i). The replay holds no reward: see
`robo_rlhf.training_tools.replay_buffer`. Task reward and success are never read here, unless the configured reward
names them.
"""

import copy
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_rlhf.core.errors import NonFiniteError
from robo_rlhf.core.learning import (
    Flat,
    pack_module,
    pack_optimizer,
    seeded,
    take,
    take_count,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, VecEnv
from robo_rlhf.policies.base import Normalizer
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.training_tools.experience import KEPT, EpisodeBatch, Reward, collect
from robo_rlhf.training_tools.exploration import demonstration_block, explored_block
from robo_rlhf.training_tools.replay_buffer import Block, ReplayBatch, ReplayBuffer, units_of
from robo_rlhf.training_tools.rl_loop import Diagnostics, Progress, Stored, check_fit, resume, rl_loop
from robo_rlhf.training_tools.settings import SACSettings
from robo_rlhf.training_tools.shaping import RewardObjective
from robo_rlhf.training_tools.viewers import Viewers

OnIteration = Callable[[int, TanhGaussianPolicy, Mapping[str, float]], object]  # a true return value ends the training
TOGETHER = 64  # batches that are gathered together
OF_THE_POLICY = ("actor/", "actor_step/", "temperature/", "temperature_step/")  # reset where a gate refused the policy
WIDER = 3.0  # times its first deviation, above which a column of observations is rescaled


Config = SACSettings


def train(
    config: Config,
    run: Run,
    env: VecEnv,
    actor: TanhGaussianPolicy,
    reward: Reward,
    *,
    demonstrations: Sequence[Episode] = (),
    carry: Stored | None = None,
    refused: bool = False,
    progress: Progress | None = None,
    on_iteration: OnIteration | None = None,
    diagnostics: Diagnostics | None = None,
    live: Viewers | None = None,
) -> TanhGaussianPolicy:
    """Train `actor` in place, save it as the run's checkpoint "policy"; resume where a killed run stopped.

    Args:
        config: the settings.
        run: the run folder; its checkpoint "training" holds the whole state of training, including the replay.
        env: `config.num_envs` copies of the task.
        actor: the initial policy: new, cloned, or a correction on top of a frozen one.
        reward: the reward to maximise; where it has `refresh`, that is called before each iteration.
        demonstrations: episodes that a share of each batch comes from.
        carry: the checkpoint "training" of the round before, which had another reward: policy, value functions,
            optimisers and replay continue from it, and values get the units of the new reward.
        refused: whether the policy of `carry` was refused: then `actor` continues as given, with the first temperature.
        progress: called after every iteration.
        on_iteration: the same, with the policy; a true return value ends the training early.
        diagnostics: called with every whole step, including task reward and success.
        live: viewers, for a reward with the term `live`.

    Raises:
        ShapeError: policy, reward or demonstrations do not fit the environment.
        InvalidValueError: the environment has another number of copies, or something does not give what the reward
            needs.
        CheckpointMismatchError: the run's checkpoint, or `carry`, is of another policy.
        NonFiniteError: NaN or infinity from policy, environment, reward or loss; the previous checkpoint is kept.
    """
    check_fit(config, env, actor)
    shaping = RewardObjective(RewardSum(config.objective), env, config.gamma, ends=config.finite, live=live)
    shown = demonstrations if config.demonstration_share else ()
    block = demonstration_block(shown, actor, env, shaping, finite=config.finite, seed=config.seed)
    learner = SACLearner(config, actor, env, block)
    learner.carried = resume(run, learner, learner.exploring_reward(carry) if carry and refused else carry)

    def iterate(changed: bool) -> dict[str, float]:
        return learner.iterate(env, reward, diagnostics, shaping, changed=shaping.refreshed() or changed)

    rl_loop(config, run, env, learner, reward, iterate, progress, on_iteration)
    return actor


class SACLearner:
    """Policy, value functions, temperature, their optimisers, and the replay buffer."""

    def __init__(self, config: Config, actor: TanhGaussianPolicy, env: VecEnv, shown: Block | None) -> None:
        """Start from `actor`, with the demonstrations `shown`."""
        self.config, self.actor = config, actor
        with seeded(config.seed):
            self.critics = QEnsemble(
                actor.obs_dim,
                actor.act_dim,
                members=config.members,
                width=config.critic_width,
                layers=config.critic_layers,
                layer_norm=config.layer_norm,
            )
        self.targets, self.temperature = copy.deepcopy(self.critics), Temperature(config.temperature)
        self.actor_step = Flat(actor, config.actor_lr)
        self.critic_step = Flat(self.critics, config.critic_lr)
        self.temperature_step = Flat(self.temperature, config.temperature_lr)
        self.target_weights = Flat(self.targets, config.critic_lr).value
        self.targets.requires_grad_(False)
        self.generator = torch.Generator()  # of exploration in training; reset by the learner
        self.learning = [p for p in actor.parameters() if p.requires_grad]
        self.fresh = unscaled(actor)
        self.replay = ReplayBuffer(
            (env.horizon, env.num_envs),
            (actor.feature_dim, actor.act_dim),
            config.capacity,
            n_step=config.n_step,
            gamma=config.gamma,
            finite=config.finite,
            demonstrations=shown,
        )
        self.done = 0  # iterations
        self.ended = False
        self.carried = False  # from an earlier round, whose units of observations are kept

    def exploring_reward(self, carry: Stored) -> Stored:
        """Return `carry` with its policy and temperature replaced by the current ones."""
        mine = self.pack()[0]
        taken = {name: value for name, value in carry[0].items() if not name.startswith(OF_THE_POLICY)}
        return {**taken, **{name: mine[name] for name in mine if name.startswith(OF_THE_POLICY)}}, carry[1]

    def iterate(
        self, env: VecEnv, reward: Reward, diagnostics: Diagnostics | None, shaping: RewardObjective, *, changed: bool
    ) -> dict[str, float]:
        """Run one episode of every copy, learn from the replay, and return the metrics."""
        where = f"iteration {self.done + 1} of sac on {env.name}"
        rng = np.random.default_rng([self.config.seed, self.done])
        see = None if diagnostics is None else functools.partial(diagnostics, self.done + 1)
        changed = changed or (self.carried and not self.done)
        seen, here = shaping.recording(see), shaping.looks_at_env
        episodes = collect(env, self.actor, self.actor.explore, rng, where, seen, here=here)
        slot = self.replay.cursor
        self.replay.add(explored_block(episodes, shaping.recorded, finite=self.config.finite))
        metrics = self.relabel(reward, shaping, where, slot, changed=changed)
        metrics |= self.improve(rng, changed=changed)
        if not all(step.finite() for _, step in self.steps()):
            raise NonFiniteError("A weight after the update", where, KEPT)
        self.done += 1
        self.ended = self.done >= self.config.iterations
        return metrics

    def relabel(
        self, reward: Reward, shaping: RewardObjective, where: str, newest: int, *, changed: bool
    ) -> dict[str, float]:
        """Update the rewards of the whole replay; return the metrics of the newest episodes."""
        means: dict[str, float] = {}

        def value(block: Block) -> Array:
            obs = block.features[..., : self.actor.obs_dim]
            episodes = EpisodeBatch(obs, torch.empty(0), block.action, block.action, block.active, block.full_obs)
            found, terms = shaping.value(episodes, reward, where, block.noted)
            means.update(terms)  # the newest episodes come last
            return found

        if changed:
            self.replay.forget_rewards()
            self.widen()
        if self.done == 0:
            self.begin(value)
        found = self.replay.label(value, newest)[self.replay.blocks[newest].active]
        return {"reward": float(found.mean()), "reward_std": self.replay.spread(), **means}

    def begin(self, value: Callable[[Block], Array]) -> None:
        """Set the units of observations and values by the first episodes and the demonstrations."""
        blocks = [b for b in (self.replay.demonstrations, *self.replay.blocks) if b is not None]
        self.replay.units = units_of([(value(b), b.active) for b in blocks], self.config.gamma)
        if not self.carried:
            self.critics.normalizer.fit(self.seen())
            self.targets.normalizer.load_state_dict(self.critics.normalizer.state_dict())
        if unscaled(self.actor):
            self.actor.normalizer.load_state_dict(self.critics.normalizer.state_dict())

    def seen(self) -> Tensor:
        """Return all observations (M, obs_dim) in the replay, including demonstrations."""
        blocks = [b for b in (self.replay.demonstrations, *self.replay.blocks) if b is not None]
        return torch.from_numpy(np.concatenate([b.features[:-1][b.active][:, : self.actor.obs_dim] for b in blocks]))

    def widen(self) -> None:
        """Rescale columns that vary far more than in the first episodes, such as a door's angle.

        A policy that has not reached the door yet sees it closed; at that scale, any opening would be clipped.
        """
        seen = self.seen()
        mean, std = seen.mean(0), seen.std(0, correction=0)
        actor = [] if self.actor.base is not None else [self.actor.normalizer]
        for normalizer in (self.critics.normalizer, self.targets.normalizer, *actor):
            grown = std > WIDER * normalizer.std
            normalizer.mean.copy_(torch.where(grown, mean, normalizer.mean))
            normalizer.std.copy_(torch.where(grown, std, normalizer.std))

    def improve(self, rng: np.random.Generator, *, changed: bool) -> dict[str, float]:
        """Take the updates of one iteration and return the means of their metrics."""
        config, replay = self.config, self.replay
        self.generator.manual_seed(int(rng.integers(2**31)))
        count = max(1, round(config.updates * replay.horizon * replay.num_envs))
        alone = config.refresh if changed else 0
        warming = self.done < config.warmup and not self.fresh
        drawn = replay.draw(rng, alone + count, config.batch, config.demonstration_share)
        members = rng.permuted(np.tile(np.arange(config.members), (alone + count, 1)), axis=1)[:, : config.subset]
        critic, policy = torch.zeros(2), torch.zeros(2)
        for i, (batch, inputs, later) in enumerate(self.prepared(drawn)):
            critic += self.update_critics(batch, inputs, later, members[i])
            if i >= alone and not warming:
                entropy, value = self.update_actor(batch.features, inputs)
                self.update_temperature(entropy)
                policy += torch.stack([entropy, value])
        critic, policy = critic / (alone + count), policy / count
        return {
            "critic_loss": float(critic[0]),
            "value": float(critic[1]),
            "entropy": float(policy[0]),
            "policy_value": float(policy[1]),
            "temperature": float(self.temperature.log.detach().exp()),
            "critic_updates": float(alone + count),
            "actor_updates": 0.0 if warming else float(count),
        }

    def prepared(self, drawn: Tensor) -> Iterator[tuple[ReplayBatch, Tensor, Tensor]]:
        """Yield the batches of draws (count, B), with the inputs of the value functions at both ends of the steps.

        Some at a time: gathering and z-scores cost as much for many batches as for one.
        """
        seen, inputs = self.actor.obs_dim, self.critics.inputs
        for some in drawn.split(TOGETHER):  # type: ignore[no-untyped-call]
            whole = self.replay.batch(some.flatten())
            here = inputs(whole.features[:, :seen], whole.left)
            there = inputs(whole.next_features[:, :seen], whole.next_left)
            size = some.shape[1]
            for parts in zip(*(torch.split(column, size) for column in (*whole, here, there)), strict=True):
                yield ReplayBatch(*parts[:-2]), parts[-2], parts[-1]

    def update_critics(self, batch: ReplayBatch, inputs: Tensor, later: Tensor, members: Array) -> Tensor:
        """Take one step of the value functions and their targets; return loss and mean value (2,)."""
        config = self.config
        with torch.no_grad():
            action, log_prob = self.actor.sample(batch.next_features, self.noise(len(batch.action)))
            value = self.targets(later, action)  # (E, B)
            value = (value if config.subset == config.members else value[members.tolist()]).amin(0)
            if config.backup_entropy:
                value = value - self.temperature.log.exp() * log_prob
            target = batch.gain + batch.discount * value  # (B,)
        found = self.critics(inputs, batch.action)
        loss = (found - target).square().mean(1).sum()
        loss.backward()
        self.critic_step.step(config.max_grad_norm)
        self.target_weights.lerp_(self.critic_step.value, config.tau)
        return torch.stack([loss.detach(), found.detach().mean()])

    def update_actor(self, features: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step of the policy; return its entropy and the value of what it does."""
        action, log_prob = self.actor.sample(features, self.noise(len(features)))
        value = self.critics(inputs, action).amin(0)
        loss = (self.temperature.log.detach().exp() * log_prob - value).mean()
        if self.config.correction_penalty and self.actor.base is not None:
            loss = loss + self.config.correction_penalty * self.actor.correction(features).square().sum(-1).mean()
        loss.backward(inputs=self.learning)  # no gradient for the weights of the value functions
        self.actor_step.step(self.config.max_grad_norm)
        return -log_prob.detach().mean(), value.detach().mean()

    def update_temperature(self, entropy: Tensor) -> None:
        """Raise the temperature where the entropy is below its target, else lower it."""
        target = self.config.target_entropy * self.actor.act_dim
        self.temperature_step.grad[0] = entropy - target  # of log temperature * (entropy - target)
        self.temperature_step.step(self.config.max_grad_norm)

    def noise(self, count: int) -> Tensor:
        """Return standard normal numbers (count, act_dim)."""
        return torch.randn(count, self.actor.act_dim, generator=self.generator)

    def modules(self) -> list[tuple[str, nn.Module]]:
        """Return the modules with weights, by their names in checkpoints."""
        named = [("actor", self.actor), ("critics", self.critics), ("targets", self.targets)]
        return [*named, ("temperature", self.temperature)]

    def steps(self) -> list[tuple[str, Flat]]:
        """Return the optimisers, by their names in checkpoints."""
        return [
            ("actor_step", self.actor_step),
            ("critic_step", self.critic_step),
            ("temperature_step", self.temperature_step),
        ]

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the whole state of training, as arrays and a JSON object."""
        replay, meta = self.replay.pack()
        arrays = {f"replay/{name}": value for name, value in replay.items()}
        for name, module in self.modules():
            arrays |= pack_module(name, module)
        for name, step in self.steps():
            arrays |= pack_optimizer(name, step.optimizer)
        return arrays, {"done": self.done, "ended": self.ended, "replay": meta}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        for name, module in self.modules():
            unpack_module(name, module, arrays)
        self.replay.unpack(take("replay", arrays), meta["replay"])
        for name, step in self.steps():
            unpack_optimizer(name, step.optimizer, arrays)
        self.done, self.ended = take_count(meta, "done"), bool(meta["ended"])


def unscaled(actor: TanhGaussianPolicy) -> bool:
    """Return whether the policy is untrained and its observation scales are not set yet."""
    return actor.base is None and bool((actor.normalizer.std == 1).all())


class Temperature(nn.Module):
    """The weight of entropy, as its logarithm."""

    def __init__(self, value: float) -> None:
        """Start from `value`."""
        super().__init__()
        self.log = nn.Parameter(torch.tensor([value]).log())


class QEnsemble(nn.Module):
    """E value functions of observation, time left and action, in parallel: weights (E, out, in)."""

    def __init__(self, obs_dim: int, act_dim: int, *, members: int, width: int, layers: int, layer_norm: bool) -> None:
        """Build `members` of them, with `layers` hidden layers of `width` units, which may be normalised."""
        super().__init__()
        self.normalizer, self.norm, self.width = Normalizer(obs_dim), layer_norm, width
        sizes = [obs_dim + 1 + act_dim, *[width] * layers, 1]
        weights, biases = [], []
        for inputs, outputs in itertools.pairwise(sizes):
            bound = inputs**-0.5
            weights.append(nn.Parameter(torch.empty(members, outputs, inputs).uniform_(-bound, bound)))
            biases.append(nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound)))
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)
        normed = range(layers if layer_norm else 0)
        self.gains = nn.ParameterList(torch.ones(members, width) for _ in normed)
        self.shifts = nn.ParameterList(torch.zeros(members, width) for _ in normed)

    def inputs(self, obs: Tensor, left: Tensor) -> Tensor:
        """Return the input of `forward` except actions, for obs (B, obs_dim) and the fraction of time left (B, 1)."""
        return torch.cat([self.normalizer(obs), 2 * left - 1], dim=-1)

    def forward(self, inputs: Tensor, action: Tensor) -> Tensor:
        """Return values (E, B), in the replay's units."""
        x = torch.cat([inputs, action], dim=-1)  # (B, obs_dim + 1 + act_dim)
        layers = [(w.unbind(0), b.unbind(0)) for w, b in zip(self.weights, self.biases, strict=True)]
        norms = [(g.unbind(0), s.unbind(0)) for g, s in zip(self.gains, self.shifts, strict=True)]
        values = []
        for e in range(len(layers[0][0])):  # members one after the other: faster than batched products on a processor
            h = x
            for i, (weight, bias) in enumerate(layers[:-1]):
                h = functional.linear(h, weight[e], bias[e])
                if self.norm:
                    h = functional.layer_norm(h, (self.width,), norms[i][0][e], norms[i][1][e])
                h = functional.relu(h)
            values.append(functional.linear(h, layers[-1][0][e], layers[-1][1][e]).squeeze(-1))
        return torch.stack(values)
