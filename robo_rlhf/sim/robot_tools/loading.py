"""A robot's model as it is attached to a scene: loaded, and without what would disturb the scene."""

from pathlib import Path

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.robot_tools.arm import PREFIX, TIMESTEP

CONTROL_DT = 0.05  # [s] of the tasks: a whole number of physics steps
IMPRATIO = 3.0  # of friction against normal forces, at least


def load(model: Path | str | mujoco.MjSpec) -> mujoco.MjSpec:
    """Return a copy of a model, given as a path, MJCF text or spec.

    Raises:
        NotFoundError: no such file.
        InvalidValueError: MuJoCo refuses it.
    """
    if isinstance(model, mujoco.MjSpec):
        return model.copy()
    text = str(model)
    is_text = text.lstrip().startswith("<")
    if not is_text and not Path(text).is_file():
        raise NotFoundError("MJCF file", text, "Name an existing file for the robot's model.")
    try:
        return mujoco.MjSpec.from_string(text) if is_text else mujoco.MjSpec.from_file(text)
    except ValueError as error:
        raise _refused("MJCF text" if is_text else text, error) from error


def compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Return the compiled model.

    Raises:
        InvalidValueError: MuJoCo refuses it.
    """
    try:
        return spec.compile()
    except ValueError as error:
        raise _refused(spec.modelname or "the robot", error) from error


def take_posture(spec: mujoco.MjSpec) -> tuple[float, ...]:
    """Remove all keyframes, which fit no scene; return the positions of "home", or of the only one, else nothing."""
    keys = list(spec.keys)
    chosen = [key for key in keys if key.name == "home"] or (keys if len(keys) == 1 else [])
    posture = tuple(float(value) for value in chosen[0].qpos) if chosen else ()
    for key in keys:
        spec.delete(key)
    return posture


def strip(spec: mujoco.MjSpec) -> float:
    """Remove lights, give names to all parts, compensate gravity as arm controllers do.

    Returns:
        The largest time step [s] that is no coarser than the model's and of which a control step is a multiple.
    """
    for parts in (spec.bodies[1:], spec.joints, spec.actuators):
        for index, part in enumerate(parts):
            part.name = part.name or f"unnamed {index}"
    for light in list(spec.lights):
        spec.delete(light)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    steps = max(round(CONTROL_DT / TIMESTEP), int(np.ceil(round(CONTROL_DT / spec.option.timestep, 6))))
    return CONTROL_DT / steps


def mounted(spec: mujoco.MjSpec, world: mujoco.MjSpec, base: tuple[float, float, float], yaw: float) -> mujoco.MjSpec:
    """Attach a copy of the robot's `spec` to `world` at `base` [m], turned by `yaw` [rad]; return the world.

    Raises:
        InvalidValueError: MuJoCo refuses to.
    """
    part = spec.copy()
    for name in dir(part.option):  # MuJoCo warns of different ones
        if not name.startswith("_"):
            setattr(part.option, name, getattr(world.option, name))
    frame = world.worldbody.add_frame(pos=list(base), quat=[np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
    try:
        world.attach(part, prefix=PREFIX, frame=frame)
    except ValueError as error:
        raise _refused(spec.modelname or "the robot", error) from error
    return world


def as_tuple(values: Array) -> tuple[float, ...]:
    """Return an array as plain numbers."""
    return tuple(float(value) for value in values)


def _refused(what: str, error: ValueError) -> InvalidValueError:
    message = " ".join(str(error).split())
    advice = "a model that MuJoCo compiles: every mesh it names is there, and no two parts of a kind are named alike"
    return InvalidValueError(f"robot's model {what}", f"the error {message!r}", advice)
