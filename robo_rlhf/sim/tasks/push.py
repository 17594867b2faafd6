"""push: slide the puck onto the goal, without grasping it."""

from typing import ClassVar, NamedTuple

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.scenes.appearance import PALETTE
from robo_rlhf.sim.task_tools.arm import HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.task_tools.tolerance import distance, near
from robo_rlhf.sim.tasks import TASKS

RADIUS, HALF_HEIGHT = 0.04, 0.015  # [m] of the puck
GOAL_RADIUS = 0.03  # [m] within which the puck's middle counts as on the goal
LOW = 0.02  # [m] height of the fingertips while pushing
BEHIND = RADIUS + 0.035  # [m] from the puck's middle to where the hand goes down


@TASKS.register("push")
class Push(ArmTask):
    """Push a puck onto a mark on the table."""

    name: ClassVar[str] = "push"
    instruction: ClassVar[str] = "Push the orange puck onto the green disc."
    horizon: ClassVar[int] = 120
    goals: ClassVar[tuple[str, ...]] = ("goal",)
    obs_names: ClassVar[tuple[str, ...]] = (
        *HAND_NAMES,
        *("puck_dx", "puck_dy", "puck_dz"),
        *("puck_vx", "puck_vy"),
        *("goal_dx", "goal_dy"),
        *("ahead_x", "ahead_y", "behind_dx", "behind_dy", "along", "side"),
    )
    privileged: ClassVar[tuple[str, ...]] = (
        *("puck_dx", "puck_dy", "puck_dz", "puck_vx", "puck_vy", "goal_dx", "goal_dy"),
        *("ahead_x", "ahead_y", "behind_dx", "behind_dy", "along", "side"),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm, a puck and a flat goal."""
        spec = self.tabletop()
        props.add_cylinder(spec, "puck", RADIUS, HALF_HEIGHT, PALETTE["orange"], mass=0.2, pos=(0.0, 0.1, HALF_HEIGHT))
        props.add_goal_marker(spec, "goal", radius=RADIUS + 0.015, pos=(0.0, -0.1, 0.001), flat=True)
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the positions of puck and goal, at least 12 cm apart."""
        self.place_arm(sim, index, rng)
        puck = rng.uniform((-0.10, -0.15), (0.10, 0.15))
        goal = puck
        while distance(puck, goal) < 0.12:
            goal = rng.uniform((-0.12, -0.20), (0.12, 0.20))
        sim.qpos("puck")[index] = *puck, HALF_HEIGHT, 1.0, 0.0, 0.0, 0.0
        sim.mocap_pos("goal")[index] = *goal, 0.001

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, puck, its velocity, the vector to the goal, and the hand along the puck's course, (N, 23)."""
        puck, course = sim.body_pos("puck"), _course(sim)
        way = (sim.mocap_pos("goal") - puck)[:, :2]
        seen = [*self.observe_hand(sim), puck - sim.site_pos("ee"), sim.qvel("puck")[:, :2], way]
        return columns([*seen, course.ahead, course.behind, course.along, course.side])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the hand is to the puck, and the puck to the goal."""
        puck, goal = sim.body_pos("puck"), sim.mocap_pos("goal")
        arrived = self.success(sim)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), puck, 0.2, RADIUS + 0.02), arrived),
            "close": near(puck[:, :2], goal[:, :2], 0.2),
            "there": arrived.astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the puck's middle is on the goal."""
        return distance(sim.body_pos("puck")[:, :2], sim.mocap_pos("goal")[:, :2]) < GOAL_RADIUS

    def demonstrate(self, sim: BatchSim) -> Array:
        """Go behind the puck, down, and push along the line to the goal."""
        hand, puck, course = sim.site_pos("ee"), sim.body_pos("puck"), _course(sim)
        left = np.stack([-course.ahead[:, 1], course.ahead[:, 0]], axis=1)
        is_behind = (course.along[:, 0] < -0.5 * RADIUS) & (np.abs(course.side[:, 0]) < 0.025)
        low = hand[:, 2] < LOW + 0.02

        start = hand[:, :2] + course.behind
        lead = np.minimum(0.05, course.length)
        push = hand[:, :2] + lead * course.ahead - 1.5 * course.side * left
        at_start = distance(hand[:, :2], start) < 0.02
        height = np.where(at_start, LOW, np.where(distance(hand[:, :2], puck[:, :2]) > 1.6 * BEHIND, 0.07, 0.09))
        around = np.where((hand[:, 2] < 0.05)[:, None] & ~at_start[:, None], hand[:, :2], start)
        pushing = is_behind & low
        xy = np.where(pushing[:, None], push, around)
        done = course.length[:, 0] < 0.5 * GOAL_RADIUS
        z = np.where(pushing, LOW, height)
        goal_pose = np.where(done[:, None], hand, np.concatenate([xy, z[:, None]], axis=1))
        speed = np.where(pushing, np.clip(4 * course.length[:, 0], 0.15, 0.45), 0.8)
        return self.steer(sim, goal_pose, np.zeros(sim.num_envs), np.ones(sim.num_envs), speed)


class _Course(NamedTuple):
    """The straight way of the puck to the goal, seen from above, and where the hand is beside it."""

    length: Array  # (N, 1) [m] from puck to goal
    ahead: Array  # (N, 2), unit vector from puck to goal
    behind: Array  # (N, 2) [m] from the hand to the place behind the puck where it goes down
    along: Array  # (N, 1) [m] of the hand from the puck, along `ahead`
    side: Array  # (N, 1) [m] of the hand to the left of the course


def _course(sim: BatchSim) -> _Course:
    hand, puck, goal = (x[:, :2] for x in (sim.site_pos("ee"), sim.body_pos("puck"), sim.mocap_pos("goal")))
    length = np.maximum(distance(goal, puck), 1e-6)[:, None]
    ahead, rel = (goal - puck) / length, hand - puck
    side = ahead[:, :1] * rel[:, 1:] - ahead[:, 1:] * rel[:, :1]
    return _Course(length, ahead, -BEHIND * ahead - rel, (rel * ahead).sum(1, keepdims=True), side)
