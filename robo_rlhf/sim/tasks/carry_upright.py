"""carry_upright: carry a full cup past a fragile glass without spilling, and put it on the mat."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.physics.inverse_kinematics import MAX_TURN
from robo_rlhf.sim.physics.rotation import quat_to_rotvec, tilt_of_quat, up_of_quat
from robo_rlhf.sim.robot_tools.arm import Workspace
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.task_tools.arm import HAND_NAMES, SETTLE, ArmTask, columns, funnel
from robo_rlhf.sim.task_tools.tolerance import distance, near
from robo_rlhf.sim.tasks import TASKS

HALF_CUP, HALF_GLASS = props.CUP_HEIGHT / 2, props.GLASS_HEIGHT / 2
MAT_RADIUS = 0.05  # [m]
CLOSE = 0.035  # [m] of the mat's middle that counts as on it
SPILL = 0.6  # [rad] of tilt at which a full cup spills
LIP = 0.02  # [m] above the cup's middle, where it is grasped
RISE = 0.06  # [m] that the cup is carried above the table
AROUND = 0.13  # [m] kept between the middles of cup and glass


@TASKS.register("carry_upright")
class CarryUpright(ArmTask):
    """Carry a cup with full control of the hand's orientation."""

    name: ClassVar[str] = "carry_upright"
    instruction: ClassVar[str] = "Carry the cup past the glass to the green mat, upright, and set it down."
    horizon: ClassVar[int] = 140
    goals: ClassVar[tuple[str, ...]] = ("mat",)
    style_cost: ClassVar[str] = "tilt"
    around: ClassVar[float] = AROUND  # of the scripted operator; a careless one passes nearer
    lean: ClassVar[float] = 0.0  # [rad] that the scripted operator lets the cup lean while it carries it
    workspace: ClassVar[Workspace] = Workspace(low=(-0.3, -0.35, 0.02))
    action_names: ClassVar[tuple[str, ...]] = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    obs_names: ClassVar[tuple[str, ...]] = (
        *HAND_NAMES,
        *("cup_dx", "cup_dy", "cup_dz", "cup_z"),
        *("cup_roll", "cup_pitch", "cup_yaw"),  # [rad], in parts of a rotation vector
        *("hand_lean_x", "hand_lean_y", "aim_lean_x", "aim_lean_y"),  # of the axes of hand and target: 0 straight down
        *("glass_dx", "glass_dy", "glass_up"),
        *("mat_dx", "mat_dy", "grip"),
    )
    privileged: ClassVar[tuple[str, ...]] = (
        *("cup_dx", "cup_dy", "cup_dz", "cup_z", "cup_roll", "cup_pitch", "cup_yaw"),
        *("glass_dx", "glass_dy", "glass_up", "mat_dx", "mat_dy"),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm, a cup, a glass and a mat."""
        spec = self.tabletop()
        props.add_cup(spec, "cup", (0.0, 0.2, HALF_CUP))
        props.add_glass(spec, "glass", (0.05, 0.0, HALF_GLASS))
        props.add_goal_marker(spec, "mat", radius=MAT_RADIUS, pos=(0.0, -0.2, 0.001), flat=True)
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the positions of cup and mat, and of the glass between them."""
        self.place_arm(sim, index, rng)
        sim.qpos("cup")[index] = *rng.uniform((-0.08, 0.17), (0.08, 0.23)), HALF_CUP, 1.0, 0.0, 0.0, 0.0
        sim.qpos("glass")[index] = *rng.uniform((0.0, -0.015), (0.10, 0.015)), HALF_GLASS, 1.0, 0.0, 0.0, 0.0
        sim.mocap_pos("mat")[index] = *rng.uniform((-0.08, -0.23), (0.08, -0.17)), 0.001

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, cup and its tilt, glass and mat, (N, 27)."""
        cup, glass = sim.body_pos("cup"), sim.body_pos("glass")
        up = np.cos(tilt_of_quat(sim.body_quat("glass")))
        return columns(
            [
                *self.observe_hand(sim),
                cup - sim.site_pos("ee"),
                cup[:, 2:],
                quat_to_rotvec(sim.body_quat("cup")),
                up_of_quat(sim.body_quat("hand"))[:, :2],
                up_of_quat(sim.mocap_quat("target"))[:, :2],
                (glass - cup)[:, :2],
                up[:, None],
                (sim.mocap_pos("mat") - cup)[:, :2],
                self.grip_command(sim)[:, None],
            ]
        )

    def signals(self, sim: BatchSim) -> Mapping[str, Array]:
        """Return those of every arm task, the cup's tilt [rad] and the clearance between cup and glass [m]."""
        tilt = tilt_of_quat(sim.body_quat("cup"))
        apart = distance(sim.body_pos("cup")[:, :2], sim.body_pos("glass")[:, :2])
        room = apart - props.CUP_RADIUS - props.GLASS_RADIUS
        more = {"tilt": tilt[:, None].astype(np.float32), "clearance": room[:, None].astype(np.float32)}
        return {**super().signals(sim), **more}

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the fingertips are, how near the cup is to the mat, and whether it is placed there."""
        cup, mat = sim.body_pos("cup"), sim.mocap_pos("mat")
        there = self.success(sim)
        standing = (tilt_of_quat(sim.body_quat("cup")) < SPILL).astype(np.float64)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), cup, 0.2, 0.015), there),
            "carry": near(cup[:, :2], mat[:, :2], 0.3, 0.01) * standing,
            "there": there.astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the cup is on the mat, released, and the glass is still upright."""
        cup, glass = sim.body_pos("cup"), sim.body_pos("glass")
        on_mat = distance(cup[:, :2], sim.mocap_pos("mat")[:, :2]) < CLOSE
        upright = (tilt_of_quat(sim.body_quat("cup")) < 0.1) & (np.abs(cup[:, 2] - HALF_CUP) < 0.01)
        unhurt = (tilt_of_quat(sim.body_quat("glass")) < 0.1) & (np.abs(glass[:, 2] - HALF_GLASS) < 0.01)
        return on_mat & upright & unhurt & (self.opening(sim) > 2 * props.CUP_RADIUS + 0.004)

    def demonstrate(self, sim: BatchSim) -> Array:
        """Grasp the cup, lift, carry it around the glass, set it down, let go, rise."""
        hand, cup, mat = sim.site_pos("ee"), sim.body_pos("cup"), sim.mocap_pos("mat")
        lip = cup + np.array([0.0, 0.0, LIP])
        goal, yaw, grip, speed = self.grasp(sim, lip, self.cube_yaw(sim, "cup"), 0.09, mouth=0.008, slope=6.0)
        shut = (self.grip_command(sim) > 0) & (self.opening(sim) < 2.15 * props.CUP_RADIUS)
        held = shut & (distance(hand, lip) < 0.03)
        low, aside = cup[:, 2] < HALF_CUP + 0.005, distance(cup[:, :2], mat[:, :2])
        on_mat = low & (aside < CLOSE - 0.01)

        goal = np.where(held[:, None], self._carry(cup, sim.body_pos("glass"), mat) + hand - cup, goal)
        speed = np.where(held, np.where(aside < 0.03, 0.35, 0.5), np.minimum(speed, 0.7))
        # on the mat: open wide, then rise
        wide = self.opening(sim) > 2 * props.CUP_RADIUS + 0.014
        away = np.stack([hand[:, 0], hand[:, 1], np.full_like(aside, 0.25)], axis=1)
        goal = np.where(on_mat[:, None], np.where(wide[:, None], away, hand), goal)
        axis = sim.site_mat("ee")[:, :2, 0]
        yaw = np.where(held | on_mat, np.arctan2(axis[:, 1], axis[:, 0]), yaw)
        grip = np.where(on_mat, -1.0, np.where(held, 1.0, grip))
        action = self.steer(sim, goal, yaw, grip, speed)
        raised = np.clip((cup[:, 2] - HALF_CUP) / (0.5 * RISE), 0.0, 1.0)
        lean = np.where(held & ~on_mat, self.lean * raised * np.clip(aside / 0.05 - 1.0, 0.0, 1.0), 0.0)
        return np.concatenate([action[:, :3], self._turn(sim, lean), action[:, 3:]], axis=1)

    def _carry(self, cup: Array, glass: Array, mat: Array) -> Array:
        """Return the held cup's next waypoint (N, 3): up, around the glass on the robot's side, down on the mat."""
        to_mat, to_glass = (mat - cup)[:, :2], (glass - cup)[:, :2]
        left = np.sqrt((to_mat * to_mat).sum(1))
        apart = np.sqrt((to_glass * to_glass).sum(1))
        # the ray that touches the circle around the glass; on the circle it is the circle's tangent
        bearing = np.arctan2(to_glass[:, 1], to_glass[:, 0]) - np.arcsin(np.clip(self.around / apart, 0.0, 1.0))
        tangent = np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
        outward = -to_glass / apart[:, None] * np.maximum(self.around - apart, 0.0)[:, None]
        along = np.clip((to_glass * to_mat).sum(1) / np.maximum(left * left, 1e-9), 0.0, 1.0)
        miss = distance(along[:, None] * to_mat, to_glass)  # distance of the straight path from the glass
        free = (miss >= self.around - 0.01) | (along == 0.0)
        way = np.where(free[:, None], to_mat, 0.1 * tangent + 2.0 * outward)
        raised = cup[:, 2] > HALF_CUP + 0.8 * RISE
        way = np.where((raised | (left < 0.05))[:, None], way, 0.0)
        height = HALF_CUP - 0.004 + funnel(left, RISE, 0.008)
        return np.concatenate([cup[:, :2] + way, height[:, None]], axis=1)

    def _turn(self, sim: BatchSim, lean: Array) -> Array:
        """Return the rotations (N, 2) about x and y that bring the target to `lean` (N,) [rad] from straight down."""
        axis = up_of_quat(sim.mocap_quat("target"))
        turn = SETTLE * np.stack([-axis[:, 1], axis[:, 0] - np.sin(lean)], axis=1)  # axis × where it should point
        return np.clip(turn / MAX_TURN, -0.5, 0.5).astype(np.float32)
