"""Ways through a room for the scripted operator: shortest paths on a grid, found once for each goal cell."""

import heapq
from functools import lru_cache

import numpy as np

from robo_rlhf.types import Array

Box = tuple[float, float, float, float]  # middle x, y and half sizes [m]; obstacles seen from above


class GridPlanner:
    """Shortest ways on a square grid around boxes, all grown by the body's radius."""

    def __init__(self, half: float, boxes: tuple[Box, ...], radius: float, cell: float = 0.08) -> None:
        """Cover the square [-half, half]² [m] with cells of size `cell` [m]; keep `radius` [m] off everything."""
        self.half, self.cell = half, cell
        self.count = round(2 * half / cell)
        centre = (np.arange(self.count) + 0.5) * cell - half
        x, y = np.meshgrid(centre, centre, indexing="ij")
        free = (np.abs(x) < half - radius) & (np.abs(y) < half - radius)
        for box in boxes:
            free &= box_distance(np.stack([x, y], axis=-1), box) > radius
        self.free = free
        self.field = lru_cache(maxsize=4096)(self._field)

    def cell_of(self, point: Array) -> tuple[int, int]:
        """Return the cell that holds a point (2,)."""
        i, j = np.clip(((point + self.half) / self.cell).astype(int), 0, self.count - 1)
        return int(i), int(j)

    def waypoint(self, start: Array, goal: Array, ahead: int = 5) -> Array:
        """Return the point (2,) [m] some `ahead` cells down the shortest way from `start` (2,) to `goal` (2,)."""
        field = self.field(self.cell_of(goal))
        i, j = self.cell_of(start)
        for _ in range(ahead):
            around = [
                (i + di, j + dj)
                for di in (-1, 0, 1)
                for dj in (-1, 0, 1)
                if 0 <= i + di < self.count and 0 <= j + dj < self.count
            ]
            i, j = min(around, key=lambda cell: field[cell])
        if field[i, j] == 0.0:
            return goal
        point: Array = (np.array([i, j]) + 0.5) * self.cell - self.half
        return point

    def length(self, start: Array, goal: Array) -> float:
        """Return the length [m] of the shortest way from `start` (2,) to `goal` (2,), to a cell's size."""
        return float(self.field(self.cell_of(goal))[self.cell_of(start)]) * self.cell

    def _field(self, goal: tuple[int, int]) -> Array:
        """Return the length of the shortest way to `goal` from every cell, in cells; blocked cells cost ten a step."""
        length = np.full(self.free.shape, np.inf)
        length[goal] = 0.0
        queue = [(0.0, goal)]
        while queue:
            so_far, (i, j) = heapq.heappop(queue)
            if so_far > length[i, j]:
                continue
            for di, dj, step in _STEPS:
                a, b = i + di, j + dj
                if 0 <= a < self.count and 0 <= b < self.count:
                    longer = so_far + step * (1.0 if self.free[a, b] else 10.0)
                    if longer < length[a, b]:
                        length[a, b] = longer
                        heapq.heappush(queue, (longer, (a, b)))
        return length


_STEPS = [(i, j, float(np.hypot(i, j))) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def box_distance(points: Array, box: Box) -> Array:
    """Return the distance [m] of points (..., 2) from a box, 0 inside."""
    outside = np.maximum(np.abs(points - np.array(box[:2])) - np.array(box[2:]), 0.0)
    return np.sqrt((outside * outside).sum(-1))
