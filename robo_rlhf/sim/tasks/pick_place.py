"""pick_place: put the red cube into the bin."""

from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.scenes.appearance import PALETTE
from robo_rlhf.sim.task_tools.arm import CUBE_NAMES, HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.task_tools.tolerance import distance, near, tolerance
from robo_rlhf.sim.tasks import TASKS

HALF = 0.02  # [m] half the cube's edge
BIN_INNER = 0.06  # [m] half the bin's inner width
WALL = 0.05  # [m] height of the bin's walls
LET_GO = 0.05  # [m] from between the fingertips to the middle of a cube that is not held
CARRY = 0.13  # [m] height at which the cube travels


@TASKS.register("pick_place")
class PickPlace(ArmTask):
    """Grasp a cube, carry it over and let it go in a bin."""

    name: ClassVar[str] = "pick_place"
    instruction: ClassVar[str] = "Put the red cube into the bin."
    horizon: ClassVar[int] = 120
    goals: ClassVar[tuple[str, ...]] = ("bin",)
    style_cost: ClassVar[str] = "peak_contact_force"
    obs_names: ClassVar[tuple[str, ...]] = (
        *HAND_NAMES,
        *CUBE_NAMES,
        *("bin_dx", "bin_dy", "grip"),
    )
    privileged: ClassVar[tuple[str, ...]] = (*CUBE_NAMES, "bin_dx", "bin_dy")

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm, a cube and a bin."""
        spec = self.tabletop()
        props.add_box(spec, "cube", (HALF, HALF, HALF), PALETTE["red"], mass=0.08, pos=(0.0, 0.12, HALF))
        props.add_bin(spec, (0.0, -0.2, 0.0), (2 * BIN_INNER, 2 * BIN_INNER), WALL).mocap = True
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the positions of cube and bin, on two sides of the table."""
        self.place_arm(sim, index, rng)
        self.place_cube(sim, index, "cube", rng.uniform((-0.12, 0.02), (0.12, 0.22)), HALF, rng)
        sim.mocap_pos("bin")[index] = *rng.uniform((-0.06, -0.24), (0.06, -0.16)), 0.0

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, cube and bin, (N, 20)."""
        to_bin = (sim.mocap_pos("bin") - sim.body_pos("cube"))[:, :2]
        return columns(
            [*self.observe_hand(sim), *self.observe_cube(sim, "cube"), to_bin, self.grip_command(sim)[:, None]]
        )

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the hand is to the cube, how high that is, how near the bin, and whether it lies there."""
        cube, bin_ = sim.body_pos("cube"), sim.mocap_pos("bin")
        gap, inside = self.gap(sim), self.inside(sim)
        held = self.holds_at(sim, gap, HALF)
        return {
            "reach": np.maximum(tolerance(gap, 0.0, 0.01, 0.2), inside),
            "lift": np.maximum(held * tolerance(cube[:, 2], 0.8 * CARRY, np.inf, 0.8 * CARRY - HALF), inside),
            "carry": np.maximum(held, inside) * near(cube[:, :2], bin_[:, :2], 0.25, 0.03),
            "place": (inside & (gap > LET_GO)).astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the cube lies in the bin and the hand has let it go."""
        return self.inside(sim) & (self.gap(sim) > LET_GO)

    def gap(self, sim: BatchSim) -> Array:
        """How far (N,) [m] the cube is from between the fingertips."""
        return distance(sim.site_pos("ee"), sim.body_pos("cube"))

    def inside(self, sim: BatchSim) -> Array:
        """Whether the cube is between the walls, below their top (N,)."""
        offset = np.abs(sim.body_pos("cube") - sim.mocap_pos("bin"))
        inside: Array = (offset[:, :2].max(axis=1) < BIN_INNER) & (offset[:, 2] < WALL)
        return inside

    def demonstrate(self, sim: BatchSim) -> Array:
        """Hover, go down, close, lift, carry, lower, let go, rise."""
        hand, cube, bin_ = sim.site_pos("ee"), sim.body_pos("cube"), sim.mocap_pos("bin")
        goal, yaw, grip, speed = self.grasp(sim, cube, self.cube_yaw(sim, "cube"))
        held = self.holds(sim, "cube", HALF)
        height = cube[:, 2]
        over_bin = distance(cube[:, :2], bin_[:, :2]) < 0.025
        carry = np.stack([bin_[:, 0], bin_[:, 1], np.where(over_bin, WALL + 0.01, CARRY)], axis=1)
        straight_up = np.stack([hand[:, 0], hand[:, 1], np.full_like(height, CARRY + 0.02)], axis=1)
        aloft = np.where(((height > 0.75 * CARRY) | over_bin)[:, None], carry, straight_up)
        goal = np.where(held[:, None], aloft, goal)
        grip = np.where(held, np.where(over_bin & (height < WALL + 0.03), -1.0, 1.0), grip)

        done = self.inside(sim) | (over_bin & ~held & (height < WALL + 0.04))
        away = np.stack([bin_[:, 0], bin_[:, 1], np.full_like(height, 0.2)], axis=1)
        goal = np.where(done[:, None], away, goal)
        return self.steer(sim, goal, np.where(done, 0.0, yaw), np.where(done, -1.0, grip), np.where(held, 0.8, speed))
