"""Path planning for the scripted operator: shortest paths on a grid, computed once for each goal cell."""

import numpy as np

from robo_rlhf.core.types import Array

Box = tuple[float, float, float, float]  # middle x, y and half sizes [m]; obstacles seen from above
BLOCKED_COST = 100.0  # cost of a step in a blocked cell, in free steps: paths that start there lead out
_STEPS = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)])  # (8, 2)
_LENGTHS = np.sqrt((_STEPS * _STEPS).sum(1))  # (8,) in cells


class GridPlanner:
    """Shortest paths on a square grid around boxes, all inflated by the body's radius."""

    def __init__(self, half: float, boxes: tuple[Box, ...], radius: float, cell: float = 0.1) -> None:
        """Cover the square [-half, half]² [m] with cells of size `cell` [m]; keep `radius` [m] off everything."""
        self.half, self.cell = half, cell
        self.count = round(2 * half / cell)
        x, y = np.meshgrid(*2 * ((np.arange(self.count) + 0.5) * cell - half,), indexing="ij")
        free = (np.abs(x) < half - radius) & (np.abs(y) < half - radius)
        for box in boxes:
            free &= box_distance(np.stack([x, y], axis=-1), box) > radius
        self.free = free  # (count, count)
        self._fields = np.empty((0, self.count, self.count))  # lengths [cells] to each goal cell met so far
        self._row = np.full((self.count, self.count), -1)  # goal cell → its row of `_fields`

    def cells(self, points: Array) -> Array:
        """Return the cells (..., 2) that hold points (..., 2) [m]; points outside belong to the nearest."""
        return np.clip(((points + self.half) / self.cell).astype(np.int64), 0, self.count - 1)

    def length(self, start: Array, goal: Array) -> Array:
        """Return the lengths (N,) [m] of the shortest paths from `start` to `goal` (N, 2), to a cell's size."""
        cell = self.cells(start)
        found: Array = self._fields_to(goal)[np.arange(len(start)), cell[:, 0], cell[:, 1]] * self.cell
        return found

    def waypoint(self, start: Array, goal: Array, ahead: int = 4) -> Array:
        """Return the points (N, 2) [m] `ahead` cells along the shortest paths from `start` to `goal` (N, 2) [m]."""
        fields, cell = self._fields_to(goal), self.cells(start)
        each = np.arange(len(start))
        for _ in range(ahead):
            around = np.clip(cell[:, None] + np.concatenate([[[0, 0]], _STEPS]), 0, self.count - 1)  # (N, 9, 2)
            left = fields[each[:, None], around[..., 0], around[..., 1]]
            cell = around[each, left.argmin(axis=1)]
        there = (cell == self.cells(goal)).all(axis=1)
        return np.where(there[:, None], goal, (cell + 0.5) * self.cell - self.half)

    def _fields_to(self, goal: Array) -> Array:
        """Return the distance fields (N, count, count) of the cells of `goal` (N, 2), computed where they are new."""
        cells = self.cells(goal)
        new = np.unique(cells[self._row[cells[:, 0], cells[:, 1]] < 0], axis=0)
        if len(new):
            self._row[new[:, 0], new[:, 1]] = len(self._fields) + np.arange(len(new))
            self._fields = np.concatenate([self._fields, self._solve(new)])
        fields: Array = self._fields[self._row[cells[:, 0], cells[:, 1]]]
        return fields

    def _solve(self, goals: Array) -> Array:
        """Return the lengths (G, count, count) [cells] of the shortest paths to each of `goals` (G, 2).

        A step's cost is that of the cell it starts from. All goals relax together until none changes. (Bellman 1958.)
        """
        n, edge = self.count, self.count + 2
        length = np.full((len(goals), edge, edge), np.inf)  # with a rim, so that every cell has eight neighbours
        length[np.arange(len(goals)), goals[:, 0] + 1, goals[:, 1] + 1] = 0.0
        inner = length[:, 1:-1, 1:-1]
        weight = np.where(self.free, 1.0, BLOCKED_COST)
        while True:
            best = inner.copy()
            for (i, j), step in zip(_STEPS, _LENGTHS, strict=True):
                np.minimum(best, length[:, 1 + i : 1 + i + n, 1 + j : 1 + j + n] + step * weight, out=best)
            if np.array_equal(best, inner):
                return best
            inner[:] = best


def box_distance(points: Array, box: Box) -> Array:
    """Return the distance [m] of points (..., 2) from a box, 0 inside."""
    outside = np.maximum(np.abs(points - np.array(box[:2])) - np.array(box[2:]), 0.0)
    length: Array = np.sqrt((outside * outside).sum(-1))
    return length
