"""lift: pick the cube up and hold it high."""

from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.scenes.appearance import PALETTE
from robo_rlhf.sim.task_tools.arm import CUBE_NAMES, HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.task_tools.tolerance import near, tolerance
from robo_rlhf.sim.tasks import TASKS

HALF = 0.02  # [m] half the cube's edge
HEIGHT = 0.15  # [m] of the cube's middle that counts as lifted


@TASKS.register("lift")
class Lift(ArmTask):
    """Grasp a cube and lift it."""

    name: ClassVar[str] = "lift"
    instruction: ClassVar[str] = "Lift the red cube off the table and hold it up."
    horizon: ClassVar[int] = 80
    obs_names: ClassVar[tuple[str, ...]] = (*HAND_NAMES, *CUBE_NAMES, "grip")
    privileged: ClassVar[tuple[str, ...]] = CUBE_NAMES

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm and a cube."""
        spec = self.tabletop()
        props.add_box(spec, "cube", (HALF, HALF, HALF), PALETTE["red"], mass=0.08, pos=(0.0, 0.0, HALF))
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the cube's position."""
        self.place_arm(sim, index, rng)
        self.place_cube(sim, index, "cube", rng.uniform((-0.12, -0.18), (0.12, 0.18)), HALF, rng)

    def observe(self, sim: BatchSim) -> Array:
        """Return hand and cube, (N, 18)."""
        return columns([*self.observe_hand(sim), *self.observe_cube(sim, "cube"), self.grip_command(sim)[:, None]])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the fingertips are, whether they hold the cube, and how high it is."""
        cube = sim.body_pos("cube")
        held = self.holds(sim, "cube", HALF)
        return {
            "reach": near(sim.site_pos("ee"), cube, 0.2, 0.01),
            "grasp": held.astype(np.float64),
            "lift": held * tolerance(cube[:, 2], HEIGHT, np.inf, HEIGHT - HALF),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the cube is held up."""
        return self.holds(sim, "cube", HALF) & (sim.body_pos("cube")[:, 2] > HEIGHT)

    def demonstrate(self, sim: BatchSim) -> Array:
        """Grasp the cube and go up."""
        goal, yaw, grip, speed = self.grasp(sim, sim.body_pos("cube"), self.cube_yaw(sim, "cube"))
        held = self.holds(sim, "cube", HALF)
        up = sim.site_pos("ee") * np.array([1.0, 1.0, 0.0]) + np.array([0.0, 0.0, HEIGHT + 0.03])
        return self.steer(sim, np.where(held[:, None], up, goal), yaw, np.where(held, 1.0, grip), speed)
