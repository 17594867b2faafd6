from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.scene_cameras import default_camera, free_cameras, free_fovy, task_cameras
from robo_rlhf.sim.tasks import TASKS
from tests.sim.little_scene import MJCF, states

SAMPLES = Path(__file__).parents[3] / "recordings" / "samples"


@pytest.mark.parametrize("task", ["pick_place", "navigate_room"])
def test_a_free_camera_shows_nearly_what_the_camera_of_the_scene_does(task: str) -> None:
    env = TaskEnv(TASKS[task](), 1, nthread=1)
    env.reset(np.arange(1))
    state = env.get_state()[0]
    cameras = free_cameras(env.model, state)
    assert cameras == task_cameras(task)
    assert all(not camera.name and camera.lookat is not None for camera in cameras.values())
    still = [env.model.camera(i).name for i in np.flatnonzero(env.model.cam_bodyid == 0)]
    with FrameRenderer(env.model, 160, 120) as renderer:
        pictures = {name: renderer.frame(state, name).astype(int) for name in still}
        free = {name: renderer.frame(state, cameras[name]).astype(int) for name in still}
    for name in still:
        off = {other: np.abs(free[name] - pictures[other]).mean() for other in still}
        assert min(off, key=lambda other: off[other]) == name
        assert off[name] < 6
    assert off[still[0]] >= 0
    np.testing.assert_array_equal(free[still[0]], pictures[still[0]])  # its angle of view is that of free cameras


def pixel_of(renderer: FrameRenderer, camera: Camera | str, state: Array) -> tuple[int, int]:
    """Return where the red cube is (column, row), on average."""
    picture = renderer.frame(state, camera).astype(int)
    rows, columns = np.nonzero(picture[..., 0] > 2 * picture[..., 1:].max(axis=2))
    return round(columns.mean()), round(rows.mean())


def test_a_camera_on_the_robot_is_where_it_is_in_that_state() -> None:
    model = load_model(MJCF)
    for state in states(3, turn=0.4):
        camera = free_cameras(model, state)["wrist"]
        with FrameRenderer(model, 96, 64) as renderer:
            seen, expected = pixel_of(renderer, camera, state), pixel_of(renderer, "wrist", state)
        assert np.abs(np.subtract(seen, expected)).max() <= 2


def test_a_camera_that_looks_straight_down_keeps_its_top_up() -> None:
    model = load_model(
        "<mujoco><worldbody><geom type='plane' size='2 2 .1'/><geom type='box' size='.2 .1 .1' pos='.4 .2 0'"
        " rgba='1 0 0 1'/><camera name='down' pos='0 0 2' euler='0 0 30'/></worldbody></mujoco>"
    )
    state = np.zeros(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    camera = free_cameras(model, state)["down"]
    assert camera.elevation == -90
    assert camera.azimuth == pytest.approx(120)
    with FrameRenderer(model, 96, 64) as renderer:
        assert np.abs(renderer.frame(state, camera).astype(int) - renderer.frame(state, "down")).mean() < 1


def test_scenes_without_cameras_have_the_default_one_and_unknown_tasks_are_refused() -> None:
    model = load_model("<mujoco/>")
    state = np.zeros(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    assert free_cameras(model, state) == {"front": default_camera(model)}
    assert free_fovy(model) == 45
    with pytest.raises(UnknownNameError, match="Did you mean 'pick_place'"):
        task_cameras("pick_plaec")


@pytest.mark.parametrize("name", [*TASKS, "pick_place_browser"])
def test_the_hand_is_in_the_picture_of_every_frame_of_the_samples(name: str) -> None:
    dataset = Dataset(SAMPLES / name)
    model = load_model(name.removesuffix("_browser"))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = model.camera("front").id
    half = np.tan(np.radians(model.cam_fovy[camera]) / 2) * np.array([4 / 3, 1])  # of a picture at a distance of 1
    hands = np.concatenate([episode.signals["ee_pos"] for episode in dataset.load_all(dataset.ids())])
    seen = (hands - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
    assert (seen[:, 2] < 0).all()  # before the camera
    assert (np.abs(seen[:, :2] / seen[:, 2:]) < 0.8 * half).all()  # with room for the fingers
