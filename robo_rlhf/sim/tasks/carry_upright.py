"""carry_upright: carry a full cup past a fragile glass without spilling, and put it on the mat."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.sim import props, scene
from robo_rlhf.sim.arm import HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.batch import BatchSim
from robo_rlhf.sim.control import Workspace
from robo_rlhf.sim.rotation import quat_to_rotvec, tilt_of_quat
from robo_rlhf.sim.shaping import distance, near
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.types import Array

HALF_CUP, HALF_GLASS = props.CUP_HEIGHT / 2, props.GLASS_HEIGHT / 2
MAT_RADIUS = 0.05  # [m]
CLOSE = 0.035  # [m] of the mat's middle that counts as on it
SPILL = 0.6  # [rad] of tilt at which a full cup spills
AROUND = 0.13  # [m] kept between the middles of cup and glass


@TASKS.register("carry_upright")
class CarryUpright(ArmTask):
    """Carry a cup with full control of the hand's orientation."""

    name: ClassVar[str] = "carry_upright"
    instruction: ClassVar[str] = "Carry the cup past the glass to the green mat, upright, and set it down."
    horizon: ClassVar[int] = 140
    cares_about: ClassVar[str] = "tilt"
    workspace: ClassVar[Workspace] = Workspace(low=(-0.3, -0.35, 0.02))
    action_names: ClassVar[tuple[str, ...]] = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    obs_names: ClassVar[tuple[str, ...]] = (
        *HAND_NAMES,
        *("cup_dx", "cup_dy", "cup_dz", "cup_z"),
        *("cup_roll", "cup_pitch", "hand_roll", "hand_pitch"),
        *("glass_dx", "glass_dy", "glass_up"),
        *("mat_dx", "mat_dy", "grip"),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm, a cup, a glass and a mat."""
        spec = scene.tabletop()
        scene.add_contact_sensor(spec)
        props.add_cup(spec, "cup", (0.0, 0.16, HALF_CUP))
        props.add_glass(spec, "glass", (0.05, 0.0, HALF_GLASS))
        props.add_goal_marker(spec, "mat", radius=MAT_RADIUS, pos=(0.0, -0.16, 0.001), flat=True)
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the places of cup and mat, and of the glass between them."""
        self.place_arm(sim, index, rng)
        sim.qpos("cup")[index] = *rng.uniform((-0.08, 0.13), (0.08, 0.20)), HALF_CUP, 1.0, 0.0, 0.0, 0.0
        sim.qpos("glass")[index] = *rng.uniform((0.0, -0.03), (0.10, 0.03)), HALF_GLASS, 1.0, 0.0, 0.0, 0.0
        sim.mocap_pos("mat")[index] = *rng.uniform((-0.08, -0.20), (0.08, -0.13)), 0.001

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, cup and its tilt, glass and mat, (N, 24)."""
        cup, glass = sim.body_pos("cup"), sim.body_pos("glass")
        lean = quat_to_rotvec(sim.body_quat("cup"))[:, :2]
        axis = sim.site_mat("ee")[:, :2, 2]  # the hand's own z in the world: (0, 0) when it points straight down
        up = np.cos(tilt_of_quat(sim.body_quat("glass")))
        return columns(
            [
                *self.observe_hand(sim),
                cup - sim.site_pos("ee"),
                cup[:, 2:],
                np.concatenate([lean, axis], axis=1),
                (glass - cup)[:, :2],
                up[:, None],
                (sim.mocap_pos("mat") - cup)[:, :2],
                self.grip_command(sim)[:, None],
            ]
        )

    def signals(self, sim: BatchSim) -> Mapping[str, Array]:
        """Return those of every arm task, the cup's tilt [rad] and the room between cup and glass [m]."""
        tilt = tilt_of_quat(sim.body_quat("cup"))
        apart = distance(sim.body_pos("cup")[:, :2], sim.body_pos("glass")[:, :2])
        room = apart - props.CUP_RADIUS - props.GLASS_RADIUS
        more = {"tilt": tilt[:, None].astype(np.float32), "clearance": room[:, None].astype(np.float32)}
        return {**super().signals(sim), **more}

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the fingertips are, how near the cup is to the mat, and whether it stands there."""
        cup, mat = sim.body_pos("cup"), sim.mocap_pos("mat")
        there = self.success(sim)
        standing = (tilt_of_quat(sim.body_quat("cup")) < SPILL).astype(np.float64)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), cup, 0.2, 0.015), there),
            "carry": near(cup[:, :2], mat[:, :2], 0.3, 0.01) * standing,
            "there": there.astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the cup stands on the mat, let go, and the glass still stands."""
        cup, glass = sim.body_pos("cup"), sim.body_pos("glass")
        on_mat = distance(cup[:, :2], sim.mocap_pos("mat")[:, :2]) < CLOSE
        upright = (tilt_of_quat(sim.body_quat("cup")) < 0.1) & (np.abs(cup[:, 2] - HALF_CUP) < 0.01)
        unhurt = (tilt_of_quat(sim.body_quat("glass")) < 0.1) & (np.abs(glass[:, 2] - HALF_GLASS) < 0.01)
        return on_mat & upright & unhurt & (self.opening(sim) > 2 * props.CUP_RADIUS + 0.004)

    def demonstrate(self, sim: BatchSim) -> Array:
        """Grasp the cup, lift, carry it around the glass, set it down, let go, rise."""
        hand, cup, mat = sim.site_pos("ee"), sim.body_pos("cup"), sim.mocap_pos("mat")
        n = sim.num_envs
        goal, yaw, grip, speed = self.grasp(sim, cup + (0.0, 0.0, 0.012), np.zeros(n), hover=0.09)
        near_cup = distance(hand, cup + (0.0, 0.0, 0.012)) < 0.03
        held = near_cup & (self.grip_command(sim) > 0) & (self.opening(sim) < 2.15 * props.CUP_RADIUS)
        to_mat = distance(cup[:, :2], mat[:, :2])
        over = to_mat < 0.02
        raised = cup[:, 2] > HALF_CUP + 0.03
        way = self._around(cup, sim.body_pos("glass"), mat) + (hand - cup)[:, :2]
        z = hand[:, 2] - cup[:, 2] + np.where(over, HALF_CUP - 0.002, HALF_CUP + 0.05)
        carry = np.concatenate([np.where((raised | over)[:, None], way, hand[:, :2]), z[:, None]], axis=1)
        down = held & over & (cup[:, 2] < HALF_CUP + 0.004)
        goal = np.where(held[:, None], carry, goal)
        speed = np.where(held, np.where(over, 0.4, 0.7), speed)
        done = (to_mat < CLOSE - 0.005) & ~held & (cup[:, 2] < HALF_CUP + 0.01)
        away = np.stack([hand[:, 0], hand[:, 1], np.full(n, 0.25)], axis=1)
        wide = self.opening(sim) > 2 * props.CUP_RADIUS + 0.012
        goal = np.where((down | done)[:, None], np.where(wide[:, None], away, hand), goal)
        grip = np.where(down | done, -1.0, np.where(held, 1.0, grip))
        return self._upright(sim, self.steer(sim, goal, yaw, grip, speed))

    def _around(self, cup: Array, glass: Array, mat: Array) -> Array:
        """Return the next point (N, 2) on the way from cup to mat, on the robot's side of the glass."""
        passed = cup[:, 1] < glass[:, 1] - 0.06
        beside = np.stack([np.minimum(glass[:, 0] - AROUND, cup[:, 0]), cup[:, 1] - 0.06], axis=1)
        clear = cup[:, 0] < glass[:, 0] - AROUND + 0.03
        beside[:, 1] = np.where(clear, beside[:, 1], np.maximum(cup[:, 1] - 0.03, glass[:, 1] + 0.11))
        return np.where(passed[:, None], mat[:, :2], beside)

    def _upright(self, sim: BatchSim, action: Array) -> Array:
        """Return actions (N, 7) that also turn the hand back to pointing straight down."""
        axis = sim.site_mat("ee")[:, :, 2]
        lean = np.stack([axis[:, 1], -axis[:, 0]], axis=1)  # z × (0, 0, -1), short of its sign
        fix = np.clip(4.0 * lean, -0.5, 0.5).astype(np.float32)
        return np.concatenate([action[:, :3], -fix, action[:, 3:]], axis=1)
