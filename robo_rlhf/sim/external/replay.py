"""Clips of outside environments: the actions of an episode are replayed from its seed, and the frames recorded."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, MissingDependencyError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.sim.external.checks import Violation, picture_of, raised, step_of
from robo_rlhf.sim.external.copies import close_env, seeded_reset
from robo_rlhf.sim.external.ids import Recipe, find
from robo_rlhf.sim.external.physics import untouched
from robo_rlhf.sim.external.printing import printing
from robo_rlhf.sim.external.spaces import Actions, Observations
from robo_rlhf.sim.rendering.gl import choose_backend

NOT_DRAWN = "No clip can be drawn of it; what was recorded stays."


class ReplayedFrames(NamedTuple):
    """The frames of a replayed episode, and the deviation of the replay from the recording."""

    frames: Array  # (K, height, width, 3) uint8
    deviation: float  # largest difference from the recorded observations; 0 where the environment is deterministic


def replay_frames(episode: Episode, chosen: Sequence[int] | None = None, camera: str = "") -> ReplayedFrames:
    """Render the `chosen` frames of an episode of an outside environment, numbers that rise; all of them where None.

    An episode of T steps has T + 1 frames: frame i comes before action i. The episode must begin at its seed's initial
    state; the replay of one whose beginning was trimmed deviates, as `deviation` shows. With a `camera`, one of
    `observed_cameras`, they are its pictures in the observations, and nothing is rendered.

    Raises:
        InvalidValueError: the environment cannot render images, or the frames are not all in the episode.
        MissingDependencyError: it renders with a package that is not installed.
        EnvironmentFaultError: it raises, or gives an invalid observation or image.
    """
    chosen = range(len(episode) + 1) if chosen is None else chosen
    if not chosen or not 0 <= min(chosen) <= max(chosen) <= len(episode):
        given = f"{chosen[0]} to {chosen[-1]}" if chosen else "none"
        raise InvalidValueError(f"frames of episode {episode.meta.id}", given, f"frames within 0 to {len(episode)}")
    recipe = find(episode.meta.task)
    with _made(recipe, None if camera else "rgb_array") as env:
        replay = _replay(env, episode, chosen, camera)
    if camera:
        return replay
    if recipe.plugin and recipe.plugin.upside_down:
        return replay._replace(frames=replay.frames[:, ::-1, ::-1])
    return replay


@lru_cache(maxsize=16)
def observed_cameras(task: str) -> Mapping[str, str]:
    """Return the cameras whose pictures an outside environment observes, by name: why it is none, or an empty text.

    Raises:
        RoboRlhfError: there is no such environment, or it cannot be made.
    """
    recipe = find(task)
    env = recipe.make()
    try:
        return Observations(env.observation_space, f"observation space of {task}", blind=recipe.is_blind).cameras
    finally:
        close_env(env, task)


def render_once(recipe: Recipe) -> Array:
    """Return the image (height, width, 3) uint8 with which an episode begins; raises as `replay_frames`."""
    with _made(recipe, "rgb_array") as env:
        seeded_reset(env, 0)
        return picture_of(env.render(), None)


@contextmanager
def _made(recipe: Recipe, render_mode: str | None) -> Iterator[gymnasium.Env[Any, Any]]:
    """Provide a copy for a replay, which renders images in a mode; what it raises becomes an error of ours."""
    choose_backend()
    env = recipe.make(horizon=-1, render_mode=render_mode)
    draw_fast(env)
    try:
        with printing(recipe.name):
            yield env
    except gymnasium.error.DependencyNotInstalled as error:
        what = str(error).split(",")[0].removesuffix(" is not installed")
        advice = "Install it to see clips; everything else works without."
        raise MissingDependencyError(what, f"drawing {recipe.name}", advice) from error
    except Violation as error:
        raise EnvironmentFaultError(f"{recipe.name} {error}", NOT_DRAWN) from error
    except Exception as error:  # an external environment may raise anything
        raise EnvironmentFaultError(f"{recipe.name} {raised('a replay', error)}", NOT_DRAWN) from error
    finally:
        close_env(env, recipe.name)


def _replay(env: Any, episode: Episode, wanted: Sequence[int], camera: str) -> ReplayedFrames:
    """Return the frames; raises Violation, or any exception of the environment."""
    what = f"observation space of {episode.meta.task}"
    reader = Observations(env.observation_space, what, blind=find(episode.meta.task).is_blind)
    seen = seeded_reset(env, episode.meta.seed)
    commands = Actions(env.action_space, episode.meta.task).commands(episode.action)
    frames, deviation = list[Array](), 0.0
    for i in range(wanted[-1] + 1):
        deviation = max(deviation, float(np.abs(reader.row(seen) - episode.obs[i]).max(initial=0.0)))
        if i in wanted and camera:
            frames.append(reader.pictures(seen)[camera].copy())
        elif i in wanted:
            with untouched(env):
                picture = env.render()
            frames.append(picture_of(picture, frames[-1].shape if frames else None))
        if i < wanted[-1]:
            seen = step_of(env.step(commands[i]))[0]
    return ReplayedFrames(np.stack(frames), deviation)


def draw_fast(env: Any) -> None:
    """Disable shadows and multisampling in MuJoCo's environments: on a CPU they take most of the rendering time."""
    quality = getattr(getattr(getattr(env.unwrapped, "model", None), "vis", None), "quality", None)
    if quality is not None:
        quality.shadowsize = quality.offsamples = 0
