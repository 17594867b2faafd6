"""Where in the picture a reward looks: squares of it are covered, and the reward changes (Zeiler and Fergus 2014).

A square is covered with the mean colour of its picture, in all pictures of a clip and both ends of a step, so that what
stands still and says nothing counts for nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.attribution import scaled_rewards
from robo_rlhf.sim.rendering.clips import png

if TYPE_CHECKING:
    from robo_rlhf.rewards.base import RewardModel
    from robo_rlhf.vision.seen_episodes import NumberedPictures

GRID = 8  # squares along a side
MOST = 8  # clips that are looked at
RED = np.array([255.0, 60.0, 0.0])
COVER = 0.6  # of a picture by the colour of the square that counts most
SIDE = 192  # [pixels] at least, of a picture that people look at


class Occlusion(NamedTuple):
    """Where in the pictures of one camera a reward looks."""

    picture: Array  # (H, W, 3) uint8, the first of the clip that changes most
    weight: Array  # (GRID, GRID) in [0, 1]: change of the reward where that square is covered, of the largest of all


def occlude(model: "RewardModel", obs: Array, action: Array) -> Mapping[str, Occlusion]:
    """Return where in the pictures of each camera `model` looks; nothing where it sees none.

    Args:
        model: a reward that looks at pictures.
        obs: of clips, (B, L+1, seen_dim), whose last column is the number of a picture; some of them are taken.
        action: (B, L, act_dim).
    """
    pictures: NumberedPictures | None = getattr(model, "pictures", None)
    if pictures is None or not len(obs):
        return {}
    some = np.unique(np.linspace(0, len(obs) - 1, MOST).astype(int))
    obs, action = obs[some], action[some]
    numbers, place = np.unique(obs[..., -1].astype(np.int64), return_inverse=True)
    covered = _Covered(pictures, numbers)
    looked = obs.copy()

    def rewards(variant: int) -> Array:
        looked[..., -1] = variant * len(numbers) + place.reshape(obs.shape[:2])
        return scaled_rewards(model, looked, action)

    try:
        model.look_at(covered)
        whole = rewards(0)
        changes = np.array([((rewards(v) - whole) ** 2).mean((0, 2)) for v in range(1, len(covered.variants))])
    finally:
        model.look_at(pictures)
    changes = changes.reshape(len(covered.shown), GRID, GRID, len(obs))
    weights, most = np.sqrt(changes.mean(-1)), int(changes.sum((0, 1, 2)).argmax())
    weights /= max(float(weights.max()), 1e-12)
    shown = place.reshape(obs.shape[:2])[most, 0]
    return {
        name: Occlusion(taken[shown], weight)
        for (name, taken), weight in zip(covered.shown.items(), weights, strict=True)
    }


def drawn(found: Occlusion) -> bytes:
    """Return a PNG of the picture, redder where the reward looks, at least `SIDE` pixels a side."""
    high, wide = (max(1, -(-SIDE // side)) * side for side in found.picture.shape[:2])
    picture = cv2.resize(found.picture, (wide, high), interpolation=cv2.INTER_NEAREST).astype(np.float64)
    heat = COVER * cv2.resize(found.weight, (wide, high), interpolation=cv2.INTER_LINEAR)[..., None]
    mixed = (picture * (1 - heat) + RED * heat).astype(np.uint8)
    return png(mixed)


class _Covered:
    """Pictures, and the same with one square of one camera covered: variant v of picture n has number v N + n."""

    def __init__(self, pictures: "NumberedPictures", numbers: Array) -> None:
        self.shown = pictures.take(numbers)  # camera → (N, H, W, 3)
        squares = [(name, row, column) for name in self.shown for row in range(GRID) for column in range(GRID)]
        self.variants = [("", 0, 0), *squares]
        self.count = len(numbers)

    def __len__(self) -> int:
        return len(self.variants) * self.count

    def take(self, frame: Array) -> dict[str, Array]:
        flat = frame.reshape(-1)
        found = {name: shown[flat % self.count] for name, shown in self.shown.items()}
        for place, variant in enumerate((flat // self.count).tolist()):
            name, row, column = self.variants[variant]
            if name:
                picture = found[name][place]
                rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in picture.shape[:2])
                square = picture[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
                square[:] = picture.mean((0, 1))
        return {name: shown.reshape(*frame.shape, *shown.shape[1:]) for name, shown in found.items()}
