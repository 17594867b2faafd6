"""peg_insert: put the peg into a hole that is two millimetres wider."""

from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.physics.rotation import yaw_of_quat
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.task_tools.arm import CUBE_NAMES, HAND_NAMES, ArmTask, columns, funnel, wrap_quarter
from robo_rlhf.sim.task_tools.tolerance import distance, near, tolerance
from robo_rlhf.sim.tasks import TASKS

HALF_PEG = (props.PEG_SHAFT + props.PEG_HEAD) / 2  # [m]
HALF_HEAD = props.PEG_HALF_WIDTH + 0.006  # [m] half the width of the peg's head
DEPTH = 0.02  # [m] below the board's face that counts as inserted
CARRY = props.BOARD_HEIGHT + 0.03  # [m] height of the peg's tip while it travels


@TASKS.register("peg_insert")
class PegInsert(ArmTask):
    """Grasp a peg by its head and insert it."""

    name: ClassVar[str] = "peg_insert"
    instruction: ClassVar[str] = "Take the peg out of its stand and insert it into the hole of the purple board."
    horizon: ClassVar[int] = 140
    goals: ClassVar[tuple[str, ...]] = ("board",)
    obs_names: ClassVar[tuple[str, ...]] = (
        *HAND_NAMES,
        *(name.replace("cube", "peg") for name in CUBE_NAMES),
        *("hole_dx", "hole_dy", "hole_dz"),
        *("board_cos", "board_sin", "grip"),
    )
    privileged: ClassVar[tuple[str, ...]] = (
        *(name.replace("cube", "peg") for name in CUBE_NAMES),
        *("hole_dx", "hole_dy", "hole_dz", "board_cos", "board_sin"),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm, a peg in its stand, and a board with a hole."""
        spec = self.tabletop()
        props.add_peg(spec, "peg", (0.0, 0.12, HALF_PEG))
        props.add_peg_stand(spec, (0.0, 0.12, 0.0)).mocap = True
        props.add_peg_board(spec, (0.0, -0.15, 0.0)).mocap = True
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the positions and orientations of peg and board."""
        self.place_arm(sim, index, rng)
        self.place_cube(sim, index, "peg", rng.uniform((-0.08, 0.06), (0.08, 0.18)), HALF_PEG, rng)
        sim.mocap_pos("stand")[index] = *sim.qpos("peg")[index, :2], 0.0
        sim.mocap_quat("stand")[index] = sim.qpos("peg")[index, 3:]
        yaw = rng.uniform(-0.3, 0.3)
        sim.mocap_pos("board")[index] = *rng.uniform((-0.06, -0.20), (0.06, -0.12)), 0.0
        sim.mocap_quat("board")[index] = np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, peg, and the vector from its tip to the hole, (N, 23)."""
        way = sim.site_pos("hole") - sim.site_pos("peg_tip")
        turn = 4 * (yaw_of_quat(sim.mocap_quat("board")) - yaw_of_quat(sim.body_quat("peg")))
        parts = [*self.observe_hand(sim), *self.observe_cube(sim, "peg"), way]
        return columns([*parts, np.stack([np.cos(turn), np.sin(turn), self.grip_command(sim)], axis=1)])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the fingertips are to the head, the tip to the hole, and how deep it is."""
        tip, hole = sim.site_pos("peg_tip"), sim.site_pos("hole")
        held, inserted = self.holds_head(sim), self.success(sim)
        depth = np.clip((hole[:, 2] - tip[:, 2]) / DEPTH, 0.0, 1.0) * self.in_line(sim)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), sim.site_pos("peg_head"), 0.2, 0.01), inserted),
            "lift": np.maximum(held * tolerance(tip[:, 2], props.BOARD_HEIGHT, np.inf, props.BOARD_HEIGHT), inserted),
            "align": np.maximum(held * near(tip[:, :2], hole[:, :2], 0.15), inserted),
            "insert": depth,
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the peg's tip is DEPTH below the face, in the hole."""
        return self.in_line(sim) & (sim.site_pos("hole")[:, 2] - sim.site_pos("peg_tip")[:, 2] > DEPTH)

    def in_line(self, sim: BatchSim) -> Array:
        """Whether the tip is where the hole is, seen from above (N,)."""
        aside = distance(sim.site_pos("peg_tip")[:, :2], sim.site_pos("hole")[:, :2])
        return aside < 2 * props.HOLE_CLEARANCE

    def holds_head(self, sim: BatchSim) -> Array:
        """Whether closed fingers are around the peg's head (N,)."""
        close = distance(sim.site_pos("ee"), sim.site_pos("peg_head")) < 0.025
        return close & (self.grip_command(sim) > 0) & (self.opening(sim) < 2.6 * HALF_HEAD)

    def demonstrate(self, sim: BatchSim) -> Array:
        """Grasp the head, lift, carry over the hole, align, go down, let go."""
        hand, tip, hole = sim.site_pos("ee"), sim.site_pos("peg_tip"), sim.site_pos("hole")
        peg_yaw = yaw_of_quat(sim.body_quat("peg"))
        goal, yaw, grip, speed = self.grasp(sim, sim.site_pos("peg_head"), wrap_quarter(peg_yaw), hover=0.06)
        held = self.holds_head(sim)
        aside = distance(tip[:, :2], hole[:, :2])
        lifted = (tip[:, 2] > hole[:, 2] + 0.008) | (aside < 0.02)
        inside = self.in_line(sim) & (tip[:, 2] < hole[:, 2] - 0.003)
        low = np.where(inside, hole[:, 2] - DEPTH - 0.012, hole[:, 2] - 0.006 + funnel(aside, 0.03, 0.0015, 6.0))
        reach = np.stack([hole[:, 0], hole[:, 1], low], axis=1) - (tip - hand)
        up = np.stack([hand[:, 0], hand[:, 1], hand[:, 2] + CARRY - tip[:, 2]], axis=1)
        goal = np.where(held[:, None], np.where(lifted[:, None], reach, up), goal)
        # rotate the hand by the remaining misalignment of peg and hole
        lacking = wrap_quarter(yaw_of_quat(sim.mocap_quat("board")) - peg_yaw)
        hand_yaw = np.arctan2(sim.site_mat("ee")[:, 1, 0], sim.site_mat("ee")[:, 0, 0])
        yaw = np.where(held & lifted, hand_yaw + lacking, np.where(held, hand_yaw, yaw))
        speed = np.where(held, np.where(aside < 0.02, 0.25, 0.8), speed)
        done = self.success(sim) & (hole[:, 2] - tip[:, 2] > DEPTH + 0.004)
        goal = np.where(done[:, None], hand, goal)
        return self.steer(sim, goal, yaw, np.where(done, -1.0, np.where(held, 1.0, grip)), speed)
