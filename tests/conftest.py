"""Fixtures of every test: one thread, a rendering backend, a separate data home, no process left behind."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from robo_rlhf.core.files import HOME_VARIABLE
from robo_rlhf.sim.rendering.gl import choose_backend

pytest_plugins = ["tests.databases"]

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before a test imports numpy or torch, which read it once; worker processes inherit it
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # set in many containers; every process would compile the program anew
sys.dont_write_bytecode = False
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts deaf to Ctrl-C
choose_backend()  # before any test imports mujoco, which reads the choice once

gc.disable()  # until all tests are collected: nothing of it is garbage
_fsync, os.fsync = os.fsync, lambda descriptor: None  # milliseconds each; what tests start, and kill, does sync

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

LONG = ("tests/test_wheel.py", "tests/pipeline/", "tests/browser/", "tests/cli/", "tests/service/")
_first_seen: dict[int, str] = {}  # child process → the test after which it was first there


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data home, so that no test sees or leaves recordings; on a disk that syncs where speed is measured."""
    if request.node.get_closest_marker("bench"):
        monkeypatch.setattr(os, "fsync", _fsync)
    monkeypatch.setattr("robo_rlhf.core.files.SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def reach_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with eight demonstrations of reach by the scripted operator; not to be written into."""
    import numpy as np

    from robo_rlhf.core.types import Source
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.rollouts.rollout import rollout
    from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
    from robo_rlhf.sim.operators.scripted import ScriptedOperator

    home = tmp_path_factory.mktemp("reach") / "home"
    env = make_env("reach", 8, nthread=1)
    assert isinstance(env, TaskEnv)
    episodes = rollout(env, ScriptedOperator(env), np.arange(8), source=Source.SCRIPTED)
    Dataset(home / "samples" / "reach", create=True, task="reach").add_many(episodes)
    return home


@pytest.fixture(autouse=True)
def _note_new_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for child in _children():
        _first_seen.setdefault(child, request.node.nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left with it at the end while others have nothing to do."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: next((places[name] for name in LONG if item.nodeid.startswith(name)), len(LONG)))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays: all modules, and the tests themselves."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second try begins with fixtures of its own: what the first one left in a module's station would fail it."""
    if getattr(item, "execution_count", 1) > 1:
        for found in item._fixtureinfo.name2fixturedefs.values():  # type: ignore[attr-defined]
            for fixture in found:
                if fixture.scope == "module":
                    fixture.finish(item._request)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _same_precedence() -> Iterator[None]:
    """A command that makes way for others does not slow the tests that come after it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    if os.getpriority(os.PRIO_PROCESS, 0) != before:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture(scope="session", autouse=True)
def _no_process_left() -> Iterator[None]:
    yield
    if drawing := sys.modules.get("robo_rlhf.vision.drawing"):
        drawing.close_pool()  # which processes keep to their end
    left = [f"{child} ({line}), since {_first_seen.get(child, 'the end')}" for child, line in _children().items()]
    assert not left, f"tests left processes running: {'; '.join(left)}"


def _children() -> dict[int, str]:
    """Return this process's living children and their command lines; {} where there is no /proc."""
    children = {}
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found = listing.read_text().split()
        except OSError:
            continue  # the thread has just ended
        for child in found:
            try:
                status = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
                line = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue  # it has just ended
            helpers = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")  # these end with Python
            if status != "Z" and not any(helper in line for helper in helpers):
                children[int(child)] = line
    return children
