"""The contract of robots, over the registry; and what only ours keep, with every task of an arm."""

import functools

import mujoco
import numpy as np
import pytest

from robo_rlhf.contracts.robot import CONTRACT, NUM, RobotTrial
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics import inverse_kinematics
from robo_rlhf.sim.robot import open_arm
from robo_rlhf.sim.robots import DEFAULT, ROBOTS
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.tasks import TASKS

OTHERS = [robot for robot in ROBOTS if robot != DEFAULT]
ARM_TASKS = [task for task in TASKS if issubclass(TASKS[task], ArmTask)]
every_robot = pytest.mark.parametrize("robot", list(ROBOTS))
every_pair = pytest.mark.parametrize("name", [f"{task}@{robot}" for robot in OTHERS for task in ARM_TASKS])


@functools.cache
def trial(robot: str) -> RobotTrial:
    return RobotTrial(ROBOTS[robot])


@every_robot
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(robot: str, clause: object) -> None:
    assert callable(clause)
    clause(trial(robot))


@every_robot
def test_ours_are_called_as_they_are_registered(robot: str) -> None:
    assert ROBOTS[robot].name == robot


@every_pair
def test_scripted_operator_succeeds(name: str) -> None:
    env = TaskEnv(TASKS[name](), NUM)
    operator = ScriptedOperator(env, PERFECT)
    obs, success = env.reset(np.arange(NUM)), np.zeros(NUM, np.bool_)
    for _ in range(env.horizon):
        step = env.step(operator.act(obs))
        obs, success = step.obs, step.success
    assert success.all()


@every_pair
def test_task_is_the_same_but_for_the_robot(name: str) -> None:
    env, own = TaskEnv(TASKS[name](), 1), TASKS[name.partition("@")[0]]
    assert TASKS[name] is TASKS[name]
    assert issubclass(TASKS[name], own)
    assert env.name == TASKS[name].name == name
    assert (env.task.obs_names, env.task.action_names) == (own.obs_names, own.action_names)
    assert env.model_hash != TaskEnv(own(), 1).model_hash
    assert round(env.sim.substeps * env.model.opt.timestep * own.control_hz, 9) == 1.0


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
