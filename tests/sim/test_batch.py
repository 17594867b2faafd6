"""N copies of a model: live views, states that come and go, and no copy that knows of another."""

import mujoco
import numpy as np
import pytest

from robo_rlhf.errors import MissingDependencyError, ShapeError
from robo_rlhf.sim import batch
from robo_rlhf.sim.batch import BatchSim, model_hash, numpy_state

MODEL = mujoco.MjModel.from_xml_string("""
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
""")


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
    assert np.array_equal(sim.state[4], numpy_state(data, MODEL))


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


def test_says_what_an_old_mujoco_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "Batch", None)
    with pytest.raises(MissingDependencyError, match=r"Install MuJoCo 3\.17 or newer, or train on an outside"):
        BatchSim(MODEL, 1, 1)


def test_hash_follows_the_model() -> None:
    same = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    again = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    other = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='2'/></worldbody></mujoco>")
    assert model_hash(same) == model_hash(again) != model_hash(other)
    assert len(model_hash(same)) == 16
