from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.annotation_geoms import ABOVE, CORNERS, AnnotationDrawer
from robo_rlhf.sim.rendering.annotations import Arrow, DropLine, Trail
from robo_rlhf.sim.rendering.renderer import STATE, FrameRenderer, load_model
from robo_rlhf.sim.scenes.appearance import PALETTE
from robo_rlhf.sim.tasks import TASKS
from tests.sim.little_scene import MJCF, states

CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
# A hand with fingers over a step, over a loose cube, and a mark in the air that nothing touches.
DROP = """
<mujoco>
  <worldbody>
    <geom type="plane" size="2 2 .1"/>
    <geom type="box" size=".1 .1 .05" pos="1 0 .05"/>
    <geom type="box" size=".1 .1 .01" pos="1 0 .3" rgba="0 1 0 .4" contype="0" conaffinity="0"/>
    <body name="hand" pos="0 0 .6">
      <joint type="slide" axis="1 0 0"/>
      <geom type="box" size=".05 .05 .02"/>
      <site name="ee" pos="0 0 -.1"/>
      <body pos="0 0 -.2"><geom size=".02" contype="0"/></body>
    </body>
    <body name="cube" pos="3 0 .3"><freejoint/><geom type="box" size=".02 .02 .02"/></body>
  </worldbody>
</mujoco>
"""


def landing(hand: float, cube: tuple[float, float, float]) -> Array:
    """Return the middle (3,) of the ring when the hand is at x = `hand` [m] and the cube at `cube` [m]."""
    model = mujoco.MjModel.from_xml_string(DROP)
    data = mujoco.MjData(model)
    data.qpos[0], data.qpos[1:4] = hand, cube
    mujoco.mj_kinematics(model, data)
    before = data.qpos.copy()
    scene = mujoco.MjvScene(model, maxgeom=200)
    AnnotationDrawer(model, scene, mujoco.MjvOption()).add([DropLine()], data)
    np.testing.assert_array_equal(data.qpos, before)
    lines = [scene.geoms[i] for i in range(scene.ngeom) if scene.geoms[i].type == mujoco.mjtGeom.mjGEOM_LINE]
    assert len(lines) == CORNERS + 1
    discs = [scene.geoms[i] for i in range(scene.ngeom) if scene.geoms[i].type == CYLINDER]
    assert len(discs) == 1
    return np.array(discs[0].pos)


@pytest.mark.parametrize(
    ("hand", "cube", "z"),
    [
        (0.0, (3, 0, 0.02), 0.0),  # the floor, through its own fingertip
        (1.0, (3, 0, 0.02), 0.1),  # the step, through the mark above it
        (0.0, (0, 0, 0.02), 0.04),  # the top of a cube that lies there
        (0.0, (0, 0, 0.5), 0.0),  # the floor, while the cube is held
        (1.0, (1, 0, 0.475), 0.1),  # the step, while the cube is held by its top
        (0.0, (0, 0, 0.45), 0.47),  # a cube that is not held yet
    ],
)
def test_a_drop_line_lands_on_what_is_beneath(hand: float, cube: tuple[float, float, float], z: float) -> None:
    np.testing.assert_allclose(landing(hand, cube), [hand, 0, z + ABOVE], atol=1e-4)


def test_a_cup_that_is_held_is_looked_through() -> None:
    env = TaskEnv(TASKS["carry_upright"](), 1, nthread=1)
    env.reset(np.arange(1))
    for _ in range(70):
        env.step(env.task.demonstrate(env.sim))
    data, scene = mujoco.MjData(env.model), mujoco.MjvScene(env.model, maxgeom=200)
    decorator = AnnotationDrawer(env.model, scene, mujoco.MjvOption())

    def ring() -> Array:
        mujoco.mj_setState(env.model, data, env.get_state()[0], STATE)
        mujoco.mj_kinematics(env.model, data)
        scene.ngeom = 0
        decorator.add([DropLine()], data)
        return np.array(next(scene.geoms[i].pos for i in range(scene.ngeom) if scene.geoms[i].type == CYLINDER))

    hand, cup = env.sim.site_pos("ee")[0], env.sim.body_pos("cup")[0]
    assert cup[2] > 0.06  # lifted, around the site
    assert np.linalg.norm(hand - cup) < 0.05
    assert ring() == pytest.approx([hand[0], hand[1], ABOVE], abs=0.002)  # on the table or its mat


@pytest.fixture(scope="module")
def renderer() -> Iterator[FrameRenderer]:
    with FrameRenderer(load_model(MJCF), 96, 64) as opened:
        yield opened


@pytest.mark.parametrize(
    "annotations",
    [
        Arrow((0.0, -0.3, 0.3), (0.3, -0.3, 0.5), "purple", width=0.03),
        Trail(((0.0, -0.3, 0.3), (0.3, -0.3, 0.5), (0.5, 0.0, 0.5)), "purple", width=0.02),
        Trail(((0.3, -0.3, 0.5),), "purple", width=0.03, balls=True),
    ],
)
def test_arrows_and_trails_are_seen_and_leave_no_trace(renderer: FrameRenderer, annotations: Arrow | Trail) -> None:
    state = states(1)[0]
    kept = state.copy()
    bare = renderer.frame(state)
    decorated = renderer.frame(state, annotations=(annotations,))
    changed = np.abs(decorated.astype(int) - bare).max(axis=2) > 20
    assert 5 < changed.sum() < changed.size / 4
    assert (decorated[changed][:, 1] < decorated[changed][:, 2]).all()  # purple
    np.testing.assert_array_equal(renderer.frame(state, annotations=(annotations,)), decorated)
    np.testing.assert_array_equal(renderer.frame(state), bare)
    np.testing.assert_array_equal(state, kept)


def test_an_arrow_ends_where_it_says(renderer: FrameRenderer) -> None:
    state, ends = states(1)[0], ((0.3, -0.3, 0.2), (0.3, -0.3, 0.5))
    bare = renderer.frame(state).astype(int)
    tops = []
    for one in (Arrow(*ends, "purple", width=0.01), Trail(ends, "purple", width=0.01, fade=1.0)):
        seen = np.abs(renderer.frame(state, annotations=(one,)).astype(int) - bare).max(axis=2) > 20
        tops.append(int(np.flatnonzero(seen.any(axis=1))[0]))
    assert abs(tops[0] - tops[1]) <= 2


def test_a_trail_fades(renderer: FrameRenderer) -> None:
    points = tuple((0.1 * i, -0.3, 0.4) for i in range(6))
    scene = renderer._scene
    renderer.frame(states(1)[0], annotations=(Trail(points, "teal", fade=0.2),))
    alphas = [float(scene.geoms[i].rgba[3]) for i in range(scene.ngeom - 5, scene.ngeom)]
    np.testing.assert_allclose(alphas, np.linspace(1, 0.2, 5), atol=1e-6)


@pytest.mark.parametrize("task", ["pick_place", "navigate_room"])
def test_both_robots_have_a_drop_line(task: str) -> None:
    env = TaskEnv(TASKS[task](), 1, nthread=1)
    env.reset(np.arange(1))
    state = env.get_state()[0]
    with FrameRenderer(env.model, 320, 240) as renderer:
        bare, decorated = (
            renderer.frame(state, "front", annotations=annotations).astype(int) for annotations in ((), (DropLine(),))
        )
        placed = np.empty_like(state)
        mujoco.mj_getState(renderer.model, renderer.data, placed, STATE)
    np.testing.assert_array_equal(placed, state)  # drawing changed nothing
    changed = np.abs(decorated - bare).max(axis=2) > 30
    assert changed.sum() > 20
    red, green, blue = PALETTE["guide"][:3]
    assert (red > blue > green) == bool((decorated[changed].mean(axis=0).argsort() == [1, 2, 0]).all())


def test_a_drop_line_has_no_kinks() -> None:
    env = TaskEnv(TASKS["pick_place"](), 1, nthread=1)
    env.reset(np.arange(1))
    state = env.get_state()[0]
    with FrameRenderer(env.model, 640, 480) as renderer:
        bare, drawn = (
            renderer.frame(state, "90,-35,1.4,0.2,0,0.1", annotations=shown).astype(float)
            for shown in ((), (DropLine(),))
        )
    cover = np.abs(drawn - bare).sum(axis=2)
    rows = np.flatnonzero((cover > 0).any(axis=1))[5:50]  # above the ring
    middle = (cover[rows] * np.arange(640)).sum(axis=1) / cover[rows].sum(axis=1)
    straight = np.polyval(np.polyfit(rows, middle, 1), rows)
    assert abs(middle[0] - middle[-1]) > 1  # aslant, so that it passes from one column of pixels to the next
    assert np.abs(middle - straight).max() < 0.25


def test_without_a_robot_there_is_no_drop_line(renderer: FrameRenderer) -> None:
    state = states(1)[0]
    np.testing.assert_array_equal(renderer.frame(state, annotations=(DropLine(),)), renderer.frame(state))


def test_unknown_names_are_refused(renderer: FrameRenderer) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown colour 'purpel'\. Did you mean 'purple'\?"):
        renderer.frame(states(1)[0], annotations=(Arrow((0, 0, 0), (0, 0, 1), "purpel"),))
    with pytest.raises(UnknownNameError, match="Unknown site 'tip'"):
        renderer.frame(states(1)[0], annotations=(DropLine("tip"),))


def test_more_than_fits_is_left_out(renderer: FrameRenderer) -> None:
    points = tuple((0.001 * i, -0.3, 0.4) for i in range(400))
    renderer.frame(states(1)[0], annotations=(Trail(points),) * 12)
    assert renderer._scene.ngeom == renderer._scene.maxgeom
