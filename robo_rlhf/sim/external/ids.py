"""Outside environments by name: "Pusher-v5", "my_package:MyEnv-v0", "Meta-World/MT1:button-press-v3".

A name is a Gymnasium id. What follows an id with a namespace after a colon is a task of that environment. The package
that registers a known namespace is imported; for others, the name says which module to import, as Gymnasium has it.
"Pusher-v5@50" is the same environment with episodes of 50 steps: the length is part of the name, so demonstrations,
policies and pictures of it all know it.
"""

import contextlib
import importlib
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import EnvSpec, parse_env_id

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, MissingDependencyError, UnknownNameError
from robo_rlhf.sim.external.checks import raised


class Plugin(NamedTuple):
    """A package that registers environments, and how one of its tasks is asked for."""

    module: str
    install: str  # what to give to pip
    task_argument: str = ""  # the keyword of `gymnasium.make` that takes the task; empty where there are none
    tasks: str = ""  # what in the module lists the tasks
    arguments: tuple[tuple[str, Any], ...] = ()  # further keywords
    drawing: tuple[tuple[str, Any], ...] = ()  # further keywords where pictures are wanted
    upside_down: bool = False  # whether the camera of `drawing` is


META_WORLD = Plugin(
    "metaworld",
    "metaworld 'gymnasium[mujoco]'",
    task_argument="env_name",
    tasks="ALL_V3_ENVIRONMENTS",
    arguments=(("seed", 0),),  # it draws a list of 50 goals when it is made: the same list for every copy
    drawing=(("camera_name", "corner4"),),  # its own choice looks from behind the robot
    upside_down=True,
)
PLUGINS = {
    "Meta-World": META_WORLD,
    "dm_control": Plugin("shimmy", "'shimmy[dm-control]'"),
    "gym_hil": Plugin("gym_hil", "gym-hil"),
}


def is_outside(name: str) -> bool:
    """Whether `name` is written as a Gymnasium id ("Pusher-v5", "Meta-World/MT1:door-open-v3")."""
    return "/" in name or "-v" in name


class Recipe(NamedTuple):
    """What one copy of an environment is made from."""

    name: str
    spec: EnvSpec
    arguments: dict[str, Any]
    plugin: Plugin | None
    portable: bool  # whether another process can find it too
    limit: int | None = None  # steps an episode, where the name says so

    def make(self, horizon: int | None = None, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Make one copy, with another time limit than its name's or its own where `horizon` is given (-1: none).

        Raises:
            MissingDependencyError: a library that the environment stands on is not installed.
            EnvironmentFaultError: it raises something else.
            InvalidValueError: it cannot draw itself.
        """
        drawing = dict(self.plugin.drawing) if self.plugin else {}
        extra = {} if render_mode is None else {"render_mode": render_mode, **drawing}
        try:
            with _mujoco_warns_the_log():
                env = gymnasium.make(
                    self.spec,
                    max_episode_steps=horizon or self.limit,
                    disable_env_checker=True,
                    **self.arguments,
                    **extra,
                )
        except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
            advice = "Install it, or choose another environment."
            raise MissingDependencyError(str(error).rstrip("."), f"environment {self.name}", advice) from error
        except Exception as error:  # an environment of others may raise anything
            raise EnvironmentFaultError(f"{self.name} {raised('making', error)}") from error
        modes = env.metadata.get("render_modes") or []
        if render_mode is not None and render_mode not in modes:
            env.close()
            raise InvalidValueError(f"pictures of {self.name}", f"render modes {modes}", f"render mode {render_mode!r}")
        return env


def find(name: str) -> Recipe:
    """Return how to make the outside environment called `name`.

    Raises:
        UnknownNameError: no such id or task is registered; suggests the nearest.
        MissingDependencyError: the package of its namespace or the module it names is not installed.
        EnvironmentFaultError: that module raises something when it is imported.
        InvalidValueError: no task is named for an environment that has some, or one for an environment that has
            none; or the environment comes only in batches of its own; or the name's length of episodes is none.
    """
    whole, limit = split_limit(name)
    env_id, task = split_task(whole)
    module, _, bare = env_id.rpartition(":")
    namespace = bare.rpartition("/")[0]
    plugin = PLUGINS.get(namespace)
    if module:
        _import(module, name, f"Install the package that holds the module {module!r}, or correct its name.")
    elif plugin:
        _import(plugin.module, name, f"Run: pip install {plugin.install}")
    spec = _spec(bare, name)
    if spec.entry_point is None:
        raise InvalidValueError("environment", name, "one that Gymnasium can make a single copy of")
    arguments = dict(plugin.arguments) if plugin else {}
    if plugin and plugin.task_argument:
        arguments[plugin.task_argument] = _known_task(plugin, bare, task)
    elif task:
        raise InvalidValueError(f"task of environment {bare}", repr(task), "none: this environment has no tasks")
    portable = bool(plugin or module or isinstance(spec.entry_point, str))
    return Recipe(name, spec, arguments, plugin, portable, limit)


def split_limit(name: str) -> tuple[str, int | None]:
    """Split "ID@50" into the id and the steps of an episode; None where the name does not say.

    >>> split_limit("Pusher-v5@50")
    ('Pusher-v5', 50)
    >>> split_limit("Pusher-v5")
    ('Pusher-v5', None)

    Raises:
        InvalidValueError: what follows "@" is no number of steps.
    """
    whole, sign, steps = name.partition("@")
    if not sign:
        return name, None
    if not steps.isdecimal() or not int(steps):
        raise InvalidValueError(f"steps of an episode in {name}", repr(steps), "a number from 1 after the @")
    return whole, int(steps)


def split_task(name: str) -> tuple[str, str]:
    """Split "NAMESPACE/ID:task" into id and task; the task is "" where there is none.

    >>> split_task("Meta-World/MT1:button-press-v3")
    ('Meta-World/MT1', 'button-press-v3')
    >>> split_task("my_package:MyEnv-v0")
    ('my_package:MyEnv-v0', '')
    """
    head, _, tail = name.rpartition(":")
    return (head, tail) if "/" in head else (name, "")


@contextlib.contextmanager
def _mujoco_warns_the_log() -> Iterator[None]:
    """Log what MuJoCo says of a model; by itself it prints it and writes a file into the current folder."""
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(logging.getLogger(__name__).info)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def _spec(bare: str, name: str) -> EnvSpec:
    """Return the registered spec of an id without module and task."""
    if bare in gymnasium.registry:
        return gymnasium.registry[bare]
    try:
        namespace = parse_env_id(bare)[0]
    except gymnasium.error.Error:
        namespace = None
    known = sorted(key for key, spec in gymnasium.registry.items() if spec.namespace == namespace and spec.entry_point)
    if namespace and not known:
        advice = f"Install the package that registers {namespace}/..., and name its module: --env MODULE:{bare}"
        raise MissingDependencyError(f"The namespace {namespace!r}", f"environment {name}", advice)
    newest = {spec.name: key for key, spec in sorted(gymnasium.registry.items(), key=lambda item: item[1].version or 0)}
    raise UnknownNameError("environment", name, [key for key in known if key in newest.values()])


def _known_task(plugin: Plugin, bare: str, task: str) -> str:
    tasks = list(getattr(importlib.import_module(plugin.module), plugin.tasks))
    if not task:
        raise InvalidValueError(f"task of {bare}", "none", f"{bare}:TASK with one of: {', '.join(sorted(tasks))}")
    if task not in tasks:
        raise UnknownNameError(f"task of {bare}", task, tasks)
    return task


def _import(module: str, name: str, advice: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"The package {error.name or module!r}", f"environment {name}", advice) from error
    except Exception as error:  # the module of others may raise anything
        raise EnvironmentFaultError(f"The module {module!r} of {name} {raised('its import', error)}") from error
