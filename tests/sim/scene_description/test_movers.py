"""Poses of everything that moves are those that MuJoCo draws with."""

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.sim.rendering.renderer import STATE, load_model
from robo_rlhf.sim.scene_description.movers import Movers
from robo_rlhf.sim.tasks import TASKS
from tests.sim.foreign_scene import foreign_mjcf, foreign_states


def test_poses_are_those_of_the_bodies_and_of_cameras_that_follow() -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    movers, states = Movers(model), foreign_states(model, 4)
    names = [model.body(body).name for body in movers.bodies]
    assert names == ["arm", "", "goal", "", "cube"]  # the child of the mocap body goes with it
    assert [model.camera(camera).name for camera in movers.cameras] == ["watcher"]
    poses = movers.poses(states)
    assert (poses.shape, poses.dtype) == ((4, 6, 7), np.float32)
    data = mujoco.MjData(model)
    for pose, state in zip(poses, states, strict=True):
        mujoco.mj_setState(model, data, state, STATE)
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(pose[:5, :3], data.xpos[movers.bodies], atol=1e-6)
        np.testing.assert_allclose(pose[:5, 3:], data.xquat[movers.bodies], atol=1e-6)
        turned = np.empty(9)
        mujoco.mju_quat2Mat(turned, pose[5, 3:].astype(np.float64))
        np.testing.assert_allclose(turned, data.cam_xmat[movers.cameras[0]], atol=1e-5)


def test_a_state_that_is_not_finite_spoils_its_own_poses_alone() -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    states = foreign_states(model, 3)
    states[1, 2] = np.nan
    finite = np.isfinite(Movers(model).poses(states)).all(axis=(1, 2))
    assert finite.tolist() == [True, False, True]


def test_states_of_another_model_are_refused() -> None:
    with pytest.raises(ShapeError, match="states to draw"):
        Movers(mujoco.MjModel.from_xml_string(foreign_mjcf())).poses(np.zeros((2, 3)))


@pytest.mark.parametrize("task", TASKS)
def test_a_clip_of_sixty_frames_is_small(task: str) -> None:
    movers = Movers(load_model(task))
    states = np.zeros((60, mujoco.mj_stateSize(movers.model, STATE)))
    assert movers.poses(states).nbytes <= 40_000
