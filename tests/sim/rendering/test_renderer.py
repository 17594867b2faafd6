import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, ShapeError, UnknownNameError
from robo_rlhf.sim.physics.model_identity import compiled_hash
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from tests.sim.little_scene import MJCF, STATE, states, with_goal_at


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return load_model(MJCF)


@pytest.fixture(scope="module")
def renderer(model: mujoco.MjModel) -> Iterator[FrameRenderer]:
    with FrameRenderer(model, 96, 64) as opened:
        yield opened


def test_a_picture_has_the_size_asked_for_and_shows_something(renderer: FrameRenderer) -> None:
    picture = renderer.frame(states(1)[0], "front")
    assert picture.shape == (64, 96, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


def test_pictures_are_upright(renderer: FrameRenderer) -> None:
    picture = renderer.frame(states(1)[0], "side").astype(int)
    assert picture[:8].mean() < picture[-8:].mean()  # the sky is black here, the floor is not


def test_a_picture_depends_on_its_state_alone(renderer: FrameRenderer) -> None:
    rows = states(6, turn=0.5)
    forwards = renderer.frames(rows, "front")
    backwards = renderer.frames(rows[::-1], "front")[::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert all((a != b).any() for a, b in itertools.pairwise(forwards))


def test_another_renderer_draws_the_same_pixels(renderer: FrameRenderer, model: mujoco.MjModel) -> None:
    state = states(3)[2]
    with FrameRenderer(model, 96, 64) as other:
        np.testing.assert_array_equal(other.frame(state, "wrist"), renderer.frame(state, "wrist"))
        other.frame(state, "front")
        np.testing.assert_array_equal(renderer.frame(state, "side"), other.frame(state, "side"))


def test_what_is_computed_is_enough(renderer: FrameRenderer) -> None:
    state = states(4, turn=0.7)[3]
    quick = renderer.frame(state, "wrist")
    mujoco.mj_setState(renderer.model, renderer.data, state, STATE)
    mujoco.mj_forward(renderer.model, renderer.data)
    np.testing.assert_array_equal(renderer.draw("wrist"), quick)


def test_a_free_camera_looks_where_it_is_told(renderer: FrameRenderer) -> None:
    picture = renderer.frame(states(1)[0], "90,-89,0.5,0.3,0.3,0.06")  # down on the red cube
    red, green, blue = picture[32, 48].astype(int)
    assert red > 1.5 * max(green, blue)


def test_what_is_only_for_people_is_drawn(renderer: FrameRenderer) -> None:
    state = states(1)[0]
    moved = with_goal_at(state, (0.6, 0.0, 0.1))
    greener = renderer.frame(moved).astype(int) - renderer.frame(state)
    assert (greener[..., 1] - greener[..., 0]).max() > 40


def test_fine_adds_shadows(model: mujoco.MjModel, renderer: FrameRenderer) -> None:
    state = states(1)[0]
    with FrameRenderer(model, 96, 64, "fine") as fine:
        picture = fine.frame(state)
        np.testing.assert_array_equal(fine.frame(state), picture)
    assert picture.shape == (64, 96, 3)
    difference = picture.astype(int) - renderer.frame(state)
    assert (difference.sum(axis=2) < -40).mean() > 0.01


def test_frames_go_where_they_are_told(renderer: FrameRenderer) -> None:
    state = states(1)[0]
    out = np.zeros((64, 96, 3), np.uint8)
    assert renderer.frame(state, "front", out) is out
    np.testing.assert_array_equal(out, renderer.frame(state, "front"))


def test_the_model_is_left_as_it_was(model: mujoco.MjModel) -> None:
    before = compiled_hash(model)
    with FrameRenderer(model, 1000, 700):  # larger than the buffer that the model asks for
        pass
    assert compiled_hash(model) == before


def test_states_that_are_not_finite_do_no_harm(renderer: FrameRenderer) -> None:
    good = states(1)[0]
    before = renderer.frame(good)
    renderer.frame(np.full_like(good, np.nan))
    np.testing.assert_array_equal(renderer.frame(good), before)


def test_states_of_another_model_are_refused_with_both_numbers(renderer: FrameRenderer) -> None:
    width = renderer.state_size
    with pytest.raises(ShapeError, match=rf"state to draw: expected shape \({width}\), got shape \({width - 1},\)"):
        renderer.frame(np.zeros(width - 1))
    with pytest.raises(ShapeError, match=rf"states to draw: expected shape \(T, {width}\), got shape \(2, 3\)"):
        renderer.frames(np.zeros((2, 3)))


def test_unknown_names_are_refused(renderer: FrameRenderer, model: mujoco.MjModel) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown camera 'wirst'\. Did you mean 'wrist'\?"):
        renderer.frame(states(1)[0], "wirst")
    with pytest.raises(UnknownNameError, match=r"Unknown quality 'fines'\. Did you mean 'fine'\?"):
        FrameRenderer(model, 32, 32, "fines")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Did you mean 'pick_place'"):
        load_model("pick_plaec")


@pytest.mark.parametrize("size", [(0, 10), (10, 5000), (-3, 4)])
def test_impossible_sizes_are_refused(model: mujoco.MjModel, size: tuple[int, int]) -> None:
    with pytest.raises(InvalidValueError, match="picture size: expected width and height from 1 to 4096 pixels"):
        FrameRenderer(model, *size)


def test_models_come_from_files_and_text(tmp_path: Path) -> None:
    path = tmp_path / "scene.xml"
    path.write_text(MJCF)
    assert compiled_hash(load_model(path)) == compiled_hash(load_model(MJCF))
    with pytest.raises(NotFoundError, match="No MJCF file"):
        load_model(tmp_path / "none.xml")
    with pytest.raises(InvalidValueError, match="MJCF text: expected a model that MuJoCo compiles, got the error"):
        load_model("<mujoco><nonsense/></mujoco>")


def test_a_renderer_stays_with_its_thread(renderer: FrameRenderer) -> None:
    caught: list[Exception] = []

    def draw() -> None:
        try:
            renderer.draw("front")
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert "use a RenderPool" in str(caught[0])


def test_each_thread_can_have_its_own(model: mujoco.MjModel, renderer: FrameRenderer) -> None:
    state = states(1)[0]
    drawn = []

    def draw() -> None:
        with FrameRenderer(model, 96, 64) as own:
            drawn.extend(own.frame(state) for _ in range(5))

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 15
    for picture in drawn:
        np.testing.assert_array_equal(picture, renderer.frame(state))


def test_a_closed_renderer_says_so(model: mujoco.MjModel) -> None:
    renderer = FrameRenderer(model, 16, 16)
    renderer.close()
    renderer.close()
    with pytest.raises(RuntimeError, match="closed"):
        renderer.frame(states(1)[0])


def test_without_opengl_the_error_says_what_to_install() -> None:
    program = (
        "from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model\n"
        "from robo_rlhf.core.errors import MissingDependencyError\n"
        "try: FrameRenderer(load_model('<mujoco/>'), 16, 16)\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    environment = {**os.environ, "MUJOCO_GL": "disable", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "A working OpenGL (MUJOCO_GL=disable" in done.stdout
    assert "apt-get install libegl1 libgl1 libgl1-mesa-dri (or libosmesa6)" in done.stdout


def test_mujoco_may_be_imported_before_the_backend_is_chosen() -> None:
    program = (
        "import mujoco\n"
        "from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model\n"
        "renderer = FrameRenderer(load_model('<mujoco/>'), 16, 16)\n"
        "print(renderer.width)\n"  # and it is never closed
    )
    environment = {k: v for k, v in os.environ.items() if k != "MUJOCO_GL"} | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "16"
    assert not done.stderr
