"""Experience of RL algorithms: collecting episodes with exploration, and their learned reward."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import EnvironmentFaultError, NonFiniteError, ShapeError
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.executor.cluster import Cluster, joined
from robo_rlhf.policies.base import Actor
from robo_rlhf.rollouts.control_loop import control_loop
from robo_rlhf.rollouts.sending import dumps, loads
from robo_rlhf.rollouts.turns import network_of, random_states, set_random_states
from robo_rlhf.sim.envs.partial_observation import MaskedEnv
from robo_rlhf.training_tools.reward_watch import RewardWatch

Reward = Callable[[Array, Array, Array], Array]  # obs (T, N, d), action (T, N, a), next_obs (T, N, d) → (T, N)
Begin = Callable[[VecEnv, Array], Array]  # copies, seeds (N,) → obs (N, obs_dim): starts an episode in every copy
Sample = Callable[[Tensor, Tensor], Tensor]  # features (N, feature_dim), noise (N, act_dim) → actions (N, act_dim)
KEPT = "The previous checkpoint is kept; the same command resumes from it."


class EpisodeBatch(NamedTuple):
    """One episode of every copy."""

    obs: Array  # (T+1, N, obs_dim) float32
    features: Tensor  # (T+1, N, feature_dim) float32, what the policy saw
    sampled: Array  # (T, N, act_dim) float32, actions before clipping
    applied: Array  # (T, N, act_dim) float32
    active: Array  # (T, N) bool
    full_obs: Array | None = None  # (T+1, N, obs_dim) float32, where `obs` is masked: the unmasked input of rewards
    numbers: Array | None = None  # (T+1, N) of the pictures that a reward with cameras sees
    cut: Array | None = None  # (N,) bool, whether a fault of the environment ended it: the continuation is unknown

    @property
    def judged(self) -> Array:
        """The unmasked observations (T+1, N, obs_dim), which rewards are computed from."""
        return self.obs if self.full_obs is None else self.full_obs


def draw_noise(env: VecEnv, actor: Actor, rng: np.random.Generator) -> tuple[Array, Tensor]:
    """Return the seeds (N,) of one episode of every copy and the noise (T, N, act_dim); resets the actor."""
    seeds = rng.integers(10**7, 2**31, size=env.num_envs)  # evaluations use lower seeds
    actor.seed(int(rng.integers(2**31)))
    actor.reset(env.num_envs)
    return seeds, torch.from_numpy(rng.standard_normal((env.horizon, env.num_envs, env.act_dim), np.float32))


@torch.no_grad()
def collect(
    env: VecEnv,
    actor: Actor,
    sample: Sample,
    rng: np.random.Generator,
    where: str,
    see: Callable[[int, Step], None] | None = None,
    watch: RewardWatch | None = None,
    *,
    here: bool = False,
    begin: Begin | None = None,
) -> EpisodeBatch:
    """Run one episode of every copy with exploration, all of it drawn from `rng`.

    Where this process has joined a cluster, a node does it, with the same bits.

    Args:
        env: the copies.
        actor: gives the features of each observation.
        sample: draws the actions from them.
        rng: the source of seeds and noise.
        where: for errors.
        see: called with every step's number within the episode, and the step.
        watch: takes the pictures that the reward will see, in this process.
        here: whether `see` looks at `env` itself, so that it has to be stepped in this process.
        begin: starts the episodes, where that is more than a reset.

    Raises:
        NonFiniteError: NaN or infinity from the policy or the environment.
        EnvironmentFaultError: a fault of the environment ended every episode.
    """
    if (cluster := joined()) is not None and watch is None and not here:
        return _collected_there(cluster, env, actor, sample, rng, where, see, begin)
    steps, n = env.horizon, env.num_envs
    seeds, noise = draw_noise(env, actor, rng)
    obs = np.empty((steps + 1, n, env.obs_dim), np.float32)
    sampled, applied = np.empty_like(noise.numpy()), np.empty_like(noise.numpy())
    active = np.empty((steps, n), np.bool_)
    features: list[Tensor] = []

    def act(_: Array) -> Array:
        t = len(features)
        features.append(actor.features(obs[t]))
        sampled[t] = chosen = sample(features[t], noise[t]).numpy()
        if not np.isfinite(chosen).all():
            raise NonFiniteError("The action of the policy", f"step {t + 1} of {where}", KEPT)
        return chosen

    obs[0] = env.reset(seeds) if begin is None else begin(env, seeds)
    whole = FullObservations(env, steps)
    if watch is not None:
        watch.begin()
    for t, step in enumerate(islice(control_loop(env, act, obs[0]), steps)):
        obs[t + 1], applied[t], active[t] = step.obs, step.applied, step.active
        whole.note(t + 1)
        if watch is not None:
            watch.note(t + 1)
        if see is not None:
            see(t, step)
        cut = cut_by(step, f"step {t + 1} of {where}")
    seen = torch.stack([*features, actor.features(obs[steps])])
    if not (np.isfinite(obs).all() and seen.isfinite().all()):
        raise NonFiniteError("An observation", where, KEPT)
    numbers = None if watch is None else watch.numbers(steps)
    return EpisodeBatch(obs, seen, sampled, applied, active, whole.obs, numbers, cut)


def _collected_there(
    cluster: Cluster,
    env: VecEnv,
    actor: Actor,
    sample: Sample,
    rng: np.random.Generator,
    where: str,
    see: Callable[[int, Step], None] | None,
    begin: Begin | None,
) -> EpisodeBatch:
    """Do what `collect` does on a node; the random numbers are afterwards as if it had been done here."""
    given = dumps(env, actor, sample, rng, where, see is not None, begin)
    episodes, steps, after, random = loads(cluster.result(cluster.begin(f"{__name__}:collect_there", given)))
    rng.bit_generator.state = after.bit_generator.state
    set_random_states(network_of(actor), random)
    for t, step in enumerate(steps if see is not None else ()):
        see(t, step)  # type: ignore[misc]  # there is one
    found: EpisodeBatch = episodes
    return found


def collect_there(given: bytes) -> bytes:
    """On a node: collect an episode of every copy; return it, its steps and what random numbers are then."""
    use_one_thread()
    env, actor, sample, rng, where, watched, begin = loads(given)
    steps: list[Step] = []
    see = (lambda t, step: steps.append(step)) if watched else None
    episodes = collect(env, actor, sample, rng, where, see, begin=begin)
    return dumps(episodes, steps, rng, random_states(network_of(actor)))


def cut_by(step: Step, where: str) -> Array:
    """Return (N,) bool, which episodes a fault of the environment has ended until now.

    Raises:
        EnvironmentFaultError: all of them.
    """
    cut = np.zeros(len(step.active), np.bool_)
    if step.faults:
        cut[list(step.faults)] = True
        if cut.all():
            first = next(iter(step.faults.values()))
            raise EnvironmentFaultError(f"Faults ended all {len(cut)} episodes by {where}; the first was: {first}")
    return cut


class FullObservations:
    """The unmasked observations of one episode of every copy; none where observations are not masked."""

    def __init__(self, env: VecEnv, steps: int) -> None:
        """Start with the observation of `env` after its reset."""
        self.env = env if isinstance(env, MaskedEnv) else None
        self.obs = np.empty((steps + 1, env.num_envs, env.obs_dim), np.float32) if self.env else None
        self.note(0)

    def note(self, t: int) -> None:
        """Record the current observation as that after step t."""
        if self.env is not None and self.obs is not None:
            self.obs[t] = self.env.full_obs


def rewards(episodes: EpisodeBatch, reward: Reward, where: str) -> Array:
    """Return the learned reward (T, N) float32.

    Raises:
        ShapeError: `reward` gives another shape.
        NonFiniteError: NaN or infinity among it.
    """
    obs = episodes.judged
    if episodes.numbers is not None:
        obs = np.concatenate([obs, episodes.numbers[..., None].astype(np.float32)], axis=-1)
    value = np.asarray(reward(obs[:-1], episodes.applied, obs[1:]), np.float32)
    if value.shape != episodes.active.shape:
        raise ShapeError("the learned reward", episodes.active.shape, value.shape)
    if not np.isfinite(value).all():
        raise NonFiniteError("The learned reward", where, KEPT)
    return value


def refresh_reward(reward: Reward, run: Run, iteration: int) -> bool:
    """Let a reward that follows a file reload it if it is newer; the result is logged in the run's events.

    Returns:
        Whether the reward has changed.
    """
    refresh = getattr(reward, "refresh", None)
    if refresh is None:
        return False
    changed, news = refresh()
    if news:
        run.event(news, iteration=iteration)
    return bool(changed)
