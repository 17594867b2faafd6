"""The laws of rotations, and that they are MuJoCo's."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.rotation import (
    quat_between,
    quat_from_rotvec,
    quat_multiply,
    quat_to_rotvec,
    tilt_of_quat,
    up_of_quat,
    yaw_of_quat,
)

numbers = st.floats(-1.0, 1.0, width=64)
vectors = st.tuples(numbers, numbers, numbers).map(np.array)  # rotation vectors of length at most √3
angles = st.floats(-3.1, 3.1)


def inverse(quat: Array) -> Array:
    return quat * np.array([1.0, -1.0, -1.0, -1.0])


def turned(quat: Array, vector: Array) -> Array:
    out = np.empty(3)
    mujoco.mju_rotVecQuat(out, vector, quat)
    return out


@given(vectors)
def test_rotation_vectors_come_back(v: Array) -> None:
    np.testing.assert_allclose(quat_to_rotvec(quat_from_rotvec(v)), v, atol=1e-12)


@given(vectors, st.floats(3.2, 6.2))
def test_rotation_vectors_are_the_shortest(v: Array, angle: float) -> None:
    length = np.linalg.norm(v)
    if length < 1e-3:
        return
    axis = v / length
    found = quat_to_rotvec(quat_from_rotvec(axis * angle))
    np.testing.assert_allclose(found, axis * (angle - 2 * np.pi), atol=1e-9)


@given(vectors)
def test_quaternions_are_of_unit_length_and_mujocos(v: Array) -> None:
    theirs, angle = np.empty(4), float(np.linalg.norm(v))
    mujoco.mju_axisAngle2Quat(theirs, v / angle if angle else np.array([1.0, 0.0, 0.0]), angle)
    quat = quat_from_rotvec(v)
    assert np.linalg.norm(quat) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(quat, theirs, atol=1e-12)


@given(vectors, vectors)
def test_product_is_mujocos(a: Array, b: Array) -> None:
    left, right, theirs = quat_from_rotvec(a), quat_from_rotvec(b), np.empty(4)
    mujoco.mju_mulQuat(theirs, left, right)
    np.testing.assert_allclose(quat_multiply(left, right), theirs, atol=1e-12)


@given(vectors, vectors, vectors)
def test_product_is_one_rotation_after_another(a: Array, b: Array, v: Array) -> None:
    left, right = quat_from_rotvec(a), quat_from_rotvec(b)
    np.testing.assert_allclose(turned(quat_multiply(left, right), v), turned(left, turned(right, v)), atol=1e-12)


@given(vectors, vectors)
def test_the_turn_between_two_is_one_after_the_others_inverse(a: Array, b: Array) -> None:
    left, right = quat_from_rotvec(a), quat_from_rotvec(b)
    np.testing.assert_array_equal(quat_between(left, right), quat_multiply(left, inverse(right)))


@given(vectors)
def test_inverse_undoes(v: Array) -> None:
    quat = quat_from_rotvec(v)
    np.testing.assert_allclose(quat_multiply(quat, inverse(quat)), [1, 0, 0, 0], atol=1e-12)


@given(vectors)
def test_both_signs_are_the_same_rotation(v: Array) -> None:
    quat = quat_from_rotvec(v)
    np.testing.assert_allclose(quat_to_rotvec(-quat), v, atol=1e-12)
    assert yaw_of_quat(-quat) == pytest.approx(yaw_of_quat(quat))
    assert tilt_of_quat(-quat) == pytest.approx(tilt_of_quat(quat))


@given(vectors)
def test_axis_and_angles_are_those_of_the_turned_frame(v: Array) -> None:
    quat = quat_from_rotvec(v)
    x, z = turned(quat, np.array([1.0, 0.0, 0.0])), turned(quat, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(up_of_quat(quat), z, atol=1e-12)
    assert np.cos(tilt_of_quat(quat)) == pytest.approx(z[2], abs=1e-12)
    if np.hypot(x[0], x[1]) > 1e-3:
        assert yaw_of_quat(quat) == pytest.approx(np.arctan2(x[1], x[0]), abs=1e-9)


@given(angles, angles)
def test_yaw_adds_up(first: float, second: float) -> None:
    about_z = np.array([0.0, 0.0, 1.0])
    both = quat_multiply(quat_from_rotvec(first * about_z), quat_from_rotvec(second * about_z))
    assert np.cos(yaw_of_quat(both) - first - second) == pytest.approx(1.0, abs=1e-12)
    assert tilt_of_quat(both) == pytest.approx(0.0, abs=1e-7)


@given(st.integers(0, 2**32 - 1))
def test_rows_do_not_know_of_each_other(seed: int) -> None:
    """Bit for bit, as everything over the leading axis."""
    v = np.random.default_rng(seed).uniform(-2, 2, (33, 3))
    quat = quat_from_rotvec(v)
    for i in (0, 7, 32):
        one = quat_from_rotvec(v[i : i + 1])
        assert np.array_equal(one, quat[i : i + 1])
        assert np.array_equal(quat_to_rotvec(one), quat_to_rotvec(quat)[i : i + 1])
        assert np.array_equal(quat_multiply(one, one), quat_multiply(quat, quat)[i : i + 1])
        for angle in (yaw_of_quat, tilt_of_quat, up_of_quat):
            assert np.array_equal(angle(one), angle(quat)[i : i + 1])
