"""Outside environments by name: "Pusher-v5", "my_package:MyEnv-v0", "Meta-World/MT1:button-press-v3".

A name is a Gymnasium id. After an id with a namespace, a colon and the name of a task of that environment may follow.
The package that registers a known namespace is imported; for others, the name holds the module to import, as in
Gymnasium. "Pusher-v5@50" is the same environment with episodes of 50 steps: the length is part of the name, so that
demonstrations, policies and clips of it all use it. So are arguments of the environment, each a plain value:
"Pusher-v5+frame_skip=2@50".
"""

import contextlib
import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator, parse_env_id

from robo_rlhf.core import guests
from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, MissingDependencyError, UnknownNameError
from robo_rlhf.sim.external.checks import raised
from robo_rlhf.sim.external.collections import fault_of
from robo_rlhf.sim.external.printing import printing
from robo_rlhf.sim.physics.model_warnings import mujoco_warns_the_log


def _no_pictures_of_dm_control(env: gymnasium.Env[Any, Any]) -> None:
    """Have an environment over dm_control give black pictures, which take no time, in its observations."""

    def black(height: int = 240, width: int = 320, *_: Any, **__: Any) -> Any:
        return np.zeros((height, width, 3), np.uint8)

    env.unwrapped._env.physics.render = black  # type: ignore[attr-defined]


class Plugin(NamedTuple):
    """A package that registers environments, and how one of its tasks is selected."""

    module: str
    install: str  # requirement for pip
    task_argument: str = ""  # the keyword of `gymnasium.make` that takes the task; empty where there are none
    tasks: str = ""  # attribute of the module that lists the tasks
    arguments: tuple[tuple[str, Any], ...] = ()  # further keywords
    drawing: tuple[tuple[str, Any], ...] = ()  # further keywords for rendering
    upside_down: bool = False  # whether the camera of `drawing` is
    blind: Callable[[gymnasium.Env[Any, Any]], None] | None = None  # stops drawing what observations leave out


META_WORLD = Plugin(
    "metaworld",
    "metaworld 'gymnasium[mujoco]'",
    task_argument="env_name",
    tasks="ALL_V3_ENVIRONMENTS",
    arguments=(("seed", 0),),  # it samples a list of 50 goals on creation: the same list for every copy
    drawing=(("camera_name", "corner4"),),  # its default camera is behind the robot
    upside_down=True,
)
PLUGINS = {
    "Meta-World": META_WORLD,
    "dm_control": Plugin("shimmy", "'shimmy[dm-control]'"),
    "gym_hil": Plugin("gym_hil", "gym-hil"),
    "gym_aloha": Plugin("gym_aloha", "gym-aloha", blind=_no_pictures_of_dm_control),  # draws three a step else
    "gym_pusht": Plugin("gym_pusht", "gym-pusht"),
}


SEED_SIGN = "#"  # between the name of an environment and the seed of the episode whose model is drawn
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_CONSTANTS = {"true": True, "false": False, "none": None, "True": True, "False": False, "None": None}


def is_outside(name: str) -> bool:
    """Whether `name` is written as a Gymnasium id ("Pusher-v5", "Meta-World/MT1:door-open-v3")."""
    return "/" in name or "-v" in name


def naming(name: str) -> str:
    """Return how a command line names a task or an outside environment.

    >>> naming("reach"), naming("Pusher-v5")
    ('--task reach', '--env Pusher-v5')
    """
    return f"--env {name}" if is_outside(name) else f"--task {name}"


def scene_name(task: str, seed: int) -> str:
    """Return the name of the scene of an outside environment whose model depends on the seed of the episode."""
    return f"{task}{SEED_SIGN}{seed}"


class Recipe(NamedTuple):
    """How to make one copy of an environment."""

    name: str
    spec: EnvSpec
    arguments: dict[str, Any]
    plugin: Plugin | None
    portable: bool  # whether another process can import it too
    limit: int | None = None  # steps per episode, where the name holds them
    render_mode: str | None = None  # of all copies

    @property
    def is_blind(self) -> bool:
        """Whether pictures in its observations are not drawn, since the cameras of its scene show the same."""
        return self.plugin is not None and self.plugin.blind is not None

    def rendering(self, render_mode: str | None) -> "Recipe":
        """Return the recipe of copies that render in a mode, whenever they are made; itself where None."""
        return self if render_mode is None else self._replace(render_mode=render_mode)

    def make(self, horizon: int | None = None, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Make one copy; `horizon`, where given, replaces the time limit of its name or its default (-1: no limit).

        Raises:
            MissingDependencyError: a library that the environment needs is not installed.
            EnvironmentFaultError: it raises another exception.
            InvalidValueError: it cannot render images.
        """
        render_mode = render_mode or self.render_mode
        entry = self.spec.entry_point
        with contextlib.suppress(ImportError, AttributeError):  # reported below
            made = load_env_creator(entry) if isinstance(entry, str) else entry
            self._check_renders(made.metadata, render_mode)  # type: ignore[union-attr]  # a function has none
        drawing = dict(self.plugin.drawing) if self.plugin else {}
        extra = {} if render_mode is None else {"render_mode": render_mode, **drawing}
        try:
            with mujoco_warns_the_log(), printing(self.name):
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
        except Exception as error:  # an external environment may raise anything
            raise fault_of(self.spec, f"{self.name} {raised('making', error)}") from error
        try:
            self._check_renders(env.metadata, render_mode)
        except InvalidValueError:
            env.close()
            raise
        if self.plugin and self.plugin.blind and render_mode is None:
            self.plugin.blind(env)
        return env

    def _check_renders(self, metadata: Any, render_mode: str | None) -> None:
        """Check that an environment of this metadata can render in a mode.

        Raises:
            InvalidValueError: it cannot.
        """
        modes = metadata.get("render_modes") or []
        if render_mode is not None and render_mode not in modes:
            raise InvalidValueError(f"pictures of {self.name}", f"render modes {modes}", f"render mode {render_mode!r}")


def find(name: str) -> Recipe:
    """Return how to make the outside environment called `name`.

    Raises:
        UnknownNameError: no such id or task is registered; suggests the nearest.
        NotAllowedError: it names a module, and nothing else does.
        MissingDependencyError: the package of its namespace or the module it names is not installed.
        EnvironmentFaultError: that module raises an exception on import.
        InvalidValueError: no task is named for an environment that has some, or one for an environment that has
            none; or the environment exists only as a vector environment; or the name's length of episodes, or an
            argument in it, is invalid.
    """
    whole, limit = split_limit(name)
    whole, extra = split_arguments(whole)
    env_id, task = split_task(whole)
    module, _, bare = env_id.rpartition(":")
    namespace = bare.rpartition("/")[0]
    plugin = PLUGINS.get(namespace)
    if module:
        guests.check(module, "environment", name)
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
    arguments |= extra
    portable = bool(plugin or module or isinstance(spec.entry_point, str))
    return Recipe(name, spec, arguments, plugin, portable, limit)


def split_limit(name: str) -> tuple[str, int | None]:
    """Split "ID@50" into the id and the steps of an episode; None where the name has no length.

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


def split_arguments(name: str) -> tuple[str, dict[str, Any]]:
    """Split "ID+key=value+key=value" into the id and its arguments, without a length of episodes.

    >>> split_arguments("Pusher-v5+frame_skip=2+fast=true+mode=hard")
    ('Pusher-v5', {'frame_skip': 2, 'fast': True, 'mode': 'hard'})

    Raises:
        InvalidValueError: an argument is not key=value, or its value is not a number, true, false, none or a word.
    """
    whole, *given = name.split("+")
    return whole, dict(_argument(one, name) for one in given)


def with_arguments(name: str, given: Sequence[str]) -> str:
    """Return the name of an environment with arguments "key=value" added.

    >>> with_arguments("Pusher-v5@50", ["frame_skip=2"])
    'Pusher-v5+frame_skip=2@50'

    Raises:
        InvalidValueError: one of them is none.
    """
    for one in given:
        _argument(one, name)
    whole, sign, steps = name.partition("@")
    return "".join([whole, *(f"+{one}" for one in given), sign, steps])


def _argument(given: str, name: str) -> tuple[str, Any]:
    """Return key and value of an argument; names come out of files too, so no value may be a path or code."""
    key, sign, value = given.partition("=")
    if not sign or not key.isidentifier() or not _PLAIN.fullmatch(value):
        expected = "KEY=VALUE, whose value is a number, true, false, none, or a word of letters, digits, _, . and -"
        raise InvalidValueError(f"argument of environment {name}", repr(given), expected)
    if value in _CONSTANTS:
        return key, _CONSTANTS[value]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return key, kind(value)
    return key, value


def split_task(name: str) -> tuple[str, str]:
    """Split "NAMESPACE/ID:task" into id and task; the task is "" where there is none.

    >>> split_task("Meta-World/MT1:button-press-v3")
    ('Meta-World/MT1', 'button-press-v3')
    >>> split_task("my_package:MyEnv-v0")
    ('my_package:MyEnv-v0', '')
    """
    head, _, tail = name.rpartition(":")
    return (head, tail) if "/" in head else (name, "")


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
        with printing(name):
            importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"The package {error.name or module!r}", f"environment {name}", advice) from error
    except Exception as error:  # the module of others may raise anything
        raise EnvironmentFaultError(f"The module {module!r} of {name} {raised('its import', error)}") from error
