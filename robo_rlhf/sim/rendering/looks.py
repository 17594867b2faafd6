"""Looks: a scene drawn in other light, colours, textures, and from cameras that stand a little elsewhere.

Domain randomisation (Tobin et al. 2017) of what is drawn alone: physics and states are the same, so one recording can
be drawn in any number of looks. A look is a seed within bounds, and always the same for that seed.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.checks import CheckedSettings, NotNegative
from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.rotation import quat_from_rotvec, quat_multiply

UNSEEN = 10_000  # the first seed of looks that no training has


@dataclass(frozen=True)
class LookBounds(CheckedSettings):
    """How far a look may be from the scene as it is made; every number is the largest change either way."""

    LABEL: ClassVar[str] = "bound {} of looks"

    light: NotNegative = 0.4
    """Brightness of lights, as a share."""
    direction: NotNegative = 0.5
    """Direction of lights [rad]."""
    colour: NotNegative = 0.12
    """Each channel of the colour of each geom and material, of 1."""
    texture: NotNegative = 0.5
    """Spacing of a texture's pattern, as a share."""
    position: NotNegative = 0.02
    """Place of cameras [m], in each direction."""
    angle: NotNegative = 0.035
    """Orientation of cameras [rad], about each axis."""
    fovy: NotNegative = 0.06
    """Field of view of cameras, as a share."""


STILL = LookBounds(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Look:
    """One look: a seed within bounds."""

    seed: int
    bounds: LookBounds = field(default_factory=LookBounds)


class Wardrobe:
    """Dresses a model: it remembers how the model was made, and changes what is drawn of it alone."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Remember `model`, which is changed in place from now on."""
        self.model = model
        light = ("light_dir", "light_diffuse", "light_ambient")
        names = (*light, "geom_rgba", "mat_rgba", "mat_texrepeat", "cam_pos", "cam_quat", "cam_fovy")
        self._made: dict[str, Array] = {name: getattr(model, name).copy() for name in names}
        head = model.vis.headlight
        self._head = np.array(head.ambient, np.float64), np.array(head.diffuse, np.float64)
        self._worn: Look | None = None

    def dress(self, look: Look | None) -> None:
        """Draw the model in `look` from the next state on; as it was made where None."""
        if look == self._worn:
            return
        self._worn = look
        for name, value in self._made.items():
            getattr(self.model, name)[:] = value
        head = self.model.vis.headlight
        head.ambient, head.diffuse = self._head
        if look is not None:
            self._change(np.random.default_rng(look.seed), look.bounds)

    def _change(self, rng: np.random.Generator, bounds: LookBounds) -> None:
        """Draw everything in a fixed order, so that a bound of zero leaves the rest of the look as it was."""
        model, head = self.model, self.model.vis.headlight
        brighter = 1 + bounds.light * rng.uniform(-1, 1)
        warmth = 1 + 0.25 * bounds.light * rng.uniform(-1, 1, 3)
        head.ambient, head.diffuse = (value * brighter * warmth for value in self._head)
        shine = 1 + bounds.light * rng.uniform(-1, 1, (model.nlight, 1))
        model.light_diffuse[:] = np.clip(model.light_diffuse * shine * warmth, 0, 1)
        turned = model.light_dir + np.tan(bounds.direction) * rng.uniform(-1, 1, (model.nlight, 3))
        model.light_dir[:] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
        for colours in (model.geom_rgba, model.mat_rgba):
            tint = bounds.colour * rng.uniform(-1, 1, (len(colours), 3))
            colours[:, :3] = np.clip(colours[:, :3] + tint, 0, 1)
        model.mat_texrepeat[:] *= 1 + bounds.texture * rng.uniform(-1, 1, (model.nmat, 2))
        model.cam_pos[:] += bounds.position * rng.uniform(-1, 1, (model.ncam, 3))
        turn = quat_from_rotvec(bounds.angle * rng.uniform(-1, 1, (model.ncam, 3)))
        model.cam_quat[:] = quat_multiply(np.asarray(model.cam_quat, np.float64), turn)
        model.cam_fovy[:] *= 1 + bounds.fovy * rng.uniform(-1, 1, model.ncam)
