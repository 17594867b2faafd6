"""navigate_room: drive the rover through a furnished room to the goal."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.scenes import props, scene
from robo_rlhf.sim.scenes.furniture import FURNITURE
from robo_rlhf.sim.task import Task
from robo_rlhf.sim.task_tools.grid_planner import GridPlanner
from robo_rlhf.sim.task_tools.tolerance import distance, near
from robo_rlhf.sim.tasks import TASKS

SPEED, TURN = 1.0, 2.5  # [m/s], [rad/s] at full command
GOAL_RADIUS = 0.2  # [m]
MARGIN = 0.08  # [m] clearance of the scripted operator from obstacles
RAYS = 8  # directions of the range readings
RANGE = 1.5  # [m] range of the readings
_BOXES = np.array(list(FURNITURE.values()))  # (B, 4) middles and half sizes [m]
_ANGLES = np.arange(RAYS) * 2 * np.pi / RAYS
_PLANNER = GridPlanner(scene.ROOM_HALF, tuple(FURNITURE.values()), scene.ROVER_RADIUS + MARGIN)


@TASKS.register("navigate_room")
class NavigateRoom(Task):
    """Drive and turn; the room is always the same, start and goal are not."""

    name: ClassVar[str] = "navigate_room"
    instruction: ClassVar[str] = "Drive through the room to the green disc without touching anything."
    horizon: ClassVar[int] = 160
    goals: ClassVar[tuple[str, ...]] = ("goal",)
    style_cost: ClassVar[str] = "clearance"
    action_names: ClassVar[tuple[str, ...]] = ("forward", "turn")
    obs_names: ClassVar[tuple[str, ...]] = (
        *("x", "y", "cos", "sin", "speed", "spin"),
        *("goal_ahead", "goal_left", "goal_distance"),
        *(f"room_{i}" for i in range(RAYS)),
        *("way_ahead", "way_left"),
    )
    privileged: ClassVar[tuple[str, ...]] = (
        *("goal_ahead", "goal_left", "goal_distance"),
        *(f"room_{i}" for i in range(RAYS)),
        *("way_ahead", "way_left"),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the room, the rover and a flat goal."""
        spec = scene.room()
        scene.add_contact_sensor(spec, subtree="rover")
        props.add_goal_marker(spec, "goal", radius=GOAL_RADIUS, pos=(1.5, 1.5, 0.002), flat=True)
        return spec

    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Draw start and goal in free space, at least 1.5 m apart."""
        start = _free_point(rng)
        goal = start
        while distance(start, goal) < 1.5:
            goal = _free_point(rng)
        sim.qpos("base_x")[index], sim.qpos("base_y")[index] = start
        sim.qpos("base_yaw")[index] = rng.uniform(-np.pi, np.pi)
        sim.mocap_pos("goal")[index] = *goal, 0.002

    def control(self, sim: BatchSim, action: Array) -> None:
        """Set the speeds; the servo against slipping stays at zero."""
        sim.ctrl[:, 0] = action[:, 0] * SPEED
        sim.ctrl[:, 1] = action[:, 1] * TURN

    def observe(self, sim: BatchSim) -> Array:
        """Return pose, speeds, goal, free distance in eight directions, and the next point of the way, (N, 19).

        Goal and next point are in the rover's frame. The next point is the route planner's, as a mobile base has one.
        """
        here, yaw = self.position(sim), sim.qpos("base_yaw")
        heading = np.concatenate([np.cos(yaw), np.sin(yaw)], axis=1)
        left = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        velocity = np.concatenate([sim.qvel("base_x"), sim.qvel("base_y")], axis=1)
        goal = sim.mocap_pos("goal")[:, :2]
        way, next_point = goal - here, _PLANNER.waypoint(here, goal) - here
        parts = [
            *(here, heading, (velocity * heading).sum(1, keepdims=True), sim.qvel("base_yaw")),
            *((way * heading).sum(1, keepdims=True), (way * left).sum(1, keepdims=True)),
            *(np.sqrt((way * way).sum(1, keepdims=True)), _feel(here, yaw + _ANGLES)),
            *((next_point * heading).sum(1, keepdims=True), (next_point * left).sum(1, keepdims=True)),
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def signals(self, sim: BatchSim) -> Mapping[str, Array]:
        """Return the rover's position [m], the contact force [N] and its clearance [m]."""
        force = sim.sensor("contact_force")
        return {
            "ee_pos": sim.body_pos("rover").astype(np.float32),
            "contact_force": np.sqrt((force * force).sum(-1, keepdims=True)).astype(np.float32),
            "clearance": self.clearance(sim)[:, None].astype(np.float32),
        }

    def position(self, sim: BatchSim) -> Array:
        """Position of the rover (N, 2) [m]."""
        return np.concatenate([sim.qpos("base_x"), sim.qpos("base_y")], axis=1)

    def clearance(self, sim: BatchSim) -> Array:
        """Clearance (N,) [m] between the rover and the nearest wall or obstacle, at least 0."""
        here = self.position(sim)
        walls = scene.ROOM_HALF - np.abs(here).max(axis=1)
        outside = np.maximum(np.abs(here[:, None] - _BOXES[:, :2]) - _BOXES[:, 2:], 0.0)  # (N, B, 2)
        things = np.sqrt((outside * outside).sum(-1)).min(axis=1)
        room: Array = np.maximum(np.minimum(walls, things) - scene.ROVER_RADIUS, 0.0)
        return room

    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return how near the goal is along the shortest path, and whether it is reached."""
        here, goal = self.position(sim), sim.mocap_pos("goal")[:, :2]
        arrived = self.success(sim).astype(np.float64)
        return {
            "close": np.maximum(np.exp(-_PLANNER.length(here, goal) / 1.5), arrived),
            "arrive": np.maximum(near(here, goal, 0.5, GOAL_RADIUS / 2), arrived),
            "there": arrived,
        }

    def success(self, sim: BatchSim) -> Array:
        """Whether the rover's middle is on the goal."""
        return distance(self.position(sim), sim.mocap_pos("goal")[:, :2]) < GOAL_RADIUS

    def demonstrate(self, sim: BatchSim) -> Array:
        """Follow the shortest path: turn towards the next point, drive when it is ahead, stop at the goal."""
        here, goal = self.position(sim), sim.mocap_pos("goal")[:, :2]
        way = _PLANNER.waypoint(here, goal) - here
        off = np.arctan2(way[:, 1], way[:, 0]) - sim.qpos("base_yaw")[:, 0]
        off = np.mod(off + np.pi, 2 * np.pi) - np.pi
        left = distance(here, goal)
        drive = np.clip(1.2 - np.abs(off) / 0.7, 0.0, 1.0) * np.clip(left / 0.4, 0.0, 0.9)
        arrived = left < 0.3 * GOAL_RADIUS
        action = np.stack([drive, np.clip(1.5 * off, -0.9, 0.9)], axis=1)
        return np.where(arrived[:, None], 0.0, action).astype(np.float32)


def _free_point(rng: np.random.Generator) -> Array:
    while True:
        point: Array = rng.uniform(-scene.ROOM_HALF, scene.ROOM_HALF, 2)
        if _PLANNER.free[tuple(_PLANNER.cells(point))]:
            return point


def _feel(here: Array, angles: Array) -> Array:
    """Return the distances (N, RAYS) [m] to the nearest box or wall from `here` (N, 2) in directions `angles`."""
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    direction = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    origin = here[:, None, :]
    wall = ((np.sign(direction) * scene.ROOM_HALF - origin) / direction).min(axis=-1)
    to_box = (_BOXES[:, :2] - origin)[:, None]  # (N, 1, B, 2)
    sides = np.stack([to_box - _BOXES[:, 2:], to_box + _BOXES[:, 2:]]) / direction[:, :, None]  # (2, N, RAYS, B, 2)
    enter, leave = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    box = np.where((enter <= leave) & (leave >= 0), np.maximum(enter, 0.0), RANGE).min(axis=-1)
    felt: Array = np.minimum(np.minimum(wall, box), RANGE)
    return felt
