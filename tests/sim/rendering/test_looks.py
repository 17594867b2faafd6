"""Looks: within bounds, repeatable, and gone without a trace."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.looks import STILL, Look, LookBounds, Wardrobe
from robo_rlhf.sim.rendering.renderer import FrameRenderer
from robo_rlhf.sim.tasks import TASKS

FIELDS = ("light_dir", "light_diffuse", "geom_rgba", "mat_rgba", "cam_pos", "cam_quat", "cam_fovy")


@pytest.fixture(scope="module")
def scene() -> tuple[TaskEnv, Array]:
    env = TaskEnv(TASKS["navigate_room"](), 1, nthread=1)
    env.reset(np.zeros(1, np.int64))
    return env, env.get_state()[0]


def test_every_look_is_another_and_the_scene_is_left_as_it_was(scene: tuple[TaskEnv, Array]) -> None:
    env, state = scene
    with FrameRenderer(env.model, 32, 32) as renderer:
        made = renderer.frame(state).copy()
        drawn = []
        for seed in (0, 1, 2, 0):
            renderer.wardrobe.dress(Look(seed))
            drawn.append(renderer.frame(state).copy())
        renderer.wardrobe.dress(None)
        assert np.array_equal(renderer.frame(state), made)
        assert np.array_equal(drawn[0], drawn[3])
        assert all(np.abs(a.astype(int) - b).mean() > 2 for a in drawn[:3] for b in (made, drawn[1]) if a is not b)


def test_changes_stay_within_their_bounds_and_apart(scene: tuple[TaskEnv, Array]) -> None:
    model = FrameRenderer(scene[0].model, 8, 8).model
    before = {name: getattr(model, name).copy() for name in FIELDS}
    wardrobe, bounds = Wardrobe(model), LookBounds()
    found: dict[str, list[Array]] = {name: [] for name in FIELDS}
    for seed in range(40):
        wardrobe.dress(Look(seed, bounds))
        for name in FIELDS:
            found[name].append(getattr(model, name) - before[name])
    assert 0.9 * bounds.position < np.abs(found["cam_pos"]).max() <= bounds.position
    assert 0.9 * bounds.colour < np.abs(found["geom_rgba"]).max() <= bounds.colour + 1e-6
    assert np.abs(np.array(found["geom_rgba"])[..., 3]).max() == 0  # what one sees through stays so
    assert np.abs(np.array(found["cam_fovy"]) / before["cam_fovy"]).max() <= bounds.fovy + 1e-6
    wardrobe.dress(Look(3, replace(STILL, position=0.05)))
    moved = {name for name in FIELDS if np.abs(getattr(model, name) - before[name]).max() > 1e-6}
    assert moved == {"cam_pos"}
    wardrobe.dress(None)
    assert all(np.array_equal(getattr(model, name), before[name]) for name in FIELDS)


def test_negative_bounds_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="bound colour of looks"):
        LookBounds(colour=-0.1)
