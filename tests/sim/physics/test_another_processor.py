"""The same scenes on a processor with fewer instructions, emulated by Debian's qemu-user."""

import json
import platform
import shutil
import subprocess
import sys

import pytest

from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics.model_identity import compiled_hash, machine
from robo_rlhf.sim.tasks import TASKS

EMULATOR, PROCESSOR = "qemu-x86_64", "Haswell"  # AVX2 and FMA, and not the AVX-512 of what it may run on
HERE = platform.machine() == "x86_64" and shutil.which(EMULATOR)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HERE, reason=f"{EMULATOR} is missing (Debian on x86-64: apt-get install qemu-user)"),
]
NAMES = """
import json
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics.model_identity import compiled_hash
from robo_rlhf.sim.tasks import TASKS
envs = [TaskEnv(TASKS[task](), 1, nthread=1) for task in TASKS]
print(json.dumps({env.name: [env.model_hash, compiled_hash(env.model)] for env in envs}))
"""


def test_a_scene_compiled_on_another_processor_is_the_same_scene() -> None:
    there = json.loads(_emulated("-c", NAMES))
    here = {task: TaskEnv(TASKS[task](), 1, nthread=1) for task in TASKS}
    assert {task: identity for task, (identity, _) in there.items()} == {
        task: env.model_hash for task, env in here.items()
    }
    differing = [task for task, (_, compiled) in there.items() if compiled != compiled_hash(here[task].model)]
    if "avx512f" in machine()["processor"]:
        assert "reach" in differing  # so the emulated processor does compile other bits
    for task in differing:
        assert here[task].is_scene_of(there[task][1]) is None  # an old identity: of that processor, or another scene


def test_the_samples_are_of_their_tasks_on_another_processor() -> None:
    printed = _emulated("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/test_samples.py")
    assert "passed" in printed
    assert "skipped" not in printed


def _emulated(*arguments: str) -> str:
    command = [EMULATOR, "-cpu", PROCESSOR, sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout
