"""Rotations over the leading axis N: quaternions wxyz of unit length, and rotation vectors, axis times angle [rad]."""

import numpy as np

from robo_rlhf.types import Array


def quat_multiply(a: Array, b: Array) -> Array:
    """Return the rotations a after b, (N, 4)."""
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quat_conjugate(q: Array) -> Array:
    """Return the inverse rotations (N, 4)."""
    inverse: Array = q * np.array([1.0, -1.0, -1.0, -1.0])
    return inverse


def quat_from_rotvec(v: Array) -> Array:
    """Return the rotations (N, 4) by rotation vectors (N, 3) [rad]."""
    angle = np.sqrt((v * v).sum(-1, keepdims=True))
    scale = 0.5 * np.sinc(angle / (2 * np.pi))  # sin(angle / 2) / angle, also at 0
    return np.concatenate([np.cos(angle / 2), v * scale], axis=-1)


def quat_to_rotvec(q: Array) -> Array:
    """Return the rotation vectors (N, 3) [rad] of length at most π."""
    q = np.where(q[..., :1] < 0, -q, q)
    vector = q[..., 1:]
    sine = np.sqrt((vector * vector).sum(-1, keepdims=True))
    angle = 2 * np.arctan2(sine, q[..., :1])
    safe = np.where(sine > 1e-9, sine, 1.0)
    return vector * np.where(sine > 1e-9, angle / safe, 2.0)


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
