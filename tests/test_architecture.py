"""The architecture: no import cycles, every module in a layer, packages of limited size, one meaning per name."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from robo_rlhf.sim.envs.registration import task_files
from robo_rlhf.sim.tasks import TASKS

ROOT = Path(__file__).parents[1]
PACKAGES = ("robo_rlhf", "teleop", "sim_assets")
MOST_MODULES = 14  # in a room, `__init__` aside
MOST_REPEATED = 8  # names of classes
ONE_FILE_A_THING = {  # registries and discovered folders, which may hold as many things as there are
    "robo_rlhf/algorithms",
    "robo_rlhf/cli",
    "robo_rlhf/feedback/kinds",
    "robo_rlhf/formats/kinds",
    "robo_rlhf/policies",
    "robo_rlhf/rewards",
    "robo_rlhf/rewards/terms",
    "robo_rlhf/sim/tasks",
    "robo_rlhf/training",
    "teleop/devices",
    "teleop/station/api",
}


@cache
def modules() -> dict[str, Path]:
    """Return the file of every module by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(name: str) -> set[str]:
    """Return which of our modules a module imports anywhere, also inside functions; not those for types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(tree(modules()[name]))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree(modules()[name])):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner_names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {inner if inner in modules() else node.module for inner in inner_names}
    return {other for other in found if other in modules()} - {name}


def circles() -> Iterator[list[str]]:
    """Yield every set of modules that import each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> Iterator[list[str]]:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(imports(name)):
            if other not in index:
                yield from visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            place = stack.index(name)
            component, stack[place:] = stack[place:], []
            if len(component) > 1:
                yield component

    for name in sorted(modules()):
        if name not in index:
            yield from visit(name)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert list(circles()) == []


def test_every_module_stands_in_a_layer_and_layers_are_folders() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (c for c in configuration["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    layers = [name.strip() for layer in contract["layers"] for name in layer.split("|")]
    assert [name for name in layers if not (ROOT / name.replace(".", "/")).is_dir()] == []
    outside = [
        name for name in modules() if not name.startswith(tuple(f"{layer}." for layer in layers)) and name not in layers
    ]
    assert sorted(outside) == ["robo_rlhf", "sim_assets", "teleop"]


def test_no_room_is_too_large() -> None:
    count: dict[str, int] = defaultdict(int)
    for path in modules().values():
        if path.name != "__init__.py":
            count[str(path.parent.relative_to(ROOT))] += 1
    pages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "teleop/station").glob("*/routes.py")}
    large = {folder: n for folder, n in count.items() if n > MOST_MODULES and folder not in ONE_FILE_A_THING | pages}
    assert large == {}


def test_a_name_of_a_class_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in modules().items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    own_settings = ("robo_rlhf.training.",)  # an algorithm's own settings are called Config, wherever it lies
    repeated = {
        name: found
        for name, found in places.items()
        if len([n for n in found if not (name == "Config" and n.startswith(own_settings))]) > 1
    }
    assert len(repeated) <= MOST_REPEATED, repeated


def test_functions_that_helper_processes_call_by_name_are_there() -> None:
    called = set()
    for path in [*(ROOT / "robo_rlhf").rglob("*.py"), *(ROOT / "teleop").rglob("*.py")]:
        called |= set(re.findall(r'"((?:robo_rlhf|teleop)\.[\w.]+):(\w+)"', path.read_text()))
    assert len(called) >= 8
    assert [name for name in sorted(called) if not callable(getattr(import_module(name[0]), name[1], None))] == []


def test_worlds_are_stepped_in_one_place() -> None:
    """A loop that steps an environment is `control_loop`; what wraps environments lies in the world's own room.

    The contract of tasks tries single steps.
    """
    found = [
        name
        for name in modules()
        if not name.startswith(("robo_rlhf.sim.", "robo_rlhf.contracts."))
        for node in ast.walk(tree(modules()[name]))
        if isinstance(node, ast.Call) and re.search(r"\b(env|envs|world|batch|sim)\w*\.step$", ast.unparse(node.func))
    ]
    assert found == ["robo_rlhf.rollouts.control_loop"]


def test_programs_that_are_started_by_name_are_there() -> None:
    started = set(re.findall(r"-m ((?:robo_rlhf|teleop)[\w.]+)", (ROOT / ".ci/setup").read_text()))
    assert started
    assert [name for name in started if "__main__" not in modules()[name].read_text()] == []


def test_only_one_module_starts_our_processes() -> None:
    starts = re.compile(r"Popen\(|create_subprocess|sys\.executable, \"-")
    places = {str(path.relative_to(ROOT)) for path in modules().values() if starts.search(path.read_text())}
    assert places == {
        "robo_rlhf/processes/worker.py",
        "robo_rlhf/processes/detached.py",  # what outlives its starter
        "robo_rlhf/cli/answering.py",  # the browser of the user
    }


def test_tasks_are_called_as_their_files() -> None:
    assert list(task_files()) == list(TASKS)
    assert all(TASKS[name].name == name for name in TASKS)


@pytest.mark.parametrize(
    "file", ["Makefile", "README.md", "docs/guides/programs.md", "docs/guides/your-environment.md", ".ci/setup"]
)
def test_modules_named_in_text_are_there(file: str) -> None:
    named = set(re.findall(r"(?<![\w/.])(?:robo_rlhf|teleop)(?:\.[a-z_]+)+", (ROOT / file).read_text()))
    assert [name for name in named if not is_there(name)] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    module, _, inner = name.rpartition(".")
    if name in modules():
        return True
    return module in modules() and re.search(rf"\b{inner}\b", modules()[module].read_text()) is not None
