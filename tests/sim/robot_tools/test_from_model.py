"""Robots out of models: what is found in them, and what is refused in a sentence."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, RoboRlhfError, UnknownNameError
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.robot import Robot, open_arm
from robo_rlhf.sim.robot_tools.arm import PREFIX, Workspace
from robo_rlhf.sim.robot_tools.from_model import from_model
from robo_rlhf.sim.robots import ROBOTS
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.tasks import TASKS
from sim_assets import ASSETS
from tests.guests.my_robots import GANTRY, MODEL


def test_default_arm_is_found_as_it_is_stated() -> None:
    found, stated = from_model(ASSETS / "arm.xml", end_effector="ee"), open_arm("arm")
    assert found.joints == tuple(PREFIX + name for name in stated.joints)
    assert found.gripper == tuple(PREFIX + name for name in stated.gripper)
    assert np.array_equal(found.open, stated.open)
    assert np.array_equal(found.closed, stated.closed)
    assert set(found.fingers) == {PREFIX + name for name in stated.fingers}
    assert found.rest == pytest.approx({PREFIX + name: at for name, at in stated.rest.items()}, abs=1e-4)
    assert found.touching == pytest.approx(0.0, abs=1e-6)
    assert [line.partition(":")[0] for line in found.findings] == ["joints", "gripper", "fingers", "home"]


@pytest.mark.parametrize("end_effector", ["grip_point", ""])
def test_hand_of_arm6_is_between_its_fingers(end_effector: str) -> None:
    """Where no point is named, it is found: the fingers, and the way out of the hand, say where."""
    named, found = open_arm("arm6").hand, from_model(ASSETS / "arm6.xml", end_effector=end_effector).hand
    assert named is not None
    assert found is not None
    assert found.body == named.body
    np.testing.assert_allclose(found.pos, named.pos, atol=0.012)
    assert abs(np.dot(found.quat, named.quat)) == pytest.approx(1.0, abs=1e-6)


def test_chain_of_slides_moves_as_well() -> None:
    """A gantry: three slides and one hinge; fewer than six joints, which is enough to point down."""
    arm = from_model(MODEL)
    assert arm.joints == ("robot/x", "robot/y", "robot/z", "robot/turn")
    assert arm.home[:3] == pytest.approx([0.5, 0.0, 0.8 - 0.05 - 0.06 - 0.25], abs=1e-3)
    lift = type("Lift", (TASKS["lift"],), {"name": "lift", "arm": arm})
    env = TaskEnv(lift(), 8)
    obs = env.reset(np.arange(8))
    for _ in range(env.horizon):
        step = env.step(env.task.demonstrate(env.sim))
    assert np.isfinite(obs).all()
    assert step.success.all()


def test_time_step_is_the_model_s_where_it_is_finer() -> None:
    fine = from_model(MODEL.replace('timestep="0.005"', 'timestep="0.003"'))
    assert fine.timestep == pytest.approx(0.05 / 17)
    assert from_model(MODEL.replace('timestep="0.005"', 'timestep="0.01"')).timestep == pytest.approx(0.005)


def test_workspace_narrows_that_of_the_task() -> None:
    narrow = Workspace((-0.1, -0.1, 0.0), (0.1, 0.1, 0.3))
    assert ArmTask.workspace.within(narrow) == Workspace((-0.1, -0.1, 0.008), (0.1, 0.1, 0.3))
    with pytest.raises(InvalidValueError, match="workspace of the robot"):
        ArmTask.workspace.within(Workspace((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)))


NO_GRIPPER = "\n".join(line for line in MODEL.splitlines() if 'joint="one"' not in line and 'joint="two"' not in line)
BALL = GANTRY.replace("JOINT", '<joint name="turn" type="ball"/>').replace("DRIVE", "")
MESH = '<asset><mesh file="gone.stl"/></asset>'
SERVO = '<position joint="x"/>'
OTHER = '<body><joint/><geom size=".1"/></body>'
REFUSED = {
    "two grippers": (MODEL.replace('name="two" joint="two"', 'name="one" joint="two"'), {}, "repeated name 'one'"),
    "no gripper": (NO_GRIPPER, {}, "gripper of the robot: expected at least one actuator that is not of the arm"),
    "ball joint": (BALL, {}, "joint 'turn' of the arm: expected a hinge or a slide"),
    "missing mesh": (MODEL.replace("<default>", MESH + "<default>", 1), {}, "gone.stl"),
    "torque": (MODEL.replace(SERVO, '<motor name="m" joint="x"/>'), {}, "'m' of joint 'x': expected a <position>"),
    "no servo": (MODEL.replace(SERVO, ""), {}, "actuators of joint 'x': expected one position servo, got none"),
    "far away": (MODEL, {"base": (3.0, 0.0, 0.0)}, "hand of the robot: expected a base from which it gets to"),
    "two arms": (MODEL.replace("</worldbody>", OTHER + "</worldbody>"), {}, "joints of the arm: expected joints="),
    "one joint twice": (MODEL, {"joints": ("x", "x")}, "joints of the arm: expected each once"),
    "no chain": (MODEL, {"joints": ("one", "two")}, "expected one chain, from the base to the hand"),
    "home of three": (MODEL, {"home": (0.0, 0.0, 0.0)}, "home of the robot: expected 4, one a joint of the arm"),
    "finger twice": (MODEL, {"fingers": ("one", "one")}, "expected two different bodies"),
    "open is closed": (MODEL, {"gripper": dict.fromkeys(("one", "two"), (0.0, 0.045))}, "fingers nearer when open"),
    "nothing moves": (MODEL, {"gripper": dict.fromkeys(("one", "two"), (0.02, 0.02))}, "bodies that one, two brings"),
    "wrong end": (MODEL, {"end_effector": "turn"}, "end effector of the robot: expected a site or body at most"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_in_a_sentence(case: str) -> None:
    text, more, words = REFUSED[case]
    with pytest.raises(InvalidValueError) as error:
        from_model(text, **more)  # type: ignore[arg-type]
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("more", [{"end_effector": "handd"}, {"joints": ("xx",)}, {"gripper": {"on": (0, 1)}}])
def test_unknown_names_are_refused_with_the_known_ones(more: dict[str, object]) -> None:
    with pytest.raises(UnknownNameError, match="Choose one of: "):
        from_model(MODEL, **more)  # type: ignore[arg-type]


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"No MJCF file '.*gone.xml'"):
        from_model(tmp_path / "gone.xml")


def test_model_that_a_robot_cannot_put_together_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gripper attached twice without a prefix: MuJoCo raises in the user's own lines."""

    class Twice(Robot):
        name = "twice"

        def model(self) -> mujoco.MjSpec:
            raise ValueError("repeated name 'finger'")

    monkeypatch.setitem(ROBOTS._items, "twice", Twice)
    with pytest.raises(RoboRlhfError, match="The model of robot twice cannot be put together: repeated name 'finger'"):
        open_arm("twice")
