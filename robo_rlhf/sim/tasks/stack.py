"""stack: put the red cube on top of the blue one."""

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

HALF = 0.02  # [m] half the red cube's edge
BASE = 0.025  # [m] half the blue cube's edge
TOP = 2 * BASE + HALF  # [m] height of the red cube's middle when stacked
CARRY = 0.13  # [m] height at which the cube travels


@TASKS.register("stack")
class Stack(ArmTask):
    """Grasp one cube and put it down on another."""

    name: ClassVar[str] = "stack"
    instruction: ClassVar[str] = "Stack the red cube on top of the blue one."
    horizon: ClassVar[int] = 120
    obs_names: ClassVar[tuple[str, ...]] = (*HAND_NAMES, *CUBE_NAMES, "base_dx", "base_dy", "base_dz", "grip")
    privileged: ClassVar[tuple[str, ...]] = (*CUBE_NAMES, "base_dx", "base_dy", "base_dz")

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm and two cubes."""
        spec = self.tabletop()
        props.add_box(spec, "cube", (HALF, HALF, HALF), PALETTE["red"], mass=0.08, pos=(0.0, 0.12, HALF))
        props.add_box(spec, "base", (BASE, BASE, BASE), PALETTE["blue"], mass=0.3, pos=(0.0, -0.12, BASE))
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the positions of the cubes, on two sides of the table."""
        self.place_arm(sim, index, rng)
        self.place_cube(sim, index, "cube", rng.uniform((-0.10, 0.05), (0.10, 0.20)), HALF, rng)
        self.place_cube(sim, index, "base", rng.uniform((-0.08, -0.20), (0.08, -0.08)), BASE, rng)

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, cube and the vector to the other cube, (N, 21)."""
        way = sim.body_pos("base") - sim.body_pos("cube")
        return columns([*self.observe_hand(sim), *self.observe_cube(sim, "cube"), way, self.grip_command(sim)[:, None]])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the fingertips are, how high the cube is, how near its place, and whether it rests there."""
        cube, place = sim.body_pos("cube"), sim.body_pos("base") + np.array([0.0, 0.0, TOP - BASE])
        held, on_top = self.holds(sim, "cube", HALF), self.on_top(sim)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), cube, 0.2, 0.01), on_top),
            "lift": np.maximum(held * tolerance(cube[:, 2], TOP, np.inf, TOP - HALF), on_top),
            "place": np.maximum(held, on_top) * near(cube, place, 0.25, 0.005),
            "rest": self.success(sim).astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the cube rests on the other and the hand has let it go."""
        return self.on_top(sim) & (distance(sim.site_pos("ee"), sim.body_pos("cube")) > 0.05)

    def on_top(self, sim: BatchSim) -> Array:
        """Whether the cube's middle is over the other cube at the height of resting there (N,)."""
        offset = sim.body_pos("cube") - sim.body_pos("base")
        over = np.abs(offset[:, :2]).max(axis=1) < BASE
        resting: Array = over & (np.abs(offset[:, 2] - (TOP - BASE)) < 0.008)
        return resting

    def demonstrate(self, sim: BatchSim) -> Array:
        """Grasp, lift, carry, lower until it touches, let go, rise."""
        hand, cube, base = sim.site_pos("ee"), sim.body_pos("cube"), sim.body_pos("base")
        goal, yaw, grip, speed = self.grasp(sim, cube, self.cube_yaw(sim, "cube"))
        held = self.holds(sim, "cube", HALF)
        height, aside = cube[:, 2], distance(cube[:, :2], base[:, :2])
        grip_offset = cube - hand  # where in the fingers the cube sits
        over = aside < 0.03
        lower = np.where(aside < 0.008, TOP - 0.004, np.where(over, TOP + 0.015, CARRY))
        place = np.stack([base[:, 0], base[:, 1], lower], axis=1) - grip_offset
        up = np.stack([hand[:, 0], hand[:, 1], np.full_like(height, CARRY + 0.02)], axis=1)
        ready = (height > 0.75 * CARRY) | over
        goal = np.where(held[:, None], np.where(ready[:, None], place, up), goal)
        down = held & (aside < 0.012) & (height < TOP + 0.004)
        grip = np.where(held & ~down, 1.0, grip)
        speed = np.where(held, np.where(over, 0.4, 0.8), speed)
        yaw = np.where(held & over, self.cube_yaw(sim, "base"), yaw)

        done = self.on_top(sim) & ~held
        away = np.stack([hand[:, 0], hand[:, 1], np.full_like(height, 0.22)], axis=1)
        goal = np.where((done | down)[:, None], away, goal)
        # open before rising
        goal = np.where((down | (done & (self.opening(sim) < 2.6 * HALF)))[:, None], hand, goal)
        return self.steer(sim, goal, yaw, np.where(done | down, -1.0, grip), speed)
