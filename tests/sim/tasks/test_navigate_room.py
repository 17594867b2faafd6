"""The rover's range sensors: rays and clearance are those of the walls and objects."""

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.scenes.furniture import FURNITURE
from robo_rlhf.sim.scenes.scene import ROOM_HALF, ROVER_RADIUS
from robo_rlhf.sim.task_tools.grid_planner import box_distance
from robo_rlhf.sim.tasks.navigate_room import RANGE, RAYS, NavigateRoom

ROUND = ("pillar", "barrel")  # felt as the boxes around them


@pytest.fixture(scope="module")
def env() -> TaskEnv:
    env = TaskEnv(NavigateRoom(), 64)
    env.reset(np.arange(64))
    return env


def rays(env: TaskEnv) -> Array:
    return env.task.observe(env.sim)[:, 9 : 9 + RAYS]


def test_starts_are_free_and_away_from_the_goal(env: TaskEnv) -> None:
    assert isinstance(env.task, NavigateRoom)
    assert env.task.clearance(env.sim).min() > 0.0
    assert env.sim.sensor("contact_force") == pytest.approx(np.zeros((64, 3)))
    way = env.sim.mocap_pos("goal")[:, :2] - env.task.position(env.sim)
    assert np.sqrt((way * way).sum(1)).min() >= 1.5


def test_clearance_is_the_least_room(env: TaskEnv) -> None:
    assert isinstance(env.task, NavigateRoom)
    here = env.task.position(env.sim)
    room = np.min(
        [ROOM_HALF - np.abs(here).max(axis=1), *(box_distance(here, box) for box in FURNITURE.values())], axis=0
    )
    assert env.task.clearance(env.sim) == pytest.approx(room - ROVER_RADIUS)


def test_rays_end_where_mujocos_do(env: TaskEnv) -> None:
    """From the rover's place at a height that meets everything; where a box stands for a round thing, not farther."""
    data, found, geom = mujoco.MjData(env.model), rays(env), np.zeros(1, np.int32)
    groups = np.ones(6, np.uint8)
    exact = 0
    for i, state in enumerate(env.get_state()):
        mujoco.mj_setState(env.model, data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_forward(env.model, data)
        x, y, yaw = data.qpos[:3]
        for k in range(RAYS):
            angle = yaw + k * 2 * np.pi / RAYS
            start, way = np.array([x, y, 0.2]), np.array([np.cos(angle), np.sin(angle), 0.0])
            far = mujoco.mj_ray(env.model, data, start, way, groups, 1, env.model.body("rover").id, geom)
            name = env.model.body(env.model.geom_bodyid[geom[0]]).name
            if name in ROUND or far >= RANGE:
                assert found[i, k] <= far + 1e-5
            elif env.model.geom_contype[geom[0]] == 0:  # trimmings stand out a little
                assert found[i, k] <= far + 0.01
            elif found[i, k] == pytest.approx(far, abs=1e-5):
                exact += 1
            else:  # the corner of a box around a round thing was nearer
                assert found[i, k] < far
    assert exact > 100


def test_touching_is_felt(env: TaskEnv) -> None:
    lone = TaskEnv(NavigateRoom(), 1)
    lone.reset(np.array([0]))
    lone.sim.qpos("base_x")[:], lone.sim.qpos("base_y")[:], lone.sim.qpos("base_yaw")[:] = 1.6, -0.2, 0.0
    forces = [lone.step(np.array([[1.0, 0.0]], np.float32)).signals["contact_force"][0, 0] for _ in range(15)]
    assert forces[0] == 0.0
    assert max(forces) > 20.0
