"""reach: bring the fingertips to a floating marker and hold them there."""

from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.task_tools.arm import HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.task_tools.tolerance import distance, near
from robo_rlhf.sim.tasks import TASKS

RADIUS = 0.02  # [m] of the goal


@TASKS.register("reach")
class Reach(ArmTask):
    """Reach a marker in the air."""

    name: ClassVar[str] = "reach"
    instruction: ClassVar[str] = "Bring the fingertips to the green ball and hold them there."
    horizon: ClassVar[int] = 60
    goals: ClassVar[tuple[str, ...]] = ("goal",)
    obs_names: ClassVar[tuple[str, ...]] = (*HAND_NAMES, "goal_dx", "goal_dy", "goal_dz")
    privileged: ClassVar[tuple[str, ...]] = ("goal_dx", "goal_dy", "goal_dz")

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm and a marker."""
        spec = self.tabletop()
        props.add_goal_marker(spec, "goal", radius=RADIUS)
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the marker's position."""
        self.place_arm(sim, index, rng)
        sim.mocap_pos("goal")[index] = rng.uniform((-0.15, -0.25, 0.05), (0.2, 0.25, 0.35))

    def observe(self, sim: BatchSim) -> Array:
        """Return hand and vector to the goal, (N, 13)."""
        return columns([*self.observe_hand(sim), sim.mocap_pos("goal") - sim.site_pos("ee")])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return closeness to the goal."""
        goal, hand = sim.mocap_pos("goal"), sim.site_pos("ee")
        return {"close": near(hand, goal, 0.3), "there": near(hand, goal, 0.04, RADIUS / 2)}

    def success(self, sim: BatchSim) -> Array:
        """Whether the fingertips are inside the marker."""
        return distance(sim.site_pos("ee"), sim.mocap_pos("goal")) < RADIUS

    def demonstrate(self, sim: BatchSim) -> Array:
        """Go straight there."""
        n = sim.num_envs
        return self.steer(sim, sim.mocap_pos("goal"), np.zeros(n), np.full(n, -1.0), 0.8)
