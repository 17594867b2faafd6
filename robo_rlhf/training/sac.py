"""SAC with demonstrations in every batch: fine-tune a policy, or learn one, on a reward that may change meanwhile.

Haarnoja et al. 2018 (temperature learned) with what Ball et al. 2023 ("RLPD") add: half of each batch from
demonstrations, value functions with layer normalisation, several of them; and returns over a few steps. One iteration
is one whole episode of every copy and then its share of updates, so no state of an environment outlives an iteration;
all randomness of iteration i is drawn from (seed, i). The replay holds no reward: see `robo_rlhf.training.replay`.
Task reward and success are never read here, unless the configured reward names them.
"""

import copy
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_rlhf.errors import CheckpointMismatchError, InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.learning import Flat, pack_module, pack_optimizer, seeded, unpack_module, unpack_optimizer
from robo_rlhf.policies.base import Normalizer
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.policies.squashed import SquashedPolicy
from robo_rlhf.rewards.sums import RewardSum
from robo_rlhf.runs import Run
from robo_rlhf.training.experience import KEPT, Episodes, Reward, renewed
from robo_rlhf.training.replay import Batch, Block, Replay, units_of
from robo_rlhf.training.shaping import Live, Shaping
from robo_rlhf.types import Array, Episode, Step, VecEnv

Progress = Callable[[int, int, Mapping[str, float]], None]  # iterations done, of how many, newest metrics
OnIteration = Callable[[int, SquashedPolicy, Mapping[str, float]], object]  # a true result ends the training
Diagnostics = Callable[[int, int, Step], None]  # iteration, step within the episode, all that the step gave
TOGETHER = 64  # batches that are gathered at a time
Stored = tuple[Mapping[str, Array], Mapping[str, Any]]  # a checkpoint: arrays and a JSON object


@dataclass(frozen=True)
class Config:
    """How to learn."""

    objective: str = "learned"
    """What is climbed: a sum of terms, such as "learned + 0.2 * success + 0.5 * distance(of=[0, 1])"."""
    num_envs: int = 16
    """Copies of the environment; an iteration is one episode of each."""
    iterations: int = 40
    """Iterations."""
    updates: float = 0.5
    """Updates a step of one copy."""
    batch: int = 256
    """Steps an update learns from."""
    shown: float = 0.5
    """Share of each batch that comes from demonstrations, where there are some."""
    n_step: int = 3
    """Steps of reward before the value function takes over."""
    capacity: int = 300_000
    """Steps that are remembered."""
    actor_lr: float = 3e-4
    """Adam's rate for the policy."""
    critic_lr: float = 3e-4
    """Adam's rate for the value functions."""
    temperature_lr: float = 3e-4
    """Adam's rate for the temperature."""
    gamma: float = 0.99
    """Discount a step."""
    tau: float = 0.005
    """How fast the value functions that targets come from follow."""
    members: int = 2
    """Value functions."""
    subset: int = 2
    """How many of them, drawn for each update, the least value is taken of."""
    layer_norm: bool = True
    """Whether hidden layers of the value functions are normalised, which keeps them from inventing values."""
    critic_width: int = 256
    """Units a hidden layer of the value functions."""
    critic_layers: int = 2
    """Hidden layers of the value functions."""
    temperature: float = 0.05
    """Weight of entropy to start from, where returns have deviation 1; it is learned."""
    target_entropy: float = -0.5
    """Entropy that the temperature aims at, an action [nat]."""
    backup_entropy: bool = True
    """Whether entropy to come is part of values."""
    warmup: int = 1
    """First iterations that train only the value functions, where the policy is on top of another or was trained."""
    refresh: int = 200
    """Updates of the value functions alone after the reward has changed."""
    max_grad_norm: float = 10.0
    """Largest norm of a gradient."""
    finite: bool = True
    """Whether the value functions see the time left and are worth nothing at the horizon; else they go on there."""
    save_every: int = 5
    """Iterations between checkpoints."""
    seed: int = 0
    """Seed of episodes, exploration and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        RewardSum(self.objective)
        least_one = ("num_envs", "iterations", "batch", "n_step", "capacity", "members", "subset", "critic_width")
        for name in (*least_one, "save_every"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"sac {name}", getattr(self, name), "at least 1")
        for name in ("updates", "actor_lr", "critic_lr", "temperature_lr", "temperature", "max_grad_norm", "tau"):
            if getattr(self, name) <= 0:
                raise InvalidValueError(f"sac {name}", getattr(self, name), "more than 0")
        for name in ("critic_layers", "warmup", "refresh", "seed"):
            if getattr(self, name) < 0:
                raise InvalidValueError(f"sac {name}", getattr(self, name), "at least 0")
        for name in ("gamma", "tau", "shown"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidValueError(f"sac {name}", getattr(self, name), "a number from 0 to 1")
        if self.shown == 1 or self.subset > self.members:
            given = f"shown {self.shown:g}, subset {self.subset} of {self.members}"
            raise InvalidValueError(
                "sac shares", given, "less than 1 from demonstrations, and no more than all members"
            )


def train(
    config: Config,
    run: Run,
    env: VecEnv,
    actor: SquashedPolicy,
    reward: Reward,
    *,
    demonstrations: Sequence[Episode] = (),
    carry: Stored | None = None,
    progress: Progress | None = None,
    on_iteration: OnIteration | None = None,
    diagnostics: Diagnostics | None = None,
    live: Live | None = None,
) -> SquashedPolicy:
    """Train `actor` in place, save it as the run's checkpoint "policy"; go on where a killed run stopped.

    Args:
        config: how.
        run: where; its checkpoint "training" holds all that learning needs to go on, the replay too.
        env: `config.num_envs` copies of the task.
        actor: the policy to start from: new, cloned, or a correction on top of a frozen one.
        reward: what to climb; where it has `refresh`, it is asked before each iteration whether it has changed.
        demonstrations: episodes that a share of each batch comes from.
        carry: the checkpoint "training" of the round before, which had another reward: policy, value functions,
            optimisers and all that is remembered go on from it, and values get the units of the new reward.
        progress: called after every iteration.
        on_iteration: the same, with the policy; a true result ends the training early.
        diagnostics: sees every step whole, task reward and success too.
        live: what people press while the episodes run, for a reward with the term `live`.

    Raises:
        ShapeError: policy, reward or demonstrations do not fit the environment.
        InvalidValueError: the environment has another number of copies, or something does not give what the reward
            needs.
        CheckpointMismatchError: the run's checkpoint, or `carry`, is of another policy.
        NonFiniteError: NaN or infinity from policy, environment, reward or loss; the checkpoint before it stands.
    """
    _check_fit(config, env, actor)
    shaping = Shaping(RewardSum(config.objective), env, config.gamma, ends=config.finite, live=live)
    learner = Learner(config, actor, env, shown_block(demonstrations, actor, env, shaping, config))
    stored, path = run.load("training"), run.checkpoint_path("training")
    if stored is not None:
        learner.unpack(*stored, path)
    elif carry is not None:
        learner.unpack(carry[0], {**carry[1], "done": 0, "ended": False}, path)
        learner.carried = True
    run.rewind_metrics(learner.done)
    while not learner.ended:
        changed = renewed(reward, run, learner.done + 1) or (learner.carried and not learner.done)
        metrics = learner.iterate(env, reward, diagnostics, shaping, changed=changed)
        run.log(learner.done, metrics)
        if metrics["reward_std"] == 0:
            run.event("the reward is the same for every step: nothing to climb", iteration=learner.done)
        if on_iteration is not None and on_iteration(learner.done, actor, metrics):
            learner.ended = True
        if learner.done % config.save_every == 0 or learner.ended:
            run.save("training", *learner.pack())
        if progress is not None:
            progress(learner.done, config.iterations, metrics)
    if run.result() is None:
        save_policy(actor, run.checkpoint_path("policy"), {"task": env.name, "algorithm": "sac"})
        run.finish({"iterations": learner.done, **run.metrics()[-1]})
    return actor


class Critics(nn.Module):
    """E value functions of observation, time left and action, side by side: weights (E, out, in)."""

    def __init__(self, obs_dim: int, act_dim: int, config: Config) -> None:
        """Build them."""
        super().__init__()
        members, width = config.members, config.critic_width
        self.normalizer, self.norm, self.width = Normalizer(obs_dim), config.layer_norm, width
        sizes = [obs_dim + 1 + act_dim, *[width] * config.critic_layers, 1]
        weights, biases = [], []
        for inputs, outputs in itertools.pairwise(sizes):
            bound = inputs**-0.5
            weights.append(nn.Parameter(torch.empty(members, outputs, inputs).uniform_(-bound, bound)))
            biases.append(nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound)))
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)
        normed = range(config.critic_layers if config.layer_norm else 0)
        self.gains = nn.ParameterList(torch.ones(members, width) for _ in normed)
        self.shifts = nn.ParameterList(torch.zeros(members, width) for _ in normed)

    def inputs(self, obs: Tensor, left: Tensor) -> Tensor:
        """Return what `forward` takes besides actions, for obs (B, obs_dim) and the fraction of time left (B, 1)."""
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


class Temperature(nn.Module):
    """The weight of entropy, as its logarithm."""

    def __init__(self, value: float) -> None:
        """Start from `value`."""
        super().__init__()
        self.log = nn.Parameter(torch.tensor([value]).log())


class Learner:
    """Policy, value functions, temperature, their optimisers and the replay."""

    def __init__(self, config: Config, actor: SquashedPolicy, env: VecEnv, shown: Block | None) -> None:
        """Start from `actor`."""
        self.config, self.actor = config, actor
        self.fresh = actor.base is None and bool((actor.normalizer.std == 1).all())
        with seeded(config.seed):
            self.critics = Critics(actor.obs_dim, actor.act_dim, config)
        self.targets, self.temperature = copy.deepcopy(self.critics), Temperature(config.temperature)
        self.actor_step = Flat(actor, config.actor_lr)
        self.critic_step = Flat(self.critics, config.critic_lr)
        self.temperature_step = Flat(self.temperature, config.temperature_lr)
        self.target_weights = Flat(self.targets, config.critic_lr).value
        self.targets.requires_grad_(False)
        self.replay = Replay(
            (env.horizon, env.num_envs),
            (actor.feature_dim, actor.act_dim),
            config.capacity,
            n_step=config.n_step,
            gamma=config.gamma,
            finite=config.finite,
            shown=shown,
        )
        self.generator = torch.Generator()
        self.learning = [p for p in actor.parameters() if p.requires_grad]
        self.done = 0  # iterations
        self.ended = False
        self.carried = False  # from a round before, whose units of observations stay

    def iterate(
        self, env: VecEnv, reward: Reward, diagnostics: Diagnostics | None, shaping: Shaping, *, changed: bool
    ) -> dict[str, float]:
        """Run one episode of every copy, learn from all that is remembered, and return the metrics."""
        where = f"iteration {self.done + 1} of sac on {env.name}"
        rng = np.random.default_rng([self.config.seed, self.done])
        see = None if diagnostics is None else functools.partial(diagnostics, self.done + 1)
        block = collect(env, self.actor, rng, where, shaping, see, finite=self.config.finite)
        slot = self.replay.cursor
        self.replay.add(block)
        metrics = self.relabel(reward, shaping, where, slot, changed=changed)
        metrics |= self.improve(rng, changed=changed)
        if not all(step.finite() for step in (self.actor_step, self.critic_step, self.temperature_step)):
            raise NonFiniteError("A weight after the update", where, KEPT)
        self.done += 1
        self.ended = self.done >= self.config.iterations
        return metrics

    def relabel(self, reward: Reward, shaping: Shaping, where: str, newest: int, *, changed: bool) -> dict[str, float]:
        """Bring the rewards of all that is remembered up to date; return the metrics of the newest episodes."""
        means: dict[str, float] = {}

        def value(block: Block) -> Array:
            obs = block.features[..., : self.actor.obs_dim]
            episodes = Episodes(obs, torch.empty(0), block.action, block.action, block.active)
            found, terms = shaping.value(episodes, reward, where, block.seen)
            means.update(terms)  # the newest episodes are the last to come here
            return found

        if changed:
            self.replay.forget_rewards()
        if self.done == 0:
            self.begin(value)
        found = self.replay.label(value, newest)[self.replay.blocks[newest].active]
        return {"reward": float(found.mean()), "reward_std": self.replay.spread(), **means}

    def begin(self, value: Callable[[Block], Array]) -> None:
        """Set the units of observations and values by the first episodes and the demonstrations."""
        blocks = [b for b in (self.replay.shown, *self.replay.blocks) if b is not None]
        self.replay.units = units_of([(value(b), b.active) for b in blocks], self.config.gamma)
        if self.carried:
            return
        seen = [torch.from_numpy(b.features[:-1][b.active][:, : self.actor.obs_dim]) for b in blocks]
        self.critics.normalizer.fit(torch.cat(seen))
        self.targets.normalizer.load_state_dict(self.critics.normalizer.state_dict())
        if self.fresh:
            self.actor.normalizer.load_state_dict(self.critics.normalizer.state_dict())

    def improve(self, rng: np.random.Generator, *, changed: bool) -> dict[str, float]:
        """Take the updates of one iteration and return the means of their metrics."""
        config, replay = self.config, self.replay
        self.generator.manual_seed(int(rng.integers(2**31)))
        count = max(1, round(config.updates * replay.horizon * replay.num_envs))
        alone = config.refresh if changed else 0
        warming = self.done < config.warmup and not self.fresh
        drawn = replay.draw(rng, alone + count, config.batch, config.shown)
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

    def prepared(self, drawn: Tensor) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Give the batches of draws (count, B), with what the value functions see of them, here and there.

        Some at a time: gathering and z-scores cost as much for many batches as for one.
        """
        seen, inputs = self.actor.obs_dim, self.critics.inputs
        for some in drawn.split(TOGETHER):  # type: ignore[no-untyped-call]
            whole = self.replay.batch(some.flatten())
            here = inputs(whole.features[:, :seen], whole.left)
            there = inputs(whole.next_features[:, :seen], whole.next_left)
            size = some.shape[1]
            for parts in zip(*(torch.split(column, size) for column in (*whole, here, there)), strict=True):
                yield Batch(*parts[:-2]), parts[-2], parts[-1]

    def update_critics(self, batch: Batch, inputs: Tensor, later: Tensor, members: Array) -> Tensor:
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
        loss.backward(inputs=self.learning)  # nothing for the weights of the value functions
        self.actor_step.step(self.config.max_grad_norm)
        return -log_prob.detach().mean(), value.detach().mean()

    def update_temperature(self, entropy: Tensor) -> None:
        """Raise the temperature where there is less entropy than aimed at, else lower it."""
        target = self.config.target_entropy * self.actor.act_dim
        self.temperature_step.grad[0] = entropy - target  # of log temperature * (entropy - target)
        self.temperature_step.step(self.config.max_grad_norm)

    def noise(self, count: int) -> Tensor:
        """Return standard normal numbers (count, act_dim)."""
        return torch.randn(count, self.actor.act_dim, generator=self.generator)

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return all that learning needs to go on, as arrays and a JSON object."""
        replay, meta = self.replay.pack()
        arrays = {f"replay/{name}": value for name, value in replay.items()}
        for name, module in self._modules():
            arrays |= pack_module(name, module)
        for name, step in self._steps():
            arrays |= pack_optimizer(name, step.optimizer)
        return arrays, {"done": self.done, "ended": self.ended, "replay": meta}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any], path: Path) -> None:
        """Go on from what `pack` gave, which was read from `path`.

        Raises:
            CheckpointMismatchError: it is of another policy, value function or environment.
        """
        stored = {name.removeprefix("replay/"): value for name, value in arrays.items() if name.startswith("replay/")}
        try:
            for name, module in self._modules():
                unpack_module(name, module, arrays)
            self.replay.unpack(stored, meta["replay"])
        except (RuntimeError, ShapeError, KeyError) as error:
            wanted = f"a {self.actor.kind} policy with settings {dict(self.actor.settings)}"
            raise CheckpointMismatchError(path, wanted, " ".join(str(error).split())) from error
        for name, step in self._steps():
            unpack_optimizer(name, step.optimizer, arrays)
        self.done, self.ended = int(meta["done"]), bool(meta["ended"])

    def _modules(self) -> list[tuple[str, nn.Module]]:
        named = [("actor", self.actor), ("critics", self.critics), ("targets", self.targets)]
        return [*named, ("temperature", self.temperature)]

    def _steps(self) -> list[tuple[str, Flat]]:
        return [
            ("actor_step", self.actor_step),
            ("critic_step", self.critic_step),
            ("temperature_step", self.temperature_step),
        ]


@torch.no_grad()
def collect(
    env: VecEnv,
    actor: SquashedPolicy,
    rng: np.random.Generator,
    where: str,
    shaping: Shaping,
    see: Callable[[int, Step], None] | None = None,
    *,
    finite: bool = True,
) -> Block:
    """Run one episode of every copy with exploration, all of it drawn from `rng`.

    Raises:
        NonFiniteError: NaN or infinity from the policy or the environment.
    """
    steps, n = env.horizon, env.num_envs
    seeds = rng.integers(10**7, 2**31, size=n)  # evaluations count from lower seeds
    actor.seed(int(rng.integers(2**31)))
    actor.reset(n)
    noise = torch.from_numpy(rng.standard_normal((steps, n, env.act_dim), np.float32))
    features = np.empty((steps + 1, n, actor.feature_dim), np.float32)
    action, active = np.empty((steps, n, env.act_dim), np.float32), np.empty((steps, n), np.bool_)
    obs, watch = env.reset(seeds), shaping.watching(see)
    for t in range(steps):
        features[t] = actor.features(obs)
        chosen = actor.sample(torch.from_numpy(features[t]), noise[t])[0].numpy()
        if not np.isfinite(chosen).all():
            raise NonFiniteError("The action of the policy", f"step {t + 1} of {where}", KEPT)
        step = env.step(chosen)
        obs, action[t], active[t] = step.obs, step.applied, step.active
        if watch is not None:
            watch(t, step)
    features[steps] = actor.features(obs)
    if not np.isfinite(features).all():
        raise NonFiniteError("An observation", where, KEPT)
    return Block(features, action, active, active[-1] & (not finite), shaping.noted)


@torch.no_grad()
def shown_block(
    demonstrations: Sequence[Episode], actor: SquashedPolicy, env: VecEnv, shaping: Shaping, config: Config
) -> Block | None:
    """Return demonstrations as one block, cut at the horizon, with what the policy sees of them.

    Raises:
        InvalidValueError: a demonstration without a step or of another task, or one that does not hold what the reward
            needs.
        ShapeError: one of another shape.
    """
    shown = [episode.slice(0, min(len(episode), env.horizon)) for episode in demonstrations]
    if not shown or not config.shown:
        return None
    for episode in shown:
        _check_shown(episode, env)
    if "terms" in shaping.reward.needs:
        raise InvalidValueError("reward", repr(shaping.reward.text), "no term(...): demonstrations do not hold them")
    steps, n = max(map(len, shown)), len(shown)
    length = np.array([len(episode) for episode in shown])
    obs = np.stack([np.pad(e.obs, ((0, steps - len(e)), (0, 0)), mode="edge") for e in shown], axis=1)
    action = np.stack([np.pad(e.action, ((0, steps - len(e)), (0, 0))) for e in shown], axis=1)
    actor.seed(config.seed)
    actor.reset(n)
    features = np.stack([actor.features(row).numpy() for row in obs])
    told = {"task": [e.reward for e in shown], "success": [_succeeds(e) for e in shown]}
    told["live"] = [np.zeros(len(e), np.float32) for e in shown]
    noted: dict[str, Array] = {
        need: np.stack([np.pad(value, (0, steps - len(value))) for value in told[need]], axis=1)
        for need in sorted(shaping.reward.needs - {"learned"})
    }
    goes_on = (length < env.horizon) | (not config.finite)
    return Block(features, action, np.arange(steps)[:, None] < length, goes_on, noted)


def _succeeds(episode: Episode) -> Array:
    """Return (T,) whether each step succeeds; where only the whole was marked a success, the last one does."""
    marked: Array = episode.success[1:].copy()
    if episode.meta.outcome == "success" and not marked.any():
        marked[-1] = True
    return marked


def _check_shown(episode: Episode, env: VecEnv) -> None:
    what, sizes = f"demonstration {episode.meta.id}", (episode.obs.shape[1], episode.action.shape[1])
    if not len(episode):
        raise InvalidValueError(what, "an episode of 0 steps", "at least one step")
    if episode.meta.task != env.name:
        raise InvalidValueError(what, f"one of {episode.meta.task}", f"one of {env.name}")
    if sizes != (env.obs_dim, env.act_dim):
        raise ShapeError(f"(observation, action) sizes of {what}", (env.obs_dim, env.act_dim), sizes)


def _check_fit(config: Config, env: VecEnv, actor: SquashedPolicy) -> None:
    if env.num_envs != config.num_envs:
        raise InvalidValueError(
            "copies of the environment for sac", env.num_envs, f"num_envs of the config, {config.num_envs}"
        )
    given, wanted = (actor.obs_dim, actor.act_dim), (env.obs_dim, env.act_dim)
    if given != wanted:
        raise ShapeError(f"(observation, action) sizes of the policy for {env.name}", wanted, given)
