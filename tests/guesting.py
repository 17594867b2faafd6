"""Guests for tests: the files of `tests/guests` in a folder of their own, which tests put on the path and allow."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from robo_rlhf.core import guests
from robo_rlhf.core.guests import ALLOW_VARIABLE
from robo_rlhf.core.registry import Registry

FILES = Path(__file__).parent / "guests"
REGISTRIES = {
    "robo_rlhf.sim.tasks": "TASKS",
    "robo_rlhf.sim.robots": "ROBOTS",
    "robo_rlhf.policies": "POLICIES",
    "robo_rlhf.vision.encoders": "ENCODERS",
    "robo_rlhf.rewards": "REWARDS",
    "robo_rlhf.rewards.terms": "TERMS",
    "robo_rlhf.feedback.kinds": "KINDS",
    "teleop.devices": "DEVICES",
    "robo_rlhf.algorithms": "ALGORITHMS",
}


@contextmanager
def at_home(folder: Path, allow: Sequence[str] = (), *, on_path: bool = True) -> Iterator[Path]:
    """Copy the guests into `folder`, and put it on the path of this process and those that it starts.

    Args:
        folder: that gets them.
        allow: modules that the environment allows, as `$ROBO_RLHF_ALLOW` does.
        on_path: whether it is put on the path at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES.glob("*.py"):
        shutil.copy(file, folder)
    kept = {name: os.environ.get(name) for name in (ALLOW_VARIABLE, "PYTHONPATH")}
    if on_path:
        sys.path.append(str(folder))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [kept["PYTHONPATH"], str(folder)]))
    os.environ[ALLOW_VARIABLE] = ",".join(allow)
    try:
        yield folder
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        forget(folder)


def forget(folder: Path) -> None:
    """Forget every module of `folder`, and what the registries know of it."""
    for package, name in REGISTRIES.items():
        registry: Registry[object] = getattr(importlib.import_module(package), name)
        for key in [key for key in registry._items if ":" in key]:
            del registry._items[key]
        registry._words.clear()
    for module in [
        m for m, found in sys.modules.items() if str(getattr(found, "__file__", "")).startswith(str(folder))
    ]:
        del sys.modules[module]
        guests._present.discard(module)
