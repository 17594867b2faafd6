"""What the arm's tasks share: places, angles modulo a gripper's symmetry, and scripted motion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.robot_tools.arm import HOME_EE
from robo_rlhf.sim.task_tools.arm import HAND_NAMES, ArmTask, funnel, wrap_half, wrap_quarter
from robo_rlhf.sim.tasks import TASKS

angles = st.floats(-20.0, 20.0)


def lift(num_envs: int) -> tuple[TaskEnv, ArmTask]:
    """Copies of lift, just reset."""
    env = TaskEnv(TASKS["lift"](), num_envs)
    env.reset(np.arange(num_envs))
    assert isinstance(env.task, ArmTask)
    return env, env.task


@given(angles, st.sampled_from([(wrap_half, np.pi), (wrap_quarter, np.pi / 2)]))
def test_angles_wrap_to_the_nearest_of_their_kind(angle: float, kind: tuple[object, float]) -> None:
    wrap, period = kind
    assert callable(wrap)
    wrapped = float(wrap(np.array(angle)))
    assert -period / 2 <= wrapped <= period / 2
    turns = (angle - wrapped) / period
    assert turns == pytest.approx(round(turns), abs=1e-9)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_funnel_is_wider_above(a: float, b: float) -> None:
    near, far = sorted((a, b))
    low, high = funnel(np.array([near, far]), top=0.1, mouth=0.01, slope=4.0)
    assert 0.0 <= low <= high <= 0.1
    assert (low == 0.0) == (near <= 0.01)


def test_starts_at_home_within_the_spread() -> None:
    env, task = lift(40)
    hand = env.sim.site_pos("ee")
    assert np.abs(hand - HOME_EE).max() <= 0.03 + 1e-4
    assert np.ptp(hand, axis=0).min() > 0.03
    assert hand == pytest.approx(env.sim.mocap_pos("target"), abs=1e-4)
    assert task.opening(env.sim) == pytest.approx(np.full(40, 0.08))
    columns = env.task.observe(env.sim)[:, : len(HAND_NAMES)]
    assert columns[:, HAND_NAMES.index("hand_cos")] == pytest.approx(np.ones(40), abs=1e-4)
    assert columns[:, HAND_NAMES.index("lead_yaw")] == pytest.approx(np.zeros(40), abs=1e-4)


def test_steering_is_straight_bounded_and_eases_out() -> None:
    env, task = lift(3)
    at = env.sim.mocap_pos("target")
    goal = at + np.array([[0.3, 0.0, 0.0], [0.0, 0.3, 0.4], [0.004, 0.0, 0.0]])
    action = task.steer(env.sim, goal, np.zeros(3), np.array([-1.0, 1.0, 1.0]), np.array([0.5, 1.0, 1.0]))
    assert action.shape == (3, 5)
    assert action.dtype == np.float32
    assert action[0, :3] == pytest.approx([0.5, 0.0, 0.0], abs=1e-4)
    assert action[1, :3] == pytest.approx([0.0, 0.6, 0.8], abs=1e-4)
    assert action[2, :3] == pytest.approx([0.05, 0.0, 0.0], abs=1e-4)
    assert action[:, 4].tolist() == [-1, 1, 1]


@pytest.mark.parametrize(("wanted", "turn"), [(0.4, 1.0), (-0.4, -1.0), (np.pi - 0.4, -1.0), (np.pi, 0.0)])
def test_steering_turns_the_short_way(wanted: float, turn: float) -> None:
    """Half a turn is no turn for a parallel gripper."""
    env, task = lift(1)
    action = task.steer(env.sim, env.sim.mocap_pos("target"), np.array([wanted]), np.zeros(1))
    assert np.sign(np.round(action[0, 3], 3)) == turn


def test_a_block_is_grasped_by_its_faces() -> None:
    env, task = lift(8)
    yaw = np.linspace(-2.0, 2.0, 8)
    quat = np.stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], axis=1)
    env.sim.qpos("cube")[:, 3:] = quat
    env.sim.forward()
    found = task.cube_yaw(env.sim, "cube")
    assert np.abs(found).max() <= np.pi / 4
    quarters = (found - yaw) / (np.pi / 2)
    assert quarters == pytest.approx(np.round(quarters), abs=1e-9)


def held(env: TaskEnv, task: ArmTask) -> Array:
    return task.holds(env.sim, "cube", 0.02)


def test_holds_tells_a_grasp_from_a_near_hand() -> None:
    env, task = lift(6)
    assert not held(env, task).any()
    for _ in range(40):
        env.step(task.demonstrate(env.sim))
    assert held(env, task).all()
    let_go = np.zeros((6, env.act_dim), np.float32)
    let_go[:, -1] = -1.0
    env.step(let_go)
    assert not held(env, task).any()
