"""Contract of every registered robot but the default, with every task of an arm: those of `test_tasks` hold for it."""

import functools

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics import inverse_kinematics
from robo_rlhf.sim.robot import open_arm
from robo_rlhf.sim.robots import DEFAULT, ROBOTS
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.tasks import TASKS

NUM = 8  # copies of the scripted run
OTHERS = [robot for robot in ROBOTS if robot != DEFAULT]
ARM_TASKS = [task for task in TASKS if issubclass(TASKS[task], ArmTask)]
every_robot = pytest.mark.parametrize("robot", OTHERS)
every_pair = pytest.mark.parametrize("name", [f"{task}@{robot}" for robot in OTHERS for task in ARM_TASKS])


@functools.cache
def scripted(name: str) -> tuple[TaskEnv, Array, Array, Array]:
    """An environment, and the states (T+1, N, nstate), observations (T+1, N, obs_dim) and success (N,) of its run."""
    env = TaskEnv(TASKS[name](), NUM)
    operator = ScriptedOperator(env, PERFECT)
    obs, states = [env.reset(np.arange(NUM))], [env.get_state()]
    for _ in range(env.horizon):
        step = env.step(operator.act(obs[-1]))
        obs.append(step.obs)
        states.append(env.get_state())
    return env, np.stack(states), np.stack(obs), step.success


@every_pair
def test_scripted_operator_succeeds(name: str) -> None:
    assert scripted(name)[3].all()


@every_pair
def test_task_is_the_same_but_for_the_robot(name: str) -> None:
    env = scripted(name)[0]
    own = TASKS[name.partition("@")[0]]
    assert TASKS[name] is TASKS[name]
    assert issubclass(TASKS[name], own)
    assert env.name == TASKS[name].name == name
    assert (env.task.obs_names, env.task.action_names) == (own.obs_names, own.action_names)
    assert env.model_hash != TaskEnv(own(), 1).model_hash
    assert round(env.sim.substeps * env.model.opt.timestep * own.control_hz, 9) == 1.0


@every_pair
def test_state_holds_everything_and_one_copy_is_as_one_of_many(name: str) -> None:
    env, states, obs, _ = scripted(name)
    lone, middle = TaskEnv(TASKS[name](), 1), len(states) // 2
    assert np.array_equal(env.set_state(states[middle]), obs[middle])
    assert np.array_equal(lone.set_state(states[middle, 3:4]), obs[middle, 3:4])
    for _ in range(4):
        action = env.task.demonstrate(env.sim)
        assert np.array_equal(lone.task.demonstrate(lone.sim), action[3:4])
        assert np.array_equal(env.step(action).obs[3:4], lone.step(action[3:4]).obs)
    assert np.array_equal(env.get_state()[3:4], lone.get_state())


@every_robot
def test_hand_starts_and_ends_where_it_is_told_to(robot: str) -> None:
    """At random places of the table, with the hand turned, fingers close along its y axis."""
    env = TaskEnv(TASKS[f"reach@{robot}"](), 32)
    env.reset(np.arange(32))
    assert np.abs(env.sim.mocap_pos("target") - env.sim.site_pos("ee")).max() < 1e-4
    rng = np.random.default_rng(0)
    goal, yaw = rng.uniform((-0.15, -0.25, 0.05), (0.2, 0.25, 0.35), (32, 3)), rng.uniform(-1.4, 1.4, 32)
    for _ in range(120):
        env.step(env.task.steer(env.sim, goal, yaw, np.full(32, -1.0)))
    assert np.sqrt(((env.sim.site_pos("ee") - goal) ** 2).sum(1)).max() < 0.005
    assert env.sim.site_mat("ee")[:, 2, 2].max() < -0.999
    first, other = (env.sim.body_pos(finger) for finger in open_arm(robot).fingers)
    across = np.abs(((other - first) * env.sim.site_mat("ee")[:, :, 1]).sum(1))
    assert across == pytest.approx(np.linalg.norm(other - first, axis=1), rel=0.02)


@every_robot
def test_gripper_opens_and_closes(robot: str) -> None:
    env = TaskEnv(TASKS[f"lift@{robot}"](), 1)
    task = env.task
    assert isinstance(task, ArmTask)
    env.reset(np.arange(1))
    wide = task.opening(env.sim)[0]
    assert wide > 0.066  # as carry_upright needs
    for command, expected in ((1.0, 0.0), (-1.0, wide)):
        for _ in range(40):
            env.step(np.array([[0, 0, 0, 0, command]], np.float32))
        assert task.opening(env.sim)[0] == pytest.approx(expected, abs=0.003)
        assert task.grip_command(env.sim)[0] == pytest.approx(command, abs=1e-9)


@every_robot
def test_jacobian_is_mujocos(robot: str) -> None:
    env, arm = TaskEnv(TASKS[f"reach@{robot}"](), 2), open_arm(robot)
    env.reset(np.arange(2))
    ours, theirs = inverse_kinematics.jacobian(env.sim, arm, env.sim.site_pos("ee")), np.empty((6, env.model.nv))
    _, dofs, _ = env.sim.joint_columns(arm.joints)
    data = mujoco.MjData(env.model)
    mujoco.mj_setState(env.model, data, env.get_state()[1], int(mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_forward(env.model, data)
    mujoco.mj_jacSite(env.model, data, theirs[:3], theirs[3:], env.model.site("ee").id)
    np.testing.assert_allclose(ours[1], theirs[:, dofs], atol=1e-12)


@every_robot
def test_cameras(robot: str) -> None:
    env, states, _, _ = scripted(f"reach@{robot}")
    data, places = mujoco.MjData(env.model), []
    for state in (states[0, 0], states[30, 0]):
        mujoco.mj_setState(env.model, data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_forward(env.model, data)
        places.append({env.model.camera(i).name: data.cam_xpos[i].copy() for i in range(env.model.ncam)})
    assert {name for name in places[0] if np.array_equal(places[0][name], places[1][name])} >= {"front", "side", "top"}
    assert np.linalg.norm(places[0]["wrist"] - places[1]["wrist"]) > 0.02
