"""Policies outside of training against their bars: `pytest -m bench -s tests/benchmarks/bench_deploy.py`."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from robo_rlhf.core.stats import wilson
from robo_rlhf.deploy.export import deployable, export_policy
from robo_rlhf.deploy.exported import ExportedPolicy
from robo_rlhf.deploy.wire import pack, unpack
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rollouts.evaluation import FIRST_SEED, evaluate
from robo_rlhf.sim.envs.task_env import make_env
from tests.benchmarks.homes import with_samples

pytestmark = pytest.mark.bench
TASK, UPDATES, EPISODES, REQUESTS = "pick_place", 1500, 100, 500
COMMAND = [sys.executable, "-m", "robo_rlhf.cli.main"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = with_samples(tmp_path_factory)
    words = ["train", "bc", "--task", TASK, "--dataset", f"samples/{TASK}", "--demos", "25", "--run", "cloned"]
    subprocess.run([*COMMAND, *words, "--updates", str(UPDATES), "--home", str(path)], check=True, capture_output=True)
    return path


@contextmanager
def served(home: Path, *words: str) -> Iterator[str]:
    """Serve the policy; yield the address for WebSockets."""
    command = [*COMMAND, "policy", "serve", "cloned", "--port", "0", "--home", str(home), "--clients", "256", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"ws://\S+", process.stdout.readline() + process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def ask(robot: ClientConnection, obs: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return the actions for one observation."""
    robot.send(pack({"observation": obs}))
    answer = robot.recv()
    assert isinstance(answer, bytes), answer
    return np.asarray(unpack(answer)["actions"])


def test_exported_steps_and_chunks(home: Path, tmp_path: Path) -> None:
    """Bars: an action median ≤ 1 ms, a fresh chunk ≤ 10 ms, onnxruntime on one thread."""
    export_policy(home / "runs" / "cloned" / "checkpoints" / "policy.safetensors", tmp_path / "out")
    policy = ExportedPolicy(tmp_path / "out")
    horizon = policy.manifest["parts"][0]["execution_horizon"]
    obs = np.zeros(len(policy.obs_names), np.float32)
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        policy.act(obs)
        taken.append(1000 * (time.perf_counter() - began))
    chunks = taken[horizon::horizon]
    print(f"\nan action: median {np.median(taken):.3f} ms; a fresh chunk: p95 {np.quantile(chunks, 0.95):.2f} ms")
    assert np.median(taken) <= 1
    assert np.quantile(chunks, 0.95) <= 10


def test_a_chunk_over_the_network(home: Path) -> None:
    """Bar: p95 of a chunk ≤ 20 ms, idle machine, one robot."""
    with served(home) as address, connect(address, max_size=None, compression=None) as robot:
        told = unpack(robot.recv())  # type: ignore[arg-type]
        obs, taken = np.zeros(len(told["obs_names"]), np.float32), []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            ask(robot, obs)
            taken.append(1000 * (time.perf_counter() - began))
    median, p95 = np.quantile(taken, [0.5, 0.95])
    print(f"\na chunk of {told['actions_per_request']} actions: median {median:.2f} ms, p95 {p95:.2f} ms")
    assert np.quantile(taken, 0.95) <= 20


def test_served_success_is_that_of_evaluate(home: Path) -> None:
    """The success of robots that ask the server, against `evaluate` on the same seeds: intervals that overlap."""
    checkpoint = home / "runs" / "cloned" / "checkpoints" / "policy.safetensors"
    env, seeds = make_env(TASK, EPISODES), np.arange(FIRST_SEED, FIRST_SEED + EPISODES)
    known = evaluate(env, load_policy(checkpoint), seeds).summary()["success"]
    with served(home) as address, ExitStack() as stack:
        robots = [stack.enter_context(connect(address, max_size=None, compression=None)) for _ in range(EPISODES)]
        per_request = {unpack(robot.recv())["actions_per_request"] for robot in robots}.pop()  # type: ignore[arg-type]
        obs, steps, success = env.reset(seeds), 0, np.zeros(EPISODES, bool)
        while steps < env.horizon:
            chunks = np.stack([ask(robot, one) for robot, one in zip(robots, obs, strict=True)])
            for k in range(per_request):
                step = env.step(chunks[:, k])
                obs, success, steps = step.obs, step.success, steps + 1
                if steps == env.horizon:
                    break
    env.close()
    found = wilson(int(success.sum()), EPISODES)
    print(f"\nserved {found.value:.0%} ({found.low:.0%} to {found.high:.0%}), evaluate {known['value']:.0%}")
    assert deployable(checkpoint).manifest["task"] == TASK
    assert found.low <= known["high"]
    assert known["low"] <= found.high
