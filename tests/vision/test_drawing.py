"""Pictures of many states through shared memory are those that a renderer draws."""

import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError, UnknownNameError
from robo_rlhf.core.types import Episode
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.vision.drawing import Drawer, draw_all
from robo_rlhf.vision.sight import Sight


def test_many_states_are_drawn_as_one_by_one(episodes: list[Episode]) -> None:
    states = np.concatenate([e.state for e in episodes] * 2)
    drawer = Drawer("pick_place", Sight(("front", "wrist"), 16))
    found, again = drawer.draw(states), draw_all(drawer, states, most=3)
    with FrameRenderer(load_model("pick_place"), 16, 16) as renderer:
        for camera in ("front", "wrist"):
            expected = renderer.frames(states, camera)
            assert np.array_equal(found[camera], expected)
            assert np.array_equal(again[camera], expected)
    drawer.close()
    assert np.array_equal(drawer.draw(states)["front"], found["front"])  # with new memory
    drawer.close()


def test_what_cannot_be_drawn_is_said_and_the_next_request_served(episodes: list[Episode]) -> None:
    states = episodes[0].state
    with pytest.raises(UnknownNameError, match="wrist"):
        Drawer("pick_place", Sight(("wirst",), 16)).draw(states)
    with pytest.raises(ShapeError, match="states to draw"):
        Drawer("lift", Sight(("front",), 16)).draw(states)
    assert Drawer("pick_place", Sight(("front",), 16)).draw(states)["front"].shape == (4, 16, 16, 3)


def test_each_state_is_drawn_in_its_look(episodes: list[Episode]) -> None:
    states = np.repeat(episodes[0].state[:1], 3, axis=0)
    drawer = Drawer("pick_place", Sight(("front",), 16))
    plain = drawer.draw(states)["front"]
    dressed = drawer.draw(states, [Look(1), Look(2), Look(1)])["front"]
    assert np.array_equal(dressed[0], dressed[2])
    assert not np.array_equal(dressed[0], dressed[1])
    assert np.array_equal(drawer.draw(states)["front"], plain)
    drawer.close()
