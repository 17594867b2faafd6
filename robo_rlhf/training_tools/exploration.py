"""Blocks for a replay buffer: a policy's exploring episodes, and demonstrations with that policy's features."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array, Episode, Observation, VecEnv
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.sim.envs.partial_observation import MaskedEnv
from robo_rlhf.training_tools.experience import EpisodeBatch
from robo_rlhf.training_tools.replay_buffer import Block
from robo_rlhf.training_tools.shaping import RewardObjective


def explored_block(episodes: EpisodeBatch, noted: Mapping[str, Array], *, finite: bool = True) -> Block:
    """Return one episode of every copy as a block, with what is `noted` of it, (T, N) each."""
    assert episodes.cut is not None
    goes_on = episodes.active[-1] & (not finite) | episodes.cut  # cut: its last observation counts with its value
    features = episodes.features.numpy()
    return Block(features, episodes.applied, episodes.active, goes_on, noted, episodes.full_obs)


@torch.no_grad()
def demonstration_block(
    demonstrations: Sequence[Episode],
    actor: TanhGaussianPolicy,
    env: VecEnv,
    shaping: RewardObjective,
    *,
    finite: bool = True,
    seed: int = 0,
) -> Block | None:
    """Return demonstrations as one block, cut at the horizon, with the policy's features; None without any.

    Raises:
        InvalidValueError: a demonstration without a step or of another task, or one that lacks what the reward needs.
        ShapeError: one of another shape.
    """
    shown = [episode.slice(0, min(len(episode), env.horizon)) for episode in demonstrations]
    if not shown:
        return None
    for episode in shown:
        _check_demonstration(episode, env)
    if "terms" in shaping.reward.needs:
        raise InvalidValueError("reward", repr(shaping.reward.text), "no term(...): demonstrations do not hold them")
    steps, n, length = max(map(len, shown)), len(shown), np.array([len(episode) for episode in shown])
    obs = _stacked(shown, steps)
    observation_mask = env.observation_mask if isinstance(env, MaskedEnv) else None
    seen = obs if observation_mask is None else _stacked([observation_mask.apply_to_episode(e) for e in shown], steps)
    action = np.stack([np.pad(e.action, ((0, steps - len(e)), (0, 0))) for e in shown], axis=1)
    actor.seed(seed)
    actor.reset(n)
    look = _looker(actor, shown, steps, env)
    features = np.stack([actor.features(look(t, row)).numpy() for t, row in enumerate(seen)])
    inputs = {"task": [e.reward for e in shown], "success": [_succeeds(e) for e in shown]}
    noted: dict[str, Array] = {
        need: np.stack([np.pad(value, (0, steps - len(value))) for value in inputs[need]], axis=1)
        for need in sorted(shaping.reward.needs - {"learned", "live"})
    }
    goes_on = (length < env.horizon) | (not finite)
    whole = None if observation_mask is None else obs
    return Block(features, action, np.arange(steps)[:, None] < length, goes_on, noted, whole)


def _looker(
    actor: TanhGaussianPolicy, shown: Sequence[Episode], steps: int, env: VecEnv
) -> Callable[[int, Array], Array | Observation]:
    """Return what adds the pictures of demonstrations to their observations (N, obs_dim), where the base looks."""
    base = actor.base
    if not isinstance(base, VisualPolicy) or base.observer is None:
        return lambda t, obs: obs
    sizes = {episode.state.shape[1] for episode in shown} - {env.get_state().shape[1]}
    if sizes:
        expected = "demonstrations with states of this scene, whose pictures can be drawn; or none: --demos 0"
        raise InvalidValueError("demonstrations for SAC with cameras", "some without such states", expected)
    states = np.stack([np.pad(e.state, ((0, steps - len(e)), (0, 0)), mode="edge") for e in shown], axis=1)
    observer = base.observer
    return lambda t, obs: observer.observe(obs, states[t]) if base.attends() else obs


def _stacked(episodes: Sequence[Episode], steps: int) -> Array:
    """Return observations (steps + 1, N, obs_dim) of episodes, the last of each repeated to the end."""
    return np.stack([np.pad(e.obs, ((0, steps - len(e)), (0, 0)), mode="edge") for e in episodes], axis=1)


def _succeeds(episode: Episode) -> Array:
    """Return (T,) whether each step succeeds; where only the whole was marked a success, the last one does."""
    marked: Array = episode.success[1:].copy()
    if episode.meta.outcome == "success" and not marked.any():
        marked[-1] = True
    return marked


def _check_demonstration(episode: Episode, env: VecEnv) -> None:
    what, sizes = f"demonstration {episode.meta.id}", (episode.obs.shape[1], episode.action.shape[1])
    if not len(episode):
        raise InvalidValueError(what, "an episode of 0 steps", "at least one step")
    if episode.meta.task != env.name:
        raise InvalidValueError(what, f"one of {episode.meta.task}", f"one of {env.name}")
    if sizes != (env.obs_dim, env.act_dim):
        raise ShapeError(f"(observation, action) sizes of {what}", (env.obs_dim, env.act_dim), sizes)
