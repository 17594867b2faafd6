import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.registry import Registry

REGISTRIES = {
    "robo_rlhf.cli": "COMMANDS",
    "robo_rlhf.sim.tasks": "TASKS",
    "robo_rlhf.policies": "POLICIES",
    "robo_rlhf.rewards": "REWARDS",
    "robo_rlhf.rewards.terms": "TERMS",
    "robo_rlhf.feedback.kinds": "KINDS",
    "teleop.devices": "DEVICES",
    "robo_rlhf.algorithms": "ALGORITHMS",
    "robo_rlhf.formats.kinds": "FORMATS",
    "robo_rlhf.sim.robots": "ROBOTS",
    "robo_rlhf.vision.encoders": "ENCODERS",
    "robo_rlhf.trackers": "TRACKERS",
}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", REGISTRIES)
def test_names_are_those_that_the_modules_register(package: str) -> None:
    registry = getattr(importlib.import_module(package), REGISTRIES[package])
    assert registry.package == package
    names = list(registry)
    for file in Path(importlib.import_module(package).__path__[0]).glob("*.py"):
        importlib.import_module(f"{package}.{file.stem}".removesuffix(".__init__"))
    made = {f"train {name}" for name in ALGORITHMS} if package == "robo_rlhf.cli" else set()  # when they are asked for
    assert names == sorted({*registry._items, *made})
    assert len(registry) == len(names) > 0


def test_all_registries_are_looked_at() -> None:
    sources = [path for package in ("robo_rlhf", "teleop") for path in (ROOT / package).rglob("__init__.py")]
    made = [
        path for path in sources if re.search(r"^[A-Z]+\b.* = (Registry|Tasks|_Commands)\(", path.read_text(), re.M)
    ]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in made}
    assert found == REGISTRIES.keys()


def test_a_name_loads_nothing_but_what_it_stands_for() -> None:
    code = (
        "import sys; from robo_rlhf.policies import POLICIES; from robo_rlhf.sim.tasks import TASKS; "
        "print(len(POLICIES), 'reach' in TASKS, [m for m in ('torch', 'mujoco') if m in sys.modules]); "
        "TASKS['reach']; print('mujoco' in sys.modules, 'robo_rlhf.sim.tasks.push' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["8 True []", "True False"]


def test_an_unknown_name_suggests_the_nearest() -> None:
    registry: Registry[int] = Registry("number", "robo_rlhf.sim.tasks")
    registry.register("one")(1)
    registry.check("one")
    with pytest.raises(UnknownNameError, match=r"Unknown number 'onee'. Did you mean 'one'"):
        registry.check("onee")
    with pytest.raises(ValueError, match="registered twice"):
        registry.register("one")(2)
