"""drawer_open: pull the drawer out by its handle."""

from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.task_tools.arm import HAND_NAMES, ArmTask, columns
from robo_rlhf.sim.task_tools.tolerance import distance, near
from robo_rlhf.sim.tasks import TASKS

OPEN = 0.12  # [m] of travel that counts as open


@TASKS.register("drawer_open")
class DrawerOpen(ArmTask):
    """Grasp a handle and pull."""

    name: ClassVar[str] = "drawer_open"
    instruction: ClassVar[str] = "Open the drawer by its handle."
    horizon: ClassVar[int] = 100
    goals: ClassVar[tuple[str, ...]] = ("cabinet",)
    obs_names: ClassVar[tuple[str, ...]] = (*HAND_NAMES, "handle_dx", "handle_dy", "handle_dz", "drawer", "grip")
    privileged: ClassVar[tuple[str, ...]] = ("handle_dx", "handle_dy", "handle_dz", "drawer")

    def scene(self) -> mujoco.MjSpec:
        """Return the table, the arm and a cabinet with a drawer."""
        spec = self.tabletop()
        props.add_drawer_cabinet(spec).mocap = True
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw the cabinet's position and the initial opening of the drawer."""
        self.place_arm(sim, index, rng)
        sim.mocap_pos("cabinet")[index] = *rng.uniform((0.27, -0.14), (0.33, 0.14)), 0.0
        sim.qpos("drawer")[index] = rng.uniform(0.0, 0.015)

    def observe(self, sim: BatchSim) -> Array:
        """Return hand, vector to the handle, and opening of the drawer, (N, 15)."""
        way = sim.site_pos("handle") - sim.site_pos("ee")
        return columns([*self.observe_hand(sim), way, sim.qpos("drawer"), self.grip_command(sim)[:, None]])

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return the closeness of the fingertips to the handle, and the opening of the drawer."""
        opened = self.success(sim)
        return {
            "reach": np.maximum(near(sim.site_pos("ee"), sim.site_pos("handle"), 0.2, 0.01), opened),
            "pull": np.clip(sim.qpos("drawer")[:, 0] / OPEN, 0.0, 1.0),
            "open": opened.astype(np.float64),
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the drawer is open."""
        return sim.qpos("drawer")[:, 0] > OPEN

    def demonstrate(self, sim: BatchSim) -> Array:
        """Come down over the handle, close, pull towards the robot, let go."""
        hand, handle, n = sim.site_pos("ee"), sim.site_pos("handle"), sim.num_envs
        goal, yaw, grip, speed = self.grasp(sim, handle, np.zeros(n), hover=0.08)
        held = (distance(hand, handle) < 0.03) & (self.grip_command(sim) > 0) & (self.opening(sim) < 0.03)
        pull = np.stack([hand[:, 0] - 0.05, handle[:, 1], handle[:, 2]], axis=1)
        wide = sim.qpos("drawer")[:, 0] > OPEN + 0.01
        goal = np.where(wide[:, None], hand, np.where(held[:, None], pull, goal))
        return self.steer(sim, goal, yaw, np.where(wide, -1.0, np.where(held, 1.0, grip)), np.where(held, 0.5, speed))
