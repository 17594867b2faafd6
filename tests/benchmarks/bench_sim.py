"""Speed of the batch simulation: `pytest -m bench -s tests/benchmarks/bench_sim.py`.

The sides of a comparison take turns, a short stretch each, and the median of the turns' ratios counts: other work on
the machine then weighs on both alike.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import mujoco
import numpy as np
import pytest

import robo_rlhf  # noqa: F401 - registers the tasks with Gymnasium
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.physics.batch import POSES
from robo_rlhf.sim.physics.thread_batch import INTEGRATION, ThreadBatch
from robo_rlhf.sim.tasks import TASKS

pytestmark = pytest.mark.bench
NUM_ENVS = 64
TURNS = 18
STEPS = 20  # control steps a turn
ASYNC_SIZES = (8, 64)  # the best of these counts


def seconds(steps: int, step: Callable[..., object], *arguments: object) -> float:
    """Return the time [s] that `steps` calls take."""
    start = time.perf_counter()
    for _ in range(steps):
        step(*arguments)
    return time.perf_counter() - start


def stretch(env: TaskEnv, rng: np.random.Generator) -> tuple[Array, list[Array], list[Array]]:
    """Return a state, STEPS actions from there by the scripted operator's noisy hand, and the controls they give."""
    start, given, controls = env.get_state(), [], []
    for _ in range(STEPS):
        noise = rng.normal(0.0, 0.2, (env.num_envs, env.act_dim))
        given.append(np.clip(env.task.demonstrate(env.sim) + noise, -1, 1).astype(np.float32))
        env.step(given[-1])
        controls.append(env.sim.ctrl.copy())
    return start, given, controls


def test_batch_against_bare_stepping() -> None:
    """Control, observations, reward, success and signals take at most a fifth of the time: bar 80 %."""
    from mujoco.batch import Batch

    env = TaskEnv(TASKS["pick_place"](), NUM_ENVS)
    bare = Batch(env.model, NUM_ENVS)
    ctrl, qpos, rng = bare.bind("ctrl"), bare.bind("qpos"), np.random.default_rng(0)

    def whole() -> float:
        env.set_state(start)
        return sum(seconds(1, env.step, action) for action in given)

    def alone() -> float:
        bare.state[:] = start
        total = 0.0
        for control in controls:
            ctrl[:] = control
            total += seconds(1, bare.step, None, env.sim.substeps)
        return total

    ratios, rates = [], []
    for turn in range(TURNS):
        if turn % (env.horizon // STEPS) == 0:
            env.reset(np.arange(NUM_ENVS))
        start, given, controls = stretch(env, rng)
        times = {side: side() for side in ((whole, alone) if turn % 2 else (alone, whole))}
        ratios.append(times[alone] / times[whole])
        rates.append(NUM_ENVS * STEPS / times[whole])
        assert np.array_equal(qpos, env.sim.bind("qpos"))  # both have moved alike
    ratio = float(np.median(ratios))
    print(f"\npick_place, {NUM_ENVS} environments: {np.median(rates):,.0f} steps/s, {ratio:.0%} of bare mujoco.batch")
    assert ratio >= 0.8


def test_threads_against_bare_threads() -> None:
    """What replaces `mujoco.batch` before 3.17, against as many threads that call nothing but `mj_step`: bar 70 %."""
    env, substeps, threads = TaskEnv(TASKS["pick_place"](), NUM_ENVS), 20, len(os.sched_getaffinity(0))
    env.reset(np.arange(NUM_ENVS))
    ours, start = ThreadBatch(env.model, NUM_ENVS, threads), env.get_state()
    for field in ("qpos", "qvel", *POSES, "sensordata"):
        ours.bind(field)
    shares = [(mujoco.MjData(env.model), share) for share in np.array_split(start, threads)]

    def step(data: mujoco.MjData, states: Array) -> None:
        for state in states:
            mujoco.mj_setState(env.model, data, state, INTEGRATION)
            mujoco.mj_step(env.model, data, substeps)

    def whole() -> float:
        ours.state[:] = start
        return seconds(1, ours.step, substeps)

    with ThreadPoolExecutor(threads) as pool:

        def alone() -> float:
            return seconds(1, lambda: list(pool.map(step, *zip(*shares, strict=True))))

        ratios = []
        for turn in range(TURNS):
            times = {side: side() for side in ((whole, alone) if turn % 2 else (alone, whole))}
            ratios.append(times[alone] / times[whole])
    ratio = float(np.median(ratios))
    print(f"\npick_place, {NUM_ENVS} environments: threads step at {ratio:.0%} of {threads} bare threads")
    assert ratio >= 0.7


def test_batch_against_gymnasiums_processes() -> None:
    """The batch is at least three times as fast as AsyncVectorEnv over the single environment."""
    native = gymnasium.make_vec("robo_rlhf/PickPlace-v0", num_envs=NUM_ENVS)
    native.reset(seed=0)
    rng = np.random.default_rng(0)
    best = np.inf
    for size in ASYNC_SIZES:
        others = gymnasium.make_vec(
            "robo_rlhf/PickPlace-v0", num_envs=size, vectorization_mode="async", vector_kwargs={"context": "forkserver"}
        )  # a fork of this process, with MuJoCo's threads in it, can hang
        others.reset(seed=0)
        ratios = []
        for _ in range(TURNS):
            mine = rng.uniform(-1, 1, (NUM_ENVS, 5)).astype(np.float32)
            ours = NUM_ENVS / seconds(STEPS, native.step, mine)
            theirs = size / seconds(STEPS, others.step, mine[:size])
            ratios.append(ours / theirs)
        others.close()
        print(f"\npick_place: {np.median(ratios):.1f} times AsyncVectorEnv over {size} single environments")
        best = min(best, float(np.median(ratios)))
    native.close()
    assert best >= 3.0


@pytest.mark.parametrize("name", ["Pusher-v5", "HalfCheetah-v5"])
def test_outside_environments(name: str) -> None:
    """Print what worker processes bring for outside environments; there is no bar."""
    for num_envs in (16, 64):
        sides = [ExternalVecEnv(name, num_envs, horizon=10**6, workers=workers) for workers in (0, 1)]
        action = np.random.default_rng(0).uniform(-1, 1, (num_envs, sides[0].act_dim)).astype(np.float32)
        for side in sides:
            side.reset(np.arange(num_envs))
            seconds(5, side.step, action)
        turns = [[seconds(STEPS, side.step, action) for side in sides] for _ in range(TURNS)]
        rate = num_envs * STEPS / np.median([here for here, _ in turns])
        gain = np.median([here / there for here, there in turns])
        print(f"\n{name}, {num_envs} copies: {rate:,.0f} steps/s in one process; {gain:.2f} times that in two")
        for side in sides:
            side.close()
