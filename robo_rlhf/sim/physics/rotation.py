"""Rotations over the leading axis N: quaternions wxyz of unit length, and rotation vectors, axis times angle [rad]."""

import numpy as np

from robo_rlhf.core.types import Array

# The product of two quaternions a and b is the sum, over the parts w, x, y, z of a, of that part times b's parts in the
# order of a row here, with the row's signs.
_ORDER = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])
_SIGNS = np.array([[1.0, 1, 1, 1], [-1, 1, -1, 1], [-1, 1, 1, -1], [-1, -1, 1, 1]])
_CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])
_SIGNS_BACK = _SIGNS * _CONJUGATE[_ORDER]  # of the product with the inverse of b


def quat_multiply(a: Array, b: Array) -> Array:
    """Return the rotations a after b, (N, 4)."""
    return _product(a, b, _SIGNS)


def quat_between(a: Array, b: Array) -> Array:
    """Return the rotations (N, 4) that take b to a: a after the inverse of b."""
    return _product(a, b, _SIGNS_BACK)


def _product(a: Array, b: Array, signs: Array) -> Array:
    # few calls over all copies at once, and sums in a fixed order: no copy changes the rounding of another
    terms = b.take(_ORDER, axis=-1)
    terms *= signs
    terms = terms * a[..., None]
    product: Array = terms[..., 0, :] + terms[..., 1, :]
    product += terms[..., 2, :]
    product += terms[..., 3, :]
    return product


def quat_from_rotvec(v: Array) -> Array:
    """Return the rotations (N, 4) by rotation vectors (N, 3) [rad]."""
    angle = np.sqrt(np.add.reduce(v * v, axis=-1, keepdims=True))
    scale = 0.5 * np.sinc(angle / (2 * np.pi))  # sin(angle / 2) / angle, also at 0
    return np.concatenate([np.cos(angle / 2), v * scale], axis=-1)


def quat_to_rotvec(q: Array) -> Array:
    """Return the rotation vectors (N, 3) [rad] of length at most π."""
    q = np.where(q[..., :1] < 0, -q, q)
    vector = q[..., 1:]
    sine = np.sqrt(np.add.reduce(vector * vector, axis=-1, keepdims=True))
    angle = 2 * np.arctan2(sine, q[..., :1])
    scale = np.full_like(sine, 2.0)  # its limit at zero rotation
    np.divide(angle, sine, out=scale, where=sine > 1e-9)
    rotvec: Array = vector * scale
    return rotvec


def yaw_of_quat(q: Array) -> Array:
    """Return the angle (N,) [rad] about the vertical of the body's x axis."""
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    yaw: Array = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    return yaw


def up_of_quat(q: Array) -> Array:
    """Return the body's z axis in the world (N, 3)."""
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    return np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=-1)


def tilt_of_quat(q: Array) -> Array:
    """Return the angle (N,) [rad] between the body's z axis and the vertical."""
    tilt: Array = np.arccos(np.clip(1 - 2 * (q[..., 1] ** 2 + q[..., 2] ** 2), -1.0, 1.0))
    return tilt
