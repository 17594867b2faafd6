"""Home of an arm: joints at which the hand is over the middle of the table and points down."""

from itertools import product

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.inverse_kinematics import MAX_YAW, solve_pose
from robo_rlhf.sim.robot_tools.arm import HOME_EE, HOME_QUAT

TURNED = (0.0, 0.0, 1.0, 0.0)  # HOME_QUAT after half a turn
HEADINGS = 8  # of the first joint, from which the search begins
ITERATIONS = 100
NEAR = 1e-4  # [m] and [rad] of home


def find_home(model: mujoco.MjModel, names: tuple[str, ...], posture: Array) -> tuple[Array, bool]:
    """Return the joints (n,) at home, of all that are found the nearest to `posture` (n,) but for the first.

    A gripper looks the same after half a turn: also returned is whether it has to be turned by it.

    Args:
        model: the robot with body `hand` and site `ee`, where it stands.
        names: of the arm's joints.
        posture: of these; the search begins there.

    Raises:
        InvalidValueError: the hand does not get there within the joint limits.
    """
    joints = np.array([model.joint(name).id for name in names])
    data, columns = mujoco.MjData(model), (model.jnt_qposadr[joints], model.jnt_dofadr[joints])
    limited, (low, high) = model.jnt_limited[joints] > 0, model.jnt_range[joints].T
    hinge = model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_HINGE
    low, high = np.where(limited, low, -np.inf), np.where(limited, high, np.inf)
    best, turned, least = posture, False, np.inf
    for heading, quat in product(2 * np.pi * np.arange(HEADINGS) / HEADINGS, (HOME_QUAT, TURNED)):
        start = posture.copy()
        start[0] += heading * hinge[0]
        found = solve_pose(model, data, columns, start, np.array(HOME_EE), np.array(quat), ITERATIONS)
        found = np.where(hinge, _wrapped(found, posture), found)
        if ((found < low) | (found > high)).any() or _off(model, data, quat) > NEAR:
            continue
        tight = max(0.0, MAX_YAW - float(min(found[-1] - low[-1], high[-1] - found[-1])))  # the hand turns by as much
        cost = float(np.abs(found[1:] - posture[1:]).sum()) + 10 * tight
        if cost < least - NEAR:
            best, turned, least = found, quat is TURNED, cost
    if not np.isfinite(least):
        where = ", ".join(f"{value:g}" for value in HOME_EE)
        expected = f"a base from which it gets to ({where}) m, where it points down; give base= or home="
        raise InvalidValueError("hand of the robot", "an arm that does not reach the table's middle", expected)
    return best, turned


def _wrapped(joints: Array, near: Array) -> Array:
    """Return angles that differ from those of `near` by at most π."""
    return near + np.mod(joints - near + np.pi, 2 * np.pi) - np.pi


def _off(model: mujoco.MjModel, data: mujoco.MjData, quat: tuple[float, ...]) -> float:
    """Return how far the hand is from home [m, rad]."""
    turn, back = np.empty(4), np.empty(4)
    mujoco.mju_negQuat(back, data.xquat[model.body("hand").id])
    mujoco.mju_mulQuat(turn, np.array(quat), back)
    place = data.site_xpos[model.site("ee").id] - HOME_EE
    return float(max(np.abs(place).max(), 2 * np.abs(turn[1:]).max()))
