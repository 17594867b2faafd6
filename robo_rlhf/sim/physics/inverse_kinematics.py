"""End-effector commands → joint targets, by batched damped least squares.

A command moves the *target pose* of the hand, a mocap body, so that it is part of the simulator state. Each control
step solves for the joint step that moves the hand from its current pose to the target,

    dq = J⁺ e + (I - J⁺ J) k (q_home - q),   J⁺ = Jᵀ (J Jᵀ + λ² I)⁻¹

with e the pose error (position [m], rotation vector [rad], world frame) and J the geometric Jacobian. (Nakamura and
Hanafusa 1986; null-space posture after Liégeois 1977.) Where a joint would have to go faster than it can, at a
singularity or at the edge of its reach, the whole step is shortened. Every operation is per copy, so results do not
depend on N. The chain is any of hinges and slides; of a slide, read [m] for [rad].
"""

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.physics.rotation import quat_between, quat_from_rotvec, quat_multiply, quat_to_rotvec, yaw_of_quat
from robo_rlhf.sim.robot_tools.arm import Arm, Workspace

MAX_STEP = 0.02  # [m] translation of the target at full command in one control step
MAX_TURN = 0.1  # [rad] rotation of the target at full command in one control step
LEASH = 0.05  # [m] and [rad * 4]: largest lead of the target over the hand, which prevents windup against a wall
MAX_YAW = 1.6  # [rad] largest rotation of the target from home about the vertical
DAMPING = 0.02  # λ
POSTURE = 0.1  # k
MAX_JOINT_STEP = 0.2  # [rad] largest lead of a joint's target: more would exceed the published velocity limits
DAMPED = DAMPING**2 * np.eye(6)  # λ² I


def move_target(sim: BatchSim, delta: Array, turn: Array, space: Workspace) -> None:
    """Move the target pose by `delta` (N, 3) [m] and rotation vectors `turn` (N, 3) [rad], in the world, clipped."""
    hand = sim.site_pos("ee")
    position = sim.mocap_pos("target")
    wanted = np.minimum(np.maximum(position + delta, hand - LEASH), hand + LEASH)
    np.minimum(np.maximum(wanted, space.low), space.high, out=position)
    if np.any(turn):
        quat = sim.mocap_quat("target")
        turned = quat_multiply(quat_from_rotvec(turn), quat)
        ahead = quat_to_rotvec(quat_between(turned, hand_quat(sim)))
        allowed = (np.abs(ahead).max(axis=1) <= 4 * LEASH) & (np.abs(yaw_of_quat(turned)) <= MAX_YAW)
        quat[:] = np.where(allowed[:, None], turned, quat)


def hand_quat(sim: BatchSim) -> Array:
    """Orientation (N, 4) of the body `hand` in the world, and of its site `ee`, which has the same orientation."""
    return sim.body_quat("hand")


def jacobian(sim: BatchSim, arm: Arm, point: Array) -> Array:
    """Geometric Jacobian (N, 6, n) of the world point (N, 3) on the hand: rows translation [m/rad], then rotation.

    The result is laid out row by row whatever N is: products of other layouts are rounded otherwise.
    """
    axis = sim.joint_field("xaxis", arm.joints).transpose(0, 2, 1)  # (N, 3, n)
    lever = point[:, :, None] - sim.joint_field("xanchor", arm.joints).transpose(0, 2, 1)
    jac = np.empty((sim.num_envs, 6, len(arm.joints)))
    jac[:, 0] = axis[:, 1] * lever[:, 2] - axis[:, 2] * lever[:, 1]
    jac[:, 1] = axis[:, 2] * lever[:, 0] - axis[:, 0] * lever[:, 2]
    jac[:, 2] = axis[:, 0] * lever[:, 1] - axis[:, 1] * lever[:, 0]
    jac[:, 3:] = axis
    slides = sim.slides(arm.joints)
    if slides.size:
        jac[:, :3, slides], jac[:, 3:, slides] = axis[:, :, slides], 0.0
    return jac


def reach_target(sim: BatchSim, arm: Arm) -> Array:
    """Return joint targets (N, n) [rad] that bring the hand to its target pose, within the joint limits."""
    q = sim.joint_qpos(arm.joints)
    hand = sim.site_pos("ee")
    error = np.empty((sim.num_envs, 6))
    np.subtract(sim.mocap_pos("target"), hand, out=error[:, :3])
    error[:, 3:] = quat_to_rotvec(quat_between(sim.mocap_quat("target"), hand_quat(sim)))
    jac = jacobian(sim, arm, hand)
    jac_t = jac.transpose(0, 2, 1)
    gram = jac @ jac_t + DAMPED
    posture = POSTURE * (arm.home - q)
    task = np.linalg.solve(gram, (error - (jac @ posture[..., None])[..., 0])[..., None])
    step = posture + (jac_t @ task)[..., 0]
    step *= MAX_JOINT_STEP / np.maximum(np.maximum.reduce(np.abs(step), axis=1, keepdims=True), MAX_JOINT_STEP)
    if arm.lead is not None:
        step *= arm.lead
    step += q
    low, high = sim.joint_limits(arm.joints)
    joints: Array = np.minimum(np.maximum(step, low), high)
    return joints


def apply_arm(sim: BatchSim, arm: Arm, joints: Array, gripper: Array) -> None:
    """Write actuator targets: `joints` (N, n) [rad], `gripper` (N,) from -1 (open) to 1 (closed)."""
    sim.set_ctrl(arm.joints, joints)
    wide = 0.5 * (arm.open - arm.closed)
    sim.ctrl[:, sim.actuator_ids(arm.gripper)] = arm.closed + wide * (1.0 - gripper)[:, None]


def grip_command(sim: BatchSim, arm: Arm) -> Array:
    """Return the last gripper command (N,), from -1 (open) to 1 (closed)."""
    first, wide = sim.actuator_ids(arm.gripper)[0], 0.5 * (arm.open[0] - arm.closed[0])
    command: Array = 1.0 - (sim.ctrl[:, first] - arm.closed[0]) / wide
    return command


def pose_joints(sim: BatchSim, arm: Arm, start: Array, position: Array, quat: Array) -> Array:
    """Return joints (n,) [rad] for one pose of the hand, by Newton iterations from `start`; time does not advance."""
    columns, dofs, _ = sim.joint_columns(arm.joints)
    return solve_pose(sim.model, sim.scratch, (columns, dofs), start, position, quat)


def solve_pose(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    columns: tuple[Array, Array],
    start: Array,
    position: Array,
    quat: Array,
    iterations: int = 5,
) -> Array:
    """Return joints (n,) [rad], with qpos and dof `columns`, for one pose of site `ee`, by Newton iterations.

    The largest step is 1 rad; `data` is left at the joints of the last but one iteration.
    """
    site, hand = model.site("ee").id, model.body("hand").id
    q = start.copy()
    jac = np.empty((6, model.nv))
    back, turn, error = np.empty(4), np.empty(4), np.empty(6)
    for _ in range(iterations):
        data.qpos[columns[0]] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacSite(model, data, jac[:3], jac[3:], site)
        mujoco.mju_negQuat(back, data.xquat[hand])
        mujoco.mju_mulQuat(turn, quat, back)
        mujoco.mju_quat2Vel(error[3:], turn, 1.0)
        error[:3] = position - data.site_xpos[site]
        own = jac[:, columns[1]]
        step = own.T @ np.linalg.solve(own @ own.T + 1e-6 * np.eye(6), error)
        q = q + step / max(1.0, float(np.abs(step).max()))
    return q
