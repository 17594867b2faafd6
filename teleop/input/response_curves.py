"""Response curves: dead zones and exponents of axes, speed levels, and the operator's line of sight."""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.controls import POSE

DEADZONE = 0.12  # of an axis' way, in which a hand that rests may wander
CURVE = 1.8  # exponent: fine near the middle, full at the end
LEVELS = (0.1, 0.2, 0.35, 0.6, 1.0)  # of full speed
LEVEL = 4  # counted from 1
SLOW = 0.3  # of the speed, while "slow" is held


def apply_curve(value: Array, deadzone: float = DEADZONE, curve: float = CURVE) -> Array:
    """Return axis positions (k,) in [-1, 1] with a dead zone and a curve, each axis by itself: 0 is 0 and 1 is 1."""
    size = np.clip((np.abs(value) - deadzone) / (1 - deadzone), 0.0, 1.0)
    return np.asarray(np.sign(value) * size**curve)


def apply_stick_curve(value: Array, deadzone: float = DEADZONE, curve: float = CURVE) -> Array:
    """Return a stick's position (2,) with a dead zone and a curve by how far it is pushed: its direction stays."""
    size = float(np.hypot(*value))
    if size <= deadzone:
        return np.zeros(2)
    return np.asarray(value / size * apply_curve(np.array([min(size, 1.0)]), deadzone, curve))


def rotate_twist(twist: Array, heading: float) -> Array:
    """Return a twist (6,) about axes ahead, left and up of an operator who faces along `heading`, in the world.

    Args:
        twist: translation and rotation, each in [-1, 1].
        heading: of the line of sight about z [deg]: 0 looks along x, 90 along y.
    """
    cos, sin = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    to_world = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return np.concatenate([to_world @ twist[:3], to_world @ twist[3:]])


def has_own_ahead(action_names: Sequence[str]) -> bool:
    """Whether a robot with these action columns is commanded in its body frame or by joints: no heading applies."""
    return not any(name in POSE for name in action_names)


def check_response(deadzone: float, curve: float, speed: int) -> None:
    """Check what a person chose.

    Raises:
        InvalidValueError: outside its range.
    """
    if not 0 <= deadzone < 1:
        raise InvalidValueError("deadzone", f"{deadzone:g}", "at least 0 and less than 1")
    if not 0.1 <= curve <= 10:
        raise InvalidValueError("curve", f"{curve:g}", "an exponent from 0.1 to 10; 1 is straight")
    if not 1 <= speed <= len(LEVELS):
        raise InvalidValueError("speed", str(speed), f"a level from 1 to {len(LEVELS)}")
