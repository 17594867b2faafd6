"""The gripper in a model: which actuators drive it, when it is open, which bodies close on an object; measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.robot_tools.chain import groups_above, hand_group, named

SETTLING = 2.0  # [s] until the gripper has opened or closed
STROKE = 0.005  # [m] that the distance of two fingers changes at least
FAR = 0.5  # [m] beyond which distances are not computed


@dataclass(frozen=True)
class Gripper:
    """What is found of a gripper."""

    actuators: Array  # (k,)
    open: Array  # (k,) control values
    closed: Array  # (k,)
    fingers: tuple[int, int]  # bodies
    stroke: float  # [m] between the fingers when it is open
    touching: float  # [m] between the frames of the fingers where they touch
    middle: Array  # (3,) [m] between the fingers when it is closed, in the world
    across: Array  # (3,) of length 1, from the first finger to the second
    rest: Mapping[int, float]  # positions of all joints that are not of the arm, when it is open


def find_gripper(
    model: mujoco.MjModel,
    joints: Array,
    posture: Array,
    servos: Array,
    given: Mapping[str, tuple[float, float]],
    fingers: Sequence[str],
) -> Gripper:
    """Return the gripper of an arm; what is not given is measured, the arm held at `posture` (n,) without gravity.

    Args:
        model: the robot alone.
        joints: of the arm.
        posture: of these.
        servos: actuators of these.
        given: control values, open and closed, by actuator.
        fingers: the two bodies that close on an object.

    Raises:
        UnknownNameError: there is no such actuator or body.
        InvalidValueError: the model has no gripper, or what opens or closes it cannot be told.
    """
    actuators = _actuators(model, servos, given)
    if given:
        ends = np.array([given[model.actuator(int(act)).name] for act in actuators], np.float64).T  # (2, k)
    else:
        ends = model.actuator_ctrlrange[actuators].T
    hold = _Hold(model, joints, posture, servos)
    states = [hold.settle(actuators, end) for end in ends]
    pairs = _pairs(model, hand_group(model, joints), fingers)
    gaps = np.array([[_gap(model, data, *pair) for pair in pairs] for data in states])  # (2, pairs)
    moved = np.abs(gaps[0] - gaps[1]) > STROKE
    if not moved.any():
        found = ", ".join(model.actuator(int(act)).name for act in actuators)
        what = f"two bodies that {found} brings together"
        raise InvalidValueError("gripper of the robot", "none", f"{what}; give gripper= and fingers=")
    closed = int(np.where(moved, gaps, np.inf).min(axis=1).argmin())
    if given and closed == 0:
        raise InvalidValueError("gripper of the robot", "fingers nearer when open", "control values (open, closed)")
    best = int(np.where(moved, gaps[closed], np.inf).argmin())
    one, other = pairs[best]
    shut, wide = states[closed], states[1 - closed]
    between = _centre(model, shut, other) - _centre(model, shut, one)
    across = _centre(model, wide, other) - _centre(model, wide, one)
    joints_left = [j for j in range(model.njnt) if j not in joints]
    return Gripper(
        actuators=actuators,
        open=ends[1 - closed],
        closed=ends[closed],
        fingers=(one, other),
        stroke=float(gaps[1 - closed, best] - gaps[closed, best]),
        touching=float(np.linalg.norm(shut.xpos[one] - shut.xpos[other]) - gaps[closed, best]),
        middle=_centre(model, shut, one) + between / 2,
        across=across / np.linalg.norm(across),
        rest={j: float(wide.qpos[model.jnt_qposadr[j]]) for j in joints_left},
    )


def _actuators(model: mujoco.MjModel, servos: Array, given: Mapping[str, tuple[float, float]]) -> Array:
    if given:
        return np.array([named(model, "actuator", name) for name in given])
    found = np.array([act for act in range(model.nu) if act not in servos], np.int64)
    if not found.size:
        expected = "at least one actuator that is not of the arm's joints"
        raise InvalidValueError("gripper of the robot", "none", f"{expected}; give joints= where it is taken for one")
    if not model.actuator_ctrllimited[found].all():
        raise InvalidValueError("gripper of the robot", "actuators without ctrlrange", "gripper={NAME: (open, closed)}")
    return found


class _Hold:
    """Moves the gripper while the arm is held."""

    def __init__(self, model: mujoco.MjModel, joints: Array, posture: Array, servos: Array) -> None:
        self.model, self.posture, self.servos = model, posture, servos
        self.qpos, self.dofs = model.jnt_qposadr[joints], model.jnt_dofadr[joints]

    def settle(self, actuators: Array, ctrl: Array) -> mujoco.MjData:
        """Return the state to which the gripper settles."""
        data = mujoco.MjData(self.model)
        data.ctrl[self.servos], data.ctrl[actuators] = self.posture, ctrl
        for _ in range(int(SETTLING / self.model.opt.timestep)):
            data.qpos[self.qpos], data.qvel[self.dofs] = self.posture, 0.0
            mujoco.mj_step(self.model, data)
        data.qpos[self.qpos] = self.posture
        mujoco.mj_forward(self.model, data)
        return data


def _pairs(model: mujoco.MjModel, hand: int, given: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of bodies that may be the fingers."""
    if given:
        if len(set(given)) != 2:
            raise InvalidValueError("fingers of the robot", list(given), "two different bodies")
        return [(named(model, "body", given[0]), named(model, "body", given[1]))]
    below = [body for body in range(1, model.nbody) if hand in groups_above(model, body)[:-1]]
    solid = [body for body in below if _solids(model, body).size]
    return [pair for pair in combinations(solid, 2) if model.body_weldid[pair[0]] != model.body_weldid[pair[1]]]


def _solids(model: mujoco.MjModel, body: int) -> Array:
    """Return the geoms of a body that collide."""
    return np.flatnonzero((model.geom_bodyid == body) & ((model.geom_contype | model.geom_conaffinity) > 0))


def _gap(model: mujoco.MjModel, data: mujoco.MjData, one: int, other: int) -> float:
    """Return the distance [m] of two bodies, negative where they are within each other."""
    way = np.zeros(6)
    solids = [(int(a), int(b)) for a in _solids(model, one) for b in _solids(model, other)]
    return min((mujoco.mj_geomDistance(model, data, a, b, FAR, way) for a, b in solids), default=FAR)


def _centre(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> Array:
    """Return the mean (3,) [m] of the places of a body's geoms that collide."""
    centre: Array = data.geom_xpos[_solids(model, body)].mean(axis=0)
    return centre
