"""The arm's control: its kinematics are MuJoCo's, and a copy does not know how many others there are."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from robo_rlhf.sim import control
from robo_rlhf.sim.envs import TaskEnv
from robo_rlhf.sim.tasks import TASKS


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    """Copies of reach in the middle of random motion."""
    env = TaskEnv(TASKS["reach"](), 6)
    env.reset(np.arange(6))
    rng = np.random.default_rng(0)
    for _ in range(15):
        env.step(rng.uniform(-1, 1, (6, env.act_dim)).astype(np.float32))
    return env


def datas(env: TaskEnv) -> Iterator[tuple[int, mujoco.MjData]]:
    """Yield each copy's state as an `MjData` of its own."""
    data = mujoco.MjData(env.model)
    for i, state in enumerate(env.get_state()):
        mujoco.mj_setState(env.model, data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_forward(env.model, data)
        yield i, data


def test_jacobian_is_mujocos(env: TaskEnv) -> None:
    ours = control.jacobian(env.sim, env.sim.site_pos("ee"))
    _, dofs, _ = env.sim.joint_columns(control.JOINTS)
    theirs = np.empty((6, env.model.nv))
    for i, data in datas(env):
        mujoco.mj_jacSite(env.model, data, theirs[:3], theirs[3:], env.model.site("ee").id)
        np.testing.assert_allclose(ours[i], theirs[:, dofs], atol=1e-12)


def test_hand_orientation_is_that_of_its_site(env: TaskEnv) -> None:
    ours, theirs = control.hand_quat(env.sim), np.empty(4)
    for i, data in datas(env):
        mujoco.mju_mat2Quat(theirs, data.site("ee").xmat)
        assert abs(ours[i] @ theirs) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("others", [(4,), (0, 3, 5)])
def test_targets_do_not_depend_on_the_number_of_copies(env: TaskEnv, others: tuple[int, ...]) -> None:
    ids = list(others)
    few = TaskEnv(TASKS["reach"](), len(ids))
    few.set_state(env.get_state()[ids])
    home = np.zeros(7)
    point, part = env.sim.site_pos("ee"), few.sim.site_pos("ee")
    assert np.array_equal(control.jacobian(env.sim, point)[ids], control.jacobian(few.sim, part))
    assert np.array_equal(control.reach_target(env.sim, home)[ids], control.reach_target(few.sim, home))


def test_joints_are_found_for_a_pose(env: TaskEnv) -> None:
    columns, _, _ = env.sim.joint_columns(control.JOINTS)
    for i, data in datas(env):
        start = data.qpos[columns] + 0.05
        found = control.pose_joints(env.sim, start, data.site("ee").xpos, control.hand_quat(env.sim)[i])
        data.qpos[columns] = found
        wanted = data.site("ee").xpos.copy()
        mujoco.mj_kinematics(env.model, data)
        np.testing.assert_allclose(data.site("ee").xpos, wanted, atol=1e-6)
