"""N copies of a model: live views, saved and restored states, and independence of the copies."""

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import FEW, POSES, BatchSim, apart

XML = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <geom type="plane" size="1 1 0.1"/>
    <body name="mark" mocap="true" pos="0 0 1"/>
    <body name="cart" pos="0 0 0.1">
      <joint name="slide" type="slide" axis="1 0 0"/>
      <geom size="0.05"/>
      <site name="top" pos="0 0 0.05"/>
      <body name="pole" pos="0 0 0.1">
        <joint name="hinge" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.3" size="0.02"/>
      </body>
    </body>
    <body name="ball" pos="0.5 0 0.3"><freejoint name="ball"/><geom size="0.05"/></body>
  </worldbody>
  <actuator><motor name="slide" joint="slide" gear="5"/><motor name="hinge" joint="hinge"/></actuator>
  <sensor><jointpos name="where" joint="slide"/><framepos name="ball" objtype="body" objname="ball"/></sensor>
</mujoco>
"""
MODEL = mujoco.MjModel.from_xml_string(XML)


def numpy_state(data: mujoco.MjData) -> Array:
    """Return the integration state (nstate,) of one `MjData`."""
    kind = int(mujoco.mjtState.mjSTATE_INTEGRATION)
    state = np.empty(mujoco.mj_stateSize(MODEL, kind))
    mujoco.mj_getState(MODEL, data, state, kind)
    return state


@pytest.fixture
def sim() -> BatchSim:
    made = BatchSim(MODEL, 5, substeps=3, nthread=1)
    made.forward()
    return made


def push(sim: BatchSim, steps: int = 12) -> None:
    """Drive every copy its own way."""
    for t in range(steps):
        sim.ctrl[:, 0] = np.linspace(-1, 1, 5)[: sim.num_envs] * np.cos(t)
        sim.step()


def test_steps_as_mujoco_does(sim: BatchSim) -> None:
    push(sim)
    data = mujoco.MjData(MODEL)
    for t in range(12):
        data.ctrl[0] = np.linspace(-1, 1, 5)[4] * np.cos(t)
        mujoco.mj_step(MODEL, data, 3)
    assert np.array_equal(sim.state[4], numpy_state(data))


def test_views_are_live(sim: BatchSim) -> None:
    views = {
        "slide": sim.qpos("slide"),
        "speed": sim.qvel("hinge"),
        "ball": sim.qpos("ball"),
        "spin": sim.qvel("ball"),
        "cart": sim.body_pos("cart"),
        "turn": sim.body_quat("pole"),
        "top": sim.site_pos("top"),
        "frame": sim.site_mat("top"),
        "where": sim.sensor("where"),
        "seen": sim.sensor("ball"),
    }
    shapes = {name: view.shape[1:] for name, view in views.items()}
    assert shapes == {
        "slide": (1,), "speed": (1,), "ball": (7,), "spin": (6,), "cart": (3,), "turn": (4,), "top": (3,),
        "frame": (3, 3), "where": (1,), "seen": (3,),
    }  # fmt: skip
    before = {name: view.copy() for name, view in views.items()}
    push(sim)
    sim.forward()
    moved = {name for name, view in views.items() if not np.array_equal(view, before[name])}
    assert moved == set(views) - {"frame"}
    assert np.array_equal(views["cart"][:, 0], views["slide"][:, 0])
    assert np.array_equal(views["where"], views["slide"])
    assert np.array_equal(views["seen"], views["ball"][:, :3])
    assert views["top"] - views["cart"] == pytest.approx(np.broadcast_to([0, 0, 0.05], (5, 3)))
    sim.qpos("slide")[3] = 0.25
    assert views["slide"][3] == 0.25


def test_mocap_bodies_are_moved_through_the_state(sim: BatchSim) -> None:
    sim.mocap_pos("mark")[2] = 1.0, 2.0, 3.0
    sim.mocap_quat("mark")[2] = 0.0, 1.0, 0.0, 0.0
    state = sim.state.copy()
    other = BatchSim(MODEL, 5, substeps=3)
    other.set_state(state)
    assert other.body_pos("mark")[2].tolist() == [1, 2, 3]
    assert other.mocap_quat("mark")[2].tolist() == [0, 1, 0, 0]
    assert other.mocap_pos("mark")[0].tolist() == [0, 0, 1]


@pytest.mark.parametrize("nthread", [0, 1, 2])
def test_copies_and_threads_make_no_difference(sim: BatchSim, nthread: int) -> None:
    push(sim)
    other = BatchSim(MODEL, 3, substeps=3, nthread=nthread)
    push(other)
    assert np.array_equal(other.state, sim.state[:3])


@pytest.fixture
def felt() -> mujoco.MjModel:
    """Return the model with a sensor of forces in place of those of positions."""
    spec = mujoco.MjSpec.from_string(XML)
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    spec.add_sensor(name="felt", type=mujoco.mjtSensor.mjSENS_TOUCH, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="top")
    return spec.compile()


def test_poses_computed_apart_are_those_of_mujoco(felt: mujoco.MjModel) -> None:
    many, few = BatchSim(felt, FEW, 3), BatchSim(felt, FEW - 1, 3)  # only the first has a batch for poses
    assert many._poses is not many._batch
    assert few._poses is few._batch
    data = mujoco.MjData(felt)
    ids = np.array([1, 4])

    def compare() -> None:
        assert np.array_equal(many.sensor("felt")[:-1], few.sensor("felt"))
        for field in POSES:
            assert np.array_equal(many.bind(field)[:-1], few.bind(field)), field
            mujoco.mj_setState(felt, data, many.state[4], int(mujoco.mjtState.mjSTATE_INTEGRATION))
            mujoco.mj_kinematics(felt, data)
            mujoco.mj_comPos(felt, data)
            assert np.array_equal(many.bind(field)[4].ravel(), getattr(data, field).ravel()), field

    for sim in (many, few):
        sim.forward()
    compare()
    for _ in range(5):
        for sim in (many, few):
            sim.ctrl[:, 0] = np.linspace(-1, 1, FEW)[: sim.num_envs]
            sim.mocap_pos("mark")[:] += 0.1
            sim.step()
        compare()
    for sim in (many, few):
        sim.reset(ids)
        sim.qpos("slide")[ids] = 0.3
        sim.forward(ids)
    compare()
    for sim in (many, few):
        sim.set_state(sim.state[::-1].copy() if sim is few else np.concatenate([many.state[-2::-1], many.state[-1:]]))
    compare()


def test_other_fields_are_of_the_present_state_too(felt: mujoco.MjModel) -> None:
    sim, data = BatchSim(felt, FEW, 3), mujoco.MjData(felt)
    spin = sim.bind("cvel")
    push_all = np.linspace(-1, 1, FEW)
    for _ in range(3):
        sim.ctrl[:, 0] = push_all
        sim.step()
    mujoco.mj_setState(felt, data, sim.state[2], int(mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_forward(felt, data)
    assert np.array_equal(spin[2], data.cvel)


def test_joints_side_by_side_are_views_and_others_copies(sim: BatchSim) -> None:
    push(sim)
    ordered, turned = ("slide", "hinge"), ("hinge", "slide")
    assert np.shares_memory(sim.joint_qpos(ordered), sim.state)
    assert np.array_equal(sim.joint_qpos(ordered), np.hstack([sim.qpos("slide"), sim.qpos("hinge")]))
    assert np.array_equal(sim.joint_qpos(turned), sim.joint_qpos(ordered)[:, ::-1])
    assert np.array_equal(sim.joint_field("xaxis", turned), sim.joint_field("xaxis", ordered)[:, ::-1])
    sim.set_ctrl(turned, np.array([[1.0, 2.0]]))
    assert sim.ctrl.tolist() == [[2.0, 1.0]] * 5
    sim.set_ctrl(ordered, np.full((5, 1), 3.0))
    assert (sim.ctrl == 3).all()


def test_a_state_entered_again_has_the_same_future(sim: BatchSim) -> None:
    push(sim)
    state = sim.state.copy()
    push(sim)
    future = sim.state.copy()
    sim.set_state(state)
    push(sim)
    assert np.array_equal(sim.state, future)


def test_reset_is_for_whom_it_is_meant(sim: BatchSim) -> None:
    push(sim)
    before = sim.state.copy()
    sim.reset(np.array([1, 3]))
    assert np.array_equal(sim.state[[0, 2, 4]], before[[0, 2, 4]])
    assert np.array_equal(sim.qpos("slide")[[1, 3]], np.zeros((2, 1)))


def test_columns_of_joints(sim: BatchSim) -> None:
    qpos, dofs, actuators = sim.joint_columns(("hinge", "slide"))
    assert (qpos.tolist(), dofs.tolist(), actuators.tolist()) == ([1, 0], [1, 0], [1, 0])
    assert sim.joint_ids(("ball", "hinge")).tolist() == [2, 1]


def test_refuses_states_of_another_shape(sim: BatchSim) -> None:
    with pytest.raises(ShapeError, match=r"simulator state: expected shape \(5, \d+\), got shape \(5, 3\)"):
        sim.set_state(np.zeros((5, 3)))


def test_how_far_states_are_apart_is_said_of_positions(sim: BatchSim) -> None:
    start = sim.state[0].copy()
    assert apart(MODEL, start, start.copy()) == 0.0
    kind = mujoco.mjtState
    warm = start.copy()
    sizes = [mujoco.mj_stateSize(MODEL, int(part)) for part in (kind.mjSTATE_TIME, kind.mjSTATE_QPOS)]
    warm[sum(sizes)] += 3.0  # a speed
    assert 0.0 < apart(MODEL, start, warm) < 1e-15
    moved = start.copy()
    moved[sizes[0]] += 1e-3
    assert apart(MODEL, start, moved) == pytest.approx(1e-3)
    moved[sizes[0]] = np.nan
    assert np.isnan(apart(MODEL, start, moved))
