"""Batches without `mujoco.batch`: bit for bit a loop over single simulations, and what the native batch gives.

`tests/test_mujoco_versions.py` runs this file with older versions of MuJoCo too.
"""

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics import batch
from robo_rlhf.sim.physics.thread_batch import INTEGRATION, ThreadBatch
from robo_rlhf.sim.tasks import TASKS

NUM, STEPS = 9, 12
native = pytest.mark.skipif(batch.Batch is None, reason="this MuJoCo has no native batch")


def run(name: str, threads: int, num_envs: int = NUM) -> list[Array]:
    """Return all that some steps of an episode give, copies 1 and 4 reset in their midst."""
    env = TaskEnv(TASKS[name](), num_envs, threads)
    operator = ScriptedOperator(env, PERFECT)
    obs = env.reset(np.arange(num_envs))
    found = [obs]
    for k in range(STEPS):
        if k == STEPS // 2 and num_envs > 4:
            found.append(env.reset_at(np.array([1, 4]), np.array([7, 8])))
        step = env.step(operator.act(obs))
        obs = step.obs
        found += [step.obs, step.reward, step.success, *(value.copy() for value in step.signals.values())]
        found.append(env.get_state())
    return found


@pytest.fixture
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MuJoCo without a native batch."""
    monkeypatch.setattr(batch, "Batch", None)


@native
@pytest.mark.parametrize("name", [*TASKS, "lift@arm6"])
def test_threads_give_what_the_native_batch_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(name, 1)
    monkeypatch.setattr(batch, "Batch", None)
    found = run(name, 2)
    assert len(found) == len(wanted)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("name", ["pick_place", "navigate_room"])
def test_threads_give_what_a_loop_over_single_simulations_gives(name: str) -> None:
    env = TaskEnv(TASKS[name](), 5, 2)
    env.reset(np.arange(5))
    data, state = [mujoco.MjData(env.model) for _ in range(5)], env.get_state()
    for one, start in zip(data, state, strict=True):
        mujoco.mj_setState(env.model, one, start, INTEGRATION)
    rng, serial = np.random.default_rng(0), np.empty_like(state)
    for _ in range(STEPS):
        env.task.control(env.sim, rng.uniform(-1, 1, (5, env.act_dim)).astype(np.float32))
        changed = env.get_state()  # controls and targets, which the task moved
        for i, one in enumerate(data):
            one.ctrl[:], one.mocap_pos[:], one.mocap_quat[:] = (
                env.sim.ctrl[i],
                env.sim.bind("mocap_pos")[i],
                env.sim.bind("mocap_quat")[i],
            )
            mujoco.mj_getState(env.model, one, serial[i], INTEGRATION)
            assert np.array_equal(serial[i], changed[i])
            for _ in range(env.sim.substeps):
                mujoco.mj_step(env.model, one)
            mujoco.mj_getState(env.model, one, serial[i], INTEGRATION)
        env.sim.step()
        assert np.array_equal(env.get_state(), serial)
        for i, one in enumerate(data):
            sensed = one.sensordata.copy()  # of forces in the last substep
            again = mujoco.MjData(env.model)
            mujoco.mj_setState(env.model, again, serial[i], INTEGRATION)
            mujoco.mj_forward(env.model, again)
            assert np.array_equal(env.sim.bind("sensordata")[i], sensed)
            for field in batch.POSES:
                assert np.array_equal(
                    env.sim.bind(field)[i], getattr(again, field).reshape(env.sim.bind(field)[i].shape)
                )


@pytest.mark.usefixtures("_threads")
def test_neither_threads_nor_the_other_copies_matter() -> None:
    one, many = run("lift", 1, 4), run("lift", 3, 4)
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    alone = run("lift", 1, 1)
    assert all(np.array_equal(a[:1], b) for a, b in zip(one, alone, strict=True))


def test_bound_fields_are_live_and_writable() -> None:
    spec = TASKS["pick_place"]().scene()
    model = spec.compile()
    sim = ThreadBatch(model, 3, 2)
    qpos, mocap, ctrl, site = (sim.bind(field) for field in ("qpos", "mocap_pos", "ctrl", "site_xpos"))
    assert qpos.shape == (3, model.nq)
    assert mocap.shape == (3, model.nmocap, 3)
    assert np.array_equal(qpos[1], model.qpos0)
    qpos[1, 0], mocap[2, 0], ctrl[0, 1] = 0.5, (1.0, 2.0, 3.0), 0.25
    sim.forward(np.array([1]))
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, sim.state[1], INTEGRATION)
    mujoco.mj_forward(model, data)
    assert data.qpos[0] == 0.5
    assert np.array_equal(site[1], data.site_xpos)
    assert not site[0].any()  # not computed
    mujoco.mj_setState(model, data, sim.state[2], INTEGRATION)
    assert data.mocap_pos[0].tolist() == [1.0, 2.0, 3.0]
    sim.reset(np.array([2]))
    assert mocap[2, 0].tolist() != [1.0, 2.0, 3.0]
    assert ctrl[0, 1] == 0.25


def test_older_mujoco_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mujoco, "__version__", "3.7.9")
    with pytest.raises(
        MissingDependencyError, match=r"MuJoCo 3.8 \(installed: 3.7.9\).*a task of this project .*--env"
    ):
        TASKS["reach"]()
    monkeypatch.setattr(mujoco, "__version__", "3.10.0")
    TASKS["reach"]()
