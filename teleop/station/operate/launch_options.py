"""The launch options of a session: tasks, datasets, policies; read from files, without torch and MuJoCo."""

import ast
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from robo_rlhf.core import guests
from robo_rlhf.core.seal import parse_json
from robo_rlhf.data.layout import list_datasets
from robo_rlhf.sim.envs.registration import task_files
from robo_rlhf.sim.robots import DEFAULT, ROBOTS
from robo_rlhf.sim.tasks import TASKS

ARM = "ArmTask"  # the class that tasks of arms derive from
OUTSIDE = "An environment from outside, of Gymnasium."
MOST = 100  # policies that are listed, the newest first


class TaskChoice(NamedTuple):
    """A task, and the first line of its docstring."""

    name: str
    about: str
    arm: bool = False  # whether it is an arm's, which may be another


class PolicyChoice(NamedTuple):
    """A trained policy, or a trained reward model."""

    path: str  # within the data home
    task: str


@cache
def tasks() -> tuple[TaskChoice, ...]:
    """Return all tasks by name: the files of the tasks' package, and those of guests that are allowed; none is run."""
    found = []
    for name, path in task_files().items():
        tree = ast.parse(path.read_text())
        text = ast.get_docstring(tree) or ""
        found.append(TaskChoice(name, _about(text.removeprefix(f"{name}: ")), bool(_derived(tree, ARM))))
    named = {point.name: point.value for point in guests.installed(TASKS.group).values()}
    named |= {name: name for module in guests.listed() for name in _classes(module, "Task")}
    arms = {name for module in guests.listed() for name in _classes(module, ARM)}
    strange = sorted(named.items())
    return tuple(
        [*found, *(TaskChoice(name, _about(_docstring(value)), value in arms) for name, value in strange)],
    )


def robots() -> tuple[str, ...]:
    """Return the robots that an arm's task may run with, by name, the usual one first; those of guests among them."""
    guest = [name for module in guests.listed() for name in _classes(module, "Robot")]
    return (DEFAULT, *(name for name in dict.fromkeys([*ROBOTS, *guest]) if name != DEFAULT))


def _about(text: str) -> str:
    """Return the first line of a docstring as a sentence."""
    line = text.partition("\n")[0]
    return line[:1].upper() + line[1:]


def _classes(module: str, base: str) -> list[str]:
    """Return "module:Class" of the classes in a module that are written as derived from one whose name ends so."""
    return [f"{module}:{name}" for name in _derived(_tree(module), base)]


def _derived(tree: ast.Module, base: str) -> list[str]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node.name for node in classes if any(ast.unparse(b).endswith(base) for b in node.bases)]


def _docstring(reference: str) -> str:
    """Return the docstring of a class that is called "module:Class"; empty where there is none."""
    module, _, name = reference.partition(":")
    classes = [node for node in _tree(module).body if isinstance(node, ast.ClassDef) and node.name == name]
    return (ast.get_docstring(classes[0]) or "") if classes else ""


def _tree(module: str) -> ast.Module:
    """Return the syntax of a module; nothing where it has no file, or one that is no Python."""
    source = guests.source_of(module)
    try:
        return ast.parse(source.read_text()) if source else ast.Module([], [])
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], [])


def task(name: str) -> TaskChoice | None:
    """Return a task by its name, also one with another robot ("reach@arm6"); None where there is none."""
    base, sign, robot = name.partition("@")
    found = next((choice for choice in tasks() if choice.name == base), None)
    if found is None or not sign:
        return found
    return TaskChoice(name, f"{found.about} With the robot {robot}.") if found.arm and name in TASKS else None


def world(name: str, environments: Collection[str]) -> TaskChoice | None:
    """Return a task, or one of the outside `environments` that may be driven; None where it is neither."""
    return TaskChoice(name, OUTSIDE) if name in environments else task(name)


def datasets(home: Path) -> tuple[str, ...]:
    """Return the datasets that can be recorded into: those of the data home but for the samples."""
    return tuple(name for name in list_datasets(home) if not name.startswith("samples/"))


def policies(home: Path) -> tuple[PolicyChoice, ...]:
    """Return the trained policies of the runs in the data home, newest first."""
    return _checkpoints(home, "policy")


def rewards(home: Path) -> tuple[PolicyChoice, ...]:
    """Return the trained reward models of the runs in the data home, newest first."""
    return _checkpoints(home, "reward")


def _checkpoints(home: Path, kind: str) -> tuple[PolicyChoice, ...]:
    files = [(path.stat().st_mtime, path) for path in home.glob("runs/**/checkpoints/*.safetensors") if path.is_file()]
    found = []
    for _, path in sorted(files, reverse=True)[:MOST]:
        task = _task_of(path, kind)
        if task is not None:
            found.append(PolicyChoice(path.relative_to(home).as_posix(), task))
    return tuple(found)


def _task_of(path: Path, kind: str) -> str | None:
    """Return the task of the policy or reward in a checkpoint; None where it holds none or cannot be read."""
    try:
        with safe_open(path, framework="numpy") as file:
            meta = parse_json((file.metadata() or {})["meta"])
        return str(meta["task"]) if kind in meta else None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None
