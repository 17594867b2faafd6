"""Annotations as visual geoms (`mjvGeom`s) in a scene to be rendered; they are not part of the physics."""

from collections.abc import Sequence
from itertools import pairwise

import mujoco
import numpy as np

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.annotations import Annotation, Arrow, DropLine, Point, Trail
from robo_rlhf.sim.scene_description.landing import TOOLS, Landing
from robo_rlhf.sim.scenes.appearance import PALETTE

ABOVE = 0.002  # [m] that a ring lies above the surface, so that both are not drawn at one depth
LINE_WIDTH = 2.0  # [pixels]
BLENDED = 0.99  # opacity of lines: what is opaque is not blended, and its edges are not smoothed
CORNERS = 20  # of a ring
IDENTITY = np.eye(3).ravel()
NOWHERE = np.zeros(3)


class AnnotationDrawer:
    """Adds annotations to the scenes of one model."""

    def __init__(self, model: mujoco.MjModel, scene: mujoco.MjvScene, option: mujoco.MjvOption) -> None:
        """Use the visual `scene` of `model`; `option` holds the visibility flags."""
        self._model, self._scene = model, scene
        self._landing = Landing(model, option)
        corners = np.arange(CORNERS + 1) * 2 * np.pi / CORNERS
        self._circle = np.stack([np.cos(corners), np.sin(corners), 0 * corners], axis=1)

    def add(self, annotations: Sequence[Annotation], data: mujoco.MjData) -> None:
        """Add geoms to the scene for the state in `data`; geoms beyond its capacity are left out.

        Raises:
            UnknownNameError: a colour or site that does not exist.
        """
        for item in annotations:
            if item.colour not in PALETTE:
                raise UnknownNameError("colour", item.colour, PALETTE)
            colour = np.array(PALETTE[item.colour], np.float32)
            if isinstance(item, DropLine):
                self._drop(item, data, colour)
            elif isinstance(item, Arrow):
                end = 2 * np.array(item.end) - np.array(item.start)  # MuJoCo draws half of an arrow's length
                self._connect(mujoco.mjtGeom.mjGEOM_ARROW, item.width, item.start, end, colour)
            else:
                self._trail(item, colour)

    def _drop(self, item: DropLine, data: mujoco.MjData, colour: Array) -> None:
        if item.site and item.site not in self._landing.sites:
            raise UnknownNameError("site", item.site, self._landing.sites)
        name = item.site or self._landing.tool
        found = self._landing.under(data, name)
        if found is None:
            return
        start, end = found
        line, thin = mujoco.mjtGeom.mjGEOM_LINE, _faded(colour, BLENDED)
        self._connect(line, LINE_WIDTH, start, end, thin)
        end[2] += ABOVE
        radius, full = TOOLS.get(name, TOOLS["ee"])
        if full:
            self._add(mujoco.mjtGeom.mjGEOM_CYLINDER, np.array([radius, 1e-4, 0]), end, _faded(colour, full))
        ring = end + radius * self._circle
        for one, next_one in pairwise(ring):
            self._connect(line, LINE_WIDTH, one, next_one, thin)

    def _trail(self, item: Trail, colour: Array) -> None:
        count = len(item.points)
        for index, (one, next_one) in enumerate(pairwise(item.points)):
            paler = _faded(colour, 1 - (1 - item.fade) * index / max(1, count - 2))
            self._connect(mujoco.mjtGeom.mjGEOM_CAPSULE, item.width, one, next_one, paler)
        for index, point in enumerate(item.points if item.balls else ()):
            paler = _faded(colour, 1 - (1 - item.fade) * index / max(1, count - 1))
            self._add(mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, 2 * item.width), np.array(point), paler)

    def _connect(self, kind: int, width: float, start: Array | Point, end: Array | Point, colour: Array) -> None:
        geom = self._add(kind, NOWHERE, NOWHERE, colour)
        if geom is not None:
            mujoco.mjv_connector(geom, kind, width, np.array(start, np.float64), np.array(end, np.float64))

    def _add(self, kind: int, size: Array, place: Array, colour: Array) -> mujoco.MjvGeom | None:
        scene = self._scene
        if scene.ngeom >= scene.maxgeom:
            return None
        geom = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(geom, kind, size, place, IDENTITY, colour)
        geom.emission, geom.specular, geom.category = 0.6, 0.0, int(mujoco.mjtCatBit.mjCAT_DECOR)
        scene.ngeom += 1
        return geom


def _faded(colour: Array, share: float) -> Array:
    return colour * np.array([1, 1, 1, share], np.float32)
