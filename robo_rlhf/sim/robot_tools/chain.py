"""The arm in a model: the chain of joints from the base to the hand, and the servos that drive it."""

from collections.abc import Sequence

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.robot_tools.loading import CONTROL_DT

SINGLE_AXIS = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
PER_STEP = 0.71  # share of the way to its target that a joint of the default arm goes in a control step


def named(model: mujoco.MjModel, kind: str, name: str) -> int:
    """Return the id of a thing of the model.

    Raises:
        UnknownNameError: there is none of that name; the message suggests the nearest.
    """
    try:
        return int(getattr(model, kind)(name).id)
    except KeyError:
        number = {"joint": model.njnt, "actuator": model.nu, "body": model.nbody, "site": model.nsite}[kind]
        known = [getattr(model, kind)(i).name for i in range(number)]
        raise UnknownNameError(f"{kind} of the robot", name, [one for one in known if one]) from None


def hand_group(model: mujoco.MjModel, joints: Array) -> int:
    """Return the body that the last joint of the arm moves."""
    return int(model.jnt_bodyid[joints[-1]])


def groups_above(model: mujoco.MjModel, body: int) -> list[int]:
    """Return the moving bodies from the base to `body`, each of which stands for what is fixed to it."""
    found: list[int] = []
    group = int(model.body_weldid[body])
    while group:
        found.append(group)
        group = int(model.body_weldid[model.body_parentid[group]])
    return found[::-1]


def arm_joints(model: mujoco.MjModel, given: Sequence[str], end_body: int | None) -> Array:
    """Return the ids (n,) of the arm's joints, base to hand.

    Those given; else all on the way to `end_body`; else all before the model branches, as it does at the fingers.

    Raises:
        UnknownNameError: there is no such joint.
        InvalidValueError: the joints are no chain of hinges and slides, or the model branches at its base.
    """
    if given:
        if len(set(given)) < len(given):
            raise InvalidValueError("joints of the arm", list(given), "each once")
        ids = [named(model, "joint", name) for name in given]
        above = groups_above(model, hand_group(model, np.array(ids)))
        if any(int(model.jnt_bodyid[joint]) not in above for joint in ids):
            raise InvalidValueError("joints of the arm", list(given), "one chain, from the base to the hand")
    else:
        groups = _unbranched(model) if end_body is None else groups_above(model, end_body)
        ids = [int(j) for group in groups for j in np.flatnonzero(model.jnt_bodyid == group)]
    if not ids:
        raise InvalidValueError("joints of the arm", "a model that branches at its base, or does not move", "joints=")
    for joint in ids:
        if int(model.jnt_type[joint]) not in SINGLE_AXIS:
            kind = {0: "free", 1: "ball"}[int(model.jnt_type[joint])]
            what = f"joint {model.joint(joint).name!r} of the arm"
            raise InvalidValueError(what, f"a {kind} joint", "a hinge or a slide: inverse kinematics needs single axes")
    return np.array(ids)


def servos(model: mujoco.MjModel, joints: Array) -> tuple[Array, Array]:
    """Return the actuators (n,) of the arm's joints, and by what a joint's step is multiplied to be its target (n,).

    A servo of position gain kp and damping kv closes a gap as exp(-t kp / kv). The factor lets each joint go as far
    in a control step as those of the default arm.

    Raises:
        InvalidValueError: a joint has no actuator or several, or its actuator is no position servo.
    """
    on_joint = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
    found, lead = [], []
    for joint in joints:
        name = model.joint(int(joint)).name
        ids = np.flatnonzero(on_joint & (model.actuator_trnid[:, 0] == joint))
        if len(ids) != 1:
            raise InvalidValueError(f"actuators of joint {name!r}", len(ids) or "none", "one position servo")
        act = int(ids[0])
        gain, bias = float(model.actuator_gainprm[act, 0]), model.actuator_biasprm[act]
        affine = model.actuator_biastype[act] == mujoco.mjtBias.mjBIAS_AFFINE
        if not affine or gain <= 0 or not np.isclose(bias[1], -gain) or model.actuator_gear[act, 0] != 1:
            what = f"actuator {model.actuator(act).name!r} of joint {name!r}"
            raise InvalidValueError(
                what, "no position servo", "a <position> actuator with gear 1, whose target is [rad]"
            )
        damping = float(np.sum(model.dof_damping[model.jnt_dofadr[joint]])) - float(bias[2])
        found.append(act)
        lead.append(max(1.0, PER_STEP / -np.expm1(-CONTROL_DT * gain / max(damping, 1e-9))))
    return np.array(found), np.array(lead)


def _unbranched(model: mujoco.MjModel) -> list[int]:
    """Return the moving bodies from the base to where there is more than one, or none."""
    moving = [body for body in range(1, model.nbody) if model.body_weldid[body] == body]
    found: list[int] = []
    below = 0
    while True:
        children = [body for body in moving if model.body_weldid[model.body_parentid[body]] == below]
        if len(children) != 1:
            return found
        below = children[0]
        found.append(below)
