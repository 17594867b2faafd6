"""What-if rollouts: several things that a policy might do from one frame, each carried on for a second or two.

A candidate is the policy's own action with a deviation out of its exploration noise, held for a moment so that one sees
what it leads to; then the policy acts as it would. The first candidate has none, the others are the draws that
are farthest from those before them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Source, VecEnv
from robo_rlhf.policies.base import Actor
from robo_rlhf.rollouts.control_loop import control_loop
from robo_rlhf.rollouts.rollout import Recorder

HOLD = 0.4  # [s] for which a candidate's deviation is held
SECONDS = 1.5  # [s] of a rollout
DRAWS, BOLDNESS = 16, 2.0  # draws that candidates are chosen from; their deviation, in those of the exploration
SAME = 0.05  # largest difference of an action, in a range of -1 to 1, that nobody could see in so short a time


class Frame(NamedTuple):
    """A frame to act from."""

    episode: Episode
    number: int


def what_if(
    env: VecEnv, actor: Actor, frames: Sequence[Frame], rng: np.random.Generator, count: int
) -> list[list[Episode]]:
    """Return `count` rollouts from each frame, the policy's own first; episode k of frame i is called "i-k".

    Args:
        env: copies of the task, at least `count`.
        actor: the policy.
        frames: of episodes of the task, each with as many steps after it as a rollout has.
        rng: the source of the candidates.
        count: candidates of each frame.

    Raises:
        InvalidValueError: a frame is too near the end, or its state cannot be entered; or the policy does the same
            whatever its noise.
    """
    found = list[list[Episode]]()
    together = env.num_envs // count
    if not together:
        raise InvalidValueError("copies of the environment", env.num_envs, f"at least the {count} candidates")
    for frame in frames:
        _check(env, frame)
    for first in range(0, len(frames), together):
        some = list(frames[first : first + together])
        states = np.repeat([frame.episode.state[frame.number] for frame in some], count, axis=0)
        states = np.concatenate([states, np.repeat(states[-1:], env.num_envs - len(states), axis=0)])
        noise = _candidates(actor, env.set_state(states), rng, count, some)
        names = [f"{first + i}-{k}" for i in range(len(some)) for k in range(count)]
        seeds = [frame.episode.meta.seed for frame in some for _ in range(count)]
        episodes = _roll_out(env, actor, states, noise, dict(enumerate(names)), seeds)
        found += [episodes[i * count : (i + 1) * count] for i in range(len(some))]
    return found


def steps_of(env: VecEnv) -> int:
    """Return how many steps a rollout has."""
    return max(1, round(SECONDS / env.control_dt))


def held_steps(control_dt: float) -> int:
    """Return for how many steps a candidate's deviation is held; `control_dt` [s]."""
    return max(1, round(HOLD / control_dt))


def _check(env: VecEnv, frame: Frame) -> None:
    episode, last = frame.episode, len(frame.episode) - steps_of(env)
    about = f"frame of episode {episode.meta.id} to act from"
    if not 0 <= frame.number <= last:
        expected = f"one with a rollout of {steps_of(env)} steps after it, 0 to {last}" if last >= 0 else "a longer one"
        raise InvalidValueError(about, frame.number, expected)
    size = env.get_state().shape[1]
    if episode.state.shape[1] != size or not size:
        given = f"{frame.number}, with a state of {episode.state.shape[1]} numbers"
        raise InvalidValueError(about, given, f"one whose state can be entered, of {size} numbers in {env.name}")


@torch.inference_mode()
def _candidates(actor: Actor, obs: Array, rng: np.random.Generator, count: int, frames: Sequence[Frame]) -> Array:
    """Return the noise (N, act_dim) that each copy's candidate holds."""
    actor.reset(len(obs))
    features = actor.features(obs)
    noise = np.zeros((len(obs), actor.act_dim), np.float32)
    for i, frame in enumerate(frames):
        draws = BOLDNESS * rng.standard_normal((DRAWS, actor.act_dim), np.float32)
        draws = np.concatenate([np.zeros_like(draws[:1]), draws])
        here = features[i * count].expand(len(draws), -1)
        action = actor.explore(here, torch.from_numpy(draws)).numpy()  # (DRAWS + 1, act_dim)
        chosen, nearest = [0], np.abs(action - action[0]).max(1)
        while len(chosen) < count:
            chosen.append(int(nearest.argmax()))
            if nearest[chosen[-1]] < SAME:
                given = f"the same {len(draws)} times at frame {frame.number} of episode {frame.episode.meta.id}"
                raise InvalidValueError("actions of the policy", given, f"{count} that differ: one that explores")
            nearest = np.minimum(nearest, np.abs(action - action[chosen[-1]]).max(1))
        noise[i * count : (i + 1) * count] = draws[chosen]
    return noise


def _roll_out(
    env: VecEnv, actor: Actor, states: Array, noise: Array, names: Mapping[int, str], seeds: Sequence[int]
) -> list[Episode]:
    steps, hold = steps_of(env), held_steps(env.control_dt)
    recorder = Recorder(env, steps)
    obs = recorder.start(env.set_state(states))
    actor.reset(len(obs))

    def act(obs: Array) -> Array:
        with torch.inference_mode():
            held = noise if recorder.t < hold else np.zeros_like(noise)
            action: Array = actor.explore(actor.features(obs), torch.from_numpy(held)).numpy()
        return recorder.admit(action)

    for step in control_loop(env, act, obs):
        recorder.add(step, Source.POLICY)
        if not recorder.running:
            break
    copies = iter(range(len(names)))
    fields: dict[str, Any] = {"device": "policy"}
    return recorder.episodes(np.array(seeds), lambda seed: {**fields, "id": names[next(copies)]})
