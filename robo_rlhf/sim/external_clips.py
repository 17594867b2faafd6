"""Clips of outside environments: the actions of an episode are replayed from its seed, and the frames kept."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from robo_rlhf.errors import InvalidValueError, MissingDependencyError
from robo_rlhf.sim.external_copies import flatten, scale, seeded_reset
from robo_rlhf.sim.external_ids import find
from robo_rlhf.types import Array, Episode


class Replay(NamedTuple):
    """The frames of a replayed episode, and how far the replay strayed from what was recorded."""

    frames: Array  # (K, height, width, 3) uint8
    deviation: float  # largest difference from the recorded observations; 0 where the environment is deterministic


def replay_frames(episode: Episode, start: int = 0, stop: int | None = None, every: int = 1) -> Replay:
    """Draw frames `start`, `start` + `every`, ... before `stop` of an episode of an outside environment.

    An episode of T steps has T + 1 frames: frame i comes before action i. The episode must begin where its seed
    does; one whose beginning was trimmed away strays, which `deviation` tells.

    Raises:
        InvalidValueError: the environment cannot draw itself, or the frames are not all in the episode.
        MissingDependencyError: it draws with a package that is not installed.
    """
    stop = len(episode) + 1 if stop is None else stop
    if not 0 <= start < stop <= len(episode) + 1 or every < 1:
        given = f"{start} to {stop} in steps of {every}"
        raise InvalidValueError(f"frames of episode {episode.meta.id}", given, f"frames within 0 to {len(episode)}")
    from robo_rlhf.sim.gl import choose_backend

    choose_backend()
    recipe = find(episode.meta.task)
    env = recipe.make(horizon=-1, render_mode="rgb_array")
    _without_shadows(env)
    try:
        replay = _replay(env, episode, range(start, stop, every))
    except gymnasium.error.DependencyNotInstalled as error:
        what = str(error).split(",")[0].removesuffix(" is not installed")
        advice = "Install it to see clips; everything else works without."
        raise MissingDependencyError(what, f"drawing {recipe.name}", advice) from error
    finally:
        env.close()
    if recipe.plugin and recipe.plugin.upside_down:
        return replay._replace(frames=replay.frames[:, ::-1, ::-1])
    return replay


def _replay(env: Any, episode: Episode, wanted: range) -> Replay:
    obs = flatten(env.observation_space, seeded_reset(env, episode.meta.seed))
    commands = scale(env.action_space, episode.action)
    frames, deviation = [], 0.0
    for i in range(wanted[-1] + 1):
        deviation = max(deviation, float(np.abs(obs - episode.obs[i]).max(initial=0.0)))
        if i in wanted:
            frames.append(_picture(env.render(), episode.meta.task))
        if i < wanted[-1]:
            obs = flatten(env.observation_space, env.step(commands[i])[0])
    return Replay(np.stack(frames), deviation)


def _without_shadows(env: Any) -> None:
    """Have MuJoCo's environments draw no shadows: on a processor they take most of the time of a picture."""
    quality = getattr(getattr(getattr(env.unwrapped, "model", None), "vis", None), "quality", None)
    if quality is not None:
        quality.shadowsize = 0


def _picture(frame: Any, name: str) -> Array:
    picture = np.asarray(frame)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        given = f"{picture.dtype} {picture.shape}"
        raise InvalidValueError(f"pictures of {name}", given, "uint8 (height, width, 3) from render mode 'rgb_array'")
    return picture
