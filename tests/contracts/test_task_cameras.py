"""Contract of every task's cameras: fixed ones, one at the wrist where there is one, each with a picture."""

import itertools

import mujoco
import numpy as np
import pytest

from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.tasks import TASKS

STILL = int(mujoco.mjtCamLight.mjCAMLIGHT_FIXED)
HANDLESS = ("navigate_room",)  # a wheeled base


@pytest.mark.parametrize("task", list(TASKS))
def test_a_task_has_cameras_that_show_it(task: str) -> None:
    model = load_model(task)
    data = mujoco.MjData(model)
    with FrameRenderer(model, 96, 72) as renderer:
        state = np.empty(renderer.state_size)
        mujoco.mj_getState(model, data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        names = renderer.camera_names
        still = [n for n in names if model.camera(n).bodyid == 0 and model.camera(n).mode == STILL]
        assert "front" in still
        assert len(still) >= 2
        assert task in HANDLESS or "wrist" in names
        pictures = {name: renderer.frame(state, name) for name in names}
    for name, picture in pictures.items():
        assert picture.std() > 8, f"camera {name} shows next to nothing"
    for (first, one), (second, other) in itertools.combinations(pictures.items(), 2):
        difference = np.abs(one.astype(int) - other)
        assert difference.mean() > 4, f"cameras {first} and {second} show the same"
