"""The arm's control: its kinematics are MuJoCo's, and a copy does not know how many others there are."""

from collections.abc import Iterator
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics import inverse_kinematics
from robo_rlhf.sim.physics.rotation import quat_between, quat_to_rotvec
from robo_rlhf.sim.robot import open_arm
from robo_rlhf.sim.robot_tools.arm import Workspace
from robo_rlhf.sim.robots.arm import STROKE
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.tasks import TASKS

ARM = open_arm("arm")
VELOCITY_LIMIT = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # [rad/s] as published


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
    ours = inverse_kinematics.jacobian(env.sim, ARM, env.sim.site_pos("ee"))
    _, dofs, _ = env.sim.joint_columns(ARM.joints)
    theirs = np.empty((6, env.model.nv))
    for i, data in datas(env):
        mujoco.mj_jacSite(env.model, data, theirs[:3], theirs[3:], env.model.site("ee").id)
        np.testing.assert_allclose(ours[i], theirs[:, dofs], atol=1e-12)


def test_hand_orientation_is_that_of_its_site(env: TaskEnv) -> None:
    ours, theirs = inverse_kinematics.hand_quat(env.sim), np.empty(4)
    for i, data in datas(env):
        mujoco.mju_mat2Quat(theirs, data.site("ee").xmat)
        assert abs(ours[i] @ theirs) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("others", [(4,), (0, 3, 5)])
def test_targets_do_not_depend_on_the_number_of_copies(env: TaskEnv, others: tuple[int, ...]) -> None:
    ids = list(others)
    few = TaskEnv(TASKS["reach"](), len(ids))
    few.set_state(env.get_state()[ids])
    arm = replace(ARM, home=np.zeros(7))
    point, part = env.sim.site_pos("ee"), few.sim.site_pos("ee")
    assert np.array_equal(
        inverse_kinematics.jacobian(env.sim, ARM, point)[ids], inverse_kinematics.jacobian(few.sim, ARM, part)
    )
    assert np.array_equal(
        inverse_kinematics.reach_target(env.sim, arm)[ids], inverse_kinematics.reach_target(few.sim, arm)
    )


def test_joints_are_found_for_a_pose(env: TaskEnv) -> None:
    columns, _, _ = env.sim.joint_columns(ARM.joints)
    for i, data in datas(env):
        start = data.qpos[columns] + 0.05
        found = inverse_kinematics.pose_joints(
            env.sim, ARM, start, data.site("ee").xpos, inverse_kinematics.hand_quat(env.sim)[i]
        )
        data.qpos[columns] = found
        wanted = data.site("ee").xpos.copy()
        mujoco.mj_kinematics(env.model, data)
        np.testing.assert_allclose(data.site("ee").xpos, wanted, atol=1e-6)


def test_hand_comes_to_any_pose_in_its_reach() -> None:
    env = TaskEnv(TASKS["reach"](), 48)
    env.reset(np.arange(48))
    rng, task = np.random.default_rng(4), env.task
    assert isinstance(task, ArmTask)
    goal = rng.uniform((-0.25, -0.3, 0.02), (0.2, 0.3, 0.38), (48, 3))
    yaw = rng.uniform(-1.3, 1.3, 48)
    for _ in range(90):
        env.step(task.steer(env.sim, goal, yaw, np.full(48, -1.0)))
    assert np.sqrt(((env.sim.site_pos("ee") - goal) ** 2).sum(1)).max() < 0.002
    axis = env.sim.site_mat("ee")[:, :, 0]
    assert np.abs(np.sin(np.arctan2(axis[:, 1], axis[:, 0]) - yaw)).max() < 0.01  # half a turn looks the same
    assert env.sim.site_mat("ee")[:, 2, 2].max() < -0.9999  # it points down


def test_target_does_not_run_away_from_the_hand(env: TaskEnv) -> None:
    """Pushing at a wall winds up nothing: the hand turns back at once."""
    space = Workspace((-9, -9, -9), (9, 9, 9))
    for _ in range(20):
        inverse_kinematics.move_target(env.sim, np.full((6, 3), 0.02), np.full((6, 3), [0.0, 0.0, 0.1]), space)
    assert env.sim.mocap_pos("target") - env.sim.site_pos("ee") == pytest.approx(
        np.full((6, 3), inverse_kinematics.LEASH)
    )
    turn = quat_between(env.sim.mocap_quat("target"), inverse_kinematics.hand_quat(env.sim))
    assert np.abs(quat_to_rotvec(turn)).max() <= 4 * inverse_kinematics.LEASH


def full_command(env: TaskEnv, steps: int) -> Iterator[None]:
    """Push every command to its ends for a while, again and again: into limits, corners, the table."""
    rng = np.random.default_rng(5)
    for t in range(steps):
        if t % 20 == 0:
            action = np.sign(rng.uniform(-1, 1, (env.num_envs, env.act_dim))).astype(np.float32)
        env.step(action)
        yield


@pytest.mark.parametrize("name", ["reach", "carry_upright"])
def test_limits_hold_under_full_command(name: str) -> None:
    env = TaskEnv(TASKS[name](), 32)
    env.reset(np.arange(32))
    task = env.task
    assert isinstance(task, ArmTask)
    columns, dofs, actuators = env.sim.joint_columns(ARM.joints)
    low, high = env.model.jnt_range[env.sim.joint_ids(ARM.joints)].T
    hasty = []
    for _ in full_command(env, 120):
        assert (env.sim.ctrl[:, actuators] >= low).all()
        assert (env.sim.ctrl[:, actuators] <= high).all()
        position = env.sim.bind("qpos")[:, columns]
        assert (position > low - 0.05).all()
        assert (position < high + 0.05).all()
        target = env.sim.mocap_pos("target")
        assert (target >= task.workspace.low).all()
        assert (target <= task.workspace.high).all()
        hasty.append(np.abs(env.sim.bind("qvel")[:, dofs]) / VELOCITY_LIMIT)
    share = (np.stack(hasty).max(axis=2) > 1.0).mean()
    assert share < 0.03  # bumps and reversals alone outrun the limits, for an instant
    assert np.max(hasty) < 4.0


def test_ordinary_motion_keeps_the_velocity_limits() -> None:
    env = TaskEnv(TASKS["reach"](), 32)
    env.reset(np.arange(32))
    _, dofs, _ = env.sim.joint_columns(ARM.joints)
    rng = np.random.default_rng(6)
    for _ in range(60):
        env.step(rng.uniform(-1, 1, (32, env.act_dim)).astype(np.float32))
        assert (np.abs(env.sim.bind("qvel")[:, dofs]) < VELOCITY_LIMIT).all()


def test_gripper_follows_its_command() -> None:
    env = TaskEnv(TASKS["lift"](), 3)
    env.reset(np.arange(3))
    action = np.zeros((3, env.act_dim), np.float32)
    action[:, -1] = (-1.0, 0.0, 1.0)
    for _ in range(20):
        env.step(action)
    task = env.task
    assert isinstance(task, ArmTask)
    assert task.opening(env.sim) == pytest.approx([2 * STROKE, STROKE, 0.0], abs=0.003)
    assert task.grip_command(env.sim) == pytest.approx([-1.0, 0.0, 1.0])
