"""An `Arm` out of any MJCF: what is not given is found in the model, and said; what is ambiguous is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.robot_tools import chain
from robo_rlhf.sim.robot_tools.arm import ARM_BASE, PREFIX, Arm, Hand, Workspace
from robo_rlhf.sim.robot_tools.gripper import Gripper, find_gripper
from robo_rlhf.sim.robot_tools.home import find_home
from robo_rlhf.sim.robot_tools.loading import IMPRATIO, as_tuple, compiled, load, mounted, strip, take_posture

_ASKED = ("end_effector", "joints", "gripper", "fingers", "home")  # arguments that may be left out
BETWEEN = 0.05  # [m] of the middle between the fingers, in which an end effector lies


def from_model(
    model: Path | str | mujoco.MjSpec,
    *,
    end_effector: str = "",
    joints: Sequence[str] = (),
    gripper: Mapping[str, tuple[float, float]] | None = None,
    fingers: Sequence[str] = (),
    home: Sequence[float] = (),
    base: tuple[float, float, float] = ARM_BASE,
    base_yaw: float = 0.0,
    workspace: Workspace | None = None,
) -> Arm:
    """Return an arm. Names are those of the model; keyframes, lights and options of it are left out.

    Args:
        model: MJCF as a path, as text, or as a spec: the robot alone, its base at the origin.
        end_effector: site or body between the fingertips, its z axis out of the hand; else the fingers' middle.
        joints: of the arm, base to hand; else those on the way to the end effector, or before the model branches.
        gripper: control values (open, closed) by actuator; else the ends of all that are not of the arm.
        fingers: the two bodies that close on an object; else those that the gripper brings together.
        home: joint positions [rad, m] near which home is; else keyframe "home" or the only one, else mid-range.
        base: where the base stands [m].
        base_yaw: by which it is turned [rad].
        workspace: of the hand; else that of the task.

    Raises:
        NotFoundError, UnknownNameError: no such file, or no such thing in the model.
        InvalidValueError: MuJoCo refuses the model, or it lacks something, or leaves open what is meant.
    """
    spec, keyframe, timestep, impratio = _loaded(model)
    alone = compiled(spec)
    end = _end_effector(alone, end_effector)
    ids = chain.arm_joints(alone, joints, end.body if end else None)
    servos, lead = chain.servos(alone, ids)
    posture = _posture(alone, ids, home, keyframe)
    found = find_gripper(alone, ids, posture, servos, gripper or {}, fingers)
    hand = _hand(alone, ids, posture, found, end)
    world = mujoco.MjSpec()
    world.option.impratio, world.option.timestep = impratio, timestep
    names = tuple(PREFIX + alone.joint(int(joint)).name for joint in ids)
    at_home, turned = find_home(_standing(world, spec, hand, base, base_yaw), names, posture)
    given = (end_effector, joints, gripper, fingers, home)
    return Arm(
        spec=world,
        joints=names,
        home=at_home,
        contact_body=hand.body,
        **_gripper_of(alone, found),
        hand=hand.turned() if turned else hand,
        lead=lead,
        workspace=workspace or Workspace(),
        timestep=timestep,
        findings=_findings(alone, ids, found, dict(zip(_ASKED, given, strict=True)), at_home),
    )


def _standing(
    world: mujoco.MjSpec, spec: mujoco.MjSpec, hand: Hand, base: tuple[float, float, float], base_yaw: float
) -> mujoco.MjModel:
    """Mount a robot in an empty world; return the model of a copy that has its hand too."""
    world.compiler.degree = False
    mounted(spec, world, base, base_yaw)
    scene = world.copy()
    hand.add_to(scene)
    return compiled(scene)


def _loaded(model: Path | str | mujoco.MjSpec) -> tuple[mujoco.MjSpec, Sequence[float], float, float]:
    """Return a robot alone, the posture of its keyframe, the step [s] and the impedance ratio of its simulation."""
    spec = load(model)
    keyframe = take_posture(spec)
    timestep, impratio = strip(spec), max(IMPRATIO, spec.option.impratio)
    spec.option.gravity, spec.option.timestep = [0.0, 0.0, 0.0], timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # as in scenes
    return spec, keyframe, timestep, impratio


def _gripper_of(model: mujoco.MjModel, found: Gripper) -> dict[str, Any]:
    """Return the fields of an `Arm` that a gripper fills."""
    return {
        "gripper": tuple(PREFIX + model.actuator(int(act)).name for act in found.actuators),
        "open": found.open.copy(),
        "closed": found.closed.copy(),
        "rest": {PREFIX + model.joint(joint).name: at for joint, at in found.rest.items()},
        "fingers": (PREFIX + model.body(found.fingers[0]).name, PREFIX + model.body(found.fingers[1]).name),
        "touching": found.touching,
    }


@dataclass(frozen=True)
class _End:
    """An end effector: a frame of a body."""

    body: int
    pos: Array  # (3,) [m]
    quat: Array  # (4,) wxyz


def _end_effector(model: mujoco.MjModel, name: str) -> _End | None:
    """Return the site or body of that name; None where there is no name.

    Raises:
        UnknownNameError: it is neither.
    """
    if not name:
        return None
    sites = [model.site(i).name for i in range(model.nsite)]
    bodies = [model.body(i).name for i in range(1, model.nbody)]
    if name in sites:
        site = model.site(name)
        return _End(int(site.bodyid[0]), site.pos.copy(), site.quat.copy())
    if name not in bodies:
        raise UnknownNameError("site or body of the robot", name, [*sites, *bodies])
    return _End(int(model.body(name).id), np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))


def _posture(model: mujoco.MjModel, joints: Array, given: Sequence[float], keyframe: Sequence[float]) -> Array:
    """Return joint positions (n,) near which the arm is at home."""
    if len(given) not in (0, len(joints)):
        raise InvalidValueError(
            "home of the robot", f"{len(given)} positions", f"{len(joints)}, one a joint of the arm"
        )
    if given:
        return np.array(given, np.float64)
    address = model.jnt_qposadr[joints]
    if len(keyframe) in (model.nq, len(joints)):  # of the whole, or of an arm to which a gripper was attached
        order = address if len(keyframe) == model.nq else np.arange(len(joints))
        return np.array(keyframe, np.float64)[order]
    middle = model.jnt_range[joints].mean(axis=1)
    posture: Array = np.where(model.jnt_limited[joints] > 0, middle, model.qpos0[address])
    return posture


def _hand(model: mujoco.MjModel, joints: Array, posture: Array, gripper: Gripper, end: _End | None) -> Hand:
    """Return the frame of the hand: where the end effector is, or else the middle between the fingers.

    Raises:
        InvalidValueError: the end effector is not between the fingers, or its z axis points back into the hand.
    """
    data = mujoco.MjData(model)
    data.qpos[model.jnt_qposadr[joints]] = posture
    mujoco.mj_kinematics(model, data)
    out = gripper.middle - data.xanchor[joints[-1]]
    y, place = gripper.across, gripper.middle
    if end is None:
        z = out - y * (out @ y)
        z /= np.linalg.norm(z)
    else:
        place, turn, mat = np.empty(3), np.empty(4), np.empty(9)
        mujoco.mju_rotVecQuat(place, end.pos, data.xquat[end.body])
        place += data.xpos[end.body]
        mujoco.mju_mulQuat(turn, data.xquat[end.body], end.quat)
        mujoco.mju_quat2Mat(mat, turn)
        z = mat.reshape(3, 3)[:, 2]
        off = float(np.linalg.norm(place - gripper.middle))
        if off > BETWEEN:
            expected = f"a site or body at most {BETWEEN} m from the middle between the fingertips"
            raise InvalidValueError("end effector of the robot", f"one that is {off:.3f} m off", expected)
        y = y - z * (y @ z)
        y /= np.linalg.norm(y)
        if z @ out <= 0 or not np.isfinite(y).all():
            expected = "one whose z axis points out of the hand, across the line between the fingers"
            raise InvalidValueError("end effector of the robot", f"the z axis {np.round(z, 2).tolist()}", expected)
    body = int(model.jnt_bodyid[joints[-1]])
    inward = data.xmat[body].reshape(3, 3).T
    pos, quat = inward @ (place - data.xpos[body]), np.empty(4)
    mujoco.mju_mat2Quat(quat, (inward @ np.stack([np.cross(y, z), y, z], axis=1)).ravel())
    x, y_, z_ = as_tuple(pos)
    w, i, j, k = as_tuple(quat)
    return Hand(PREFIX + model.body(body).name, (x, y_, z_), (w, i, j, k))


def _findings(
    model: mujoco.MjModel, joints: Array, gripper: Gripper, given: Mapping[str, Any], home: Array
) -> tuple[str, ...]:
    """Return in words what was not given, and so was found."""
    ends = zip(gripper.actuators, gripper.open, gripper.closed, strict=True)
    servos = ", ".join(f"{model.actuator(int(act)).name} (open {o:g}, closed {c:g})" for act, o, c in ends)
    both = " and ".join(model.body(body).name for body in gripper.fingers)
    found = {
        "end_effector": "end effector: the middle between the fingers",
        "joints": f"joints: {', '.join(model.joint(int(joint)).name for joint in joints)}",
        "gripper": f"gripper: {servos}",
        "fingers": f"fingers: {both}, {1000 * gripper.stroke:.0f} mm apart when open",
        "home": f"home: {', '.join(f'{value:.3f}' for value in home)}",
    }
    return tuple(words for name, words in found.items() if not given[name])
