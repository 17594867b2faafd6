"""Annotations as visual geoms (`mjvGeom`s) in a scene to be rendered; they are not part of the physics."""

from collections.abc import Sequence
from itertools import pairwise

import mujoco
import numpy as np

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.annotations import Annotation, Arrow, DropLine, Point, Trail
from robo_rlhf.sim.scenes.appearance import PALETTE

# The sites that a drop line hangs from, of hand and rover: the radius [m] of its ring, and how full the ring is.
TOOLS = {"ee": (0.018, 0.3), "base": (0.27, 0.0)}
DOWN = np.array([0.0, 0.0, -1.0])
TOUCHING = 0.008  # [m] below the site: a free object as near as this is held by its top
REACH = 0.05  # [m] from the site to a finger at most
ABOVE = 0.002  # [m] that a ring lies above the surface, so that both are not drawn at one depth
LINE_WIDTH = 2.0  # [pixels]
CORNERS = 20  # of a ring
IDENTITY = np.eye(3).ravel()
NOWHERE = np.zeros(3)
STEP = 1e-5  # [m] by which a ray continues behind its hit
MOST_HITS = 24  # free objects that a drop line passes through


class AnnotationDrawer:
    """Adds annotations to the scenes of one model."""

    def __init__(self, model: mujoco.MjModel, scene: mujoco.MjvScene, option: mujoco.MjvOption) -> None:
        """Use the visual `scene` of `model`; `option` holds the visibility flags."""
        self._model, self._scene = model, scene
        self._groups = np.array(option.geomgroup, np.uint8)
        self._ghosts = _ghosts(model)
        corners = np.arange(CORNERS + 1) * 2 * np.pi / CORNERS
        self._circle = np.stack([np.cos(corners), np.sin(corners), 0 * corners], axis=1)
        self._sites = {model.site(i).name: i for i in range(model.nsite)}

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
                self._connect(mujoco.mjtGeom.mjGEOM_ARROW, item.width, item.start, item.end, colour)
            else:
                self._trail(item, colour)

    def _drop(self, item: DropLine, data: mujoco.MjData, colour: Array) -> None:
        name = item.site or next((site for site in TOOLS if site in self._sites), "")
        if not name:
            return  # a scene without a robot
        if name not in self._sites:
            raise UnknownNameError("site", name, self._sites)
        start = data.site_xpos[self._sites[name]]
        end = self._land(data, self._sites[name])
        if end is None:
            return
        line = mujoco.mjtGeom.mjGEOM_LINE
        self._connect(line, LINE_WIDTH, start, end, colour)
        end[2] += ABOVE
        radius, full = TOOLS.get(name, TOOLS["ee"])
        if full:
            self._add(mujoco.mjtGeom.mjGEOM_CYLINDER, np.array([radius, 1e-4, 0]), end, _faded(colour, full))
        ring = end + radius * self._circle
        for one, next_one in pairwise(ring):
            self._connect(line, LINE_WIDTH, one, next_one, colour)

    def _land(self, data: mujoco.MjData, site: int) -> Array | None:
        """Return the point (3,) under the site where a falling thing would land, or None above nothing."""
        model = self._model
        start = data.site_xpos[site].copy()
        passed = {int(model.body_rootid[model.site_bodyid[site]])}
        passed |= self._held(data, start, data.site_xmat[site].reshape(3, 3)[:, 1], passed)
        point: Array = start.copy()
        for _ in range(MOST_HITS):
            length, geom, normal = self._ray(data, point, DOWN)
            if length < 0:
                return None
            point[2] -= length
            body = model.geom_bodyid[geom]
            near = model.body_dofnum[body] > 0 and start[2] - point[2] < TOUCHING
            within = normal[2] < 0  # the ray leaves the body it began in
            if not (int(model.body_rootid[body]) in passed or near or within or self._ghosts[geom]):
                return point
            point[2] -= STEP
        return None

    def _held(self, data: mujoco.MjData, start: Array, across: Array, own: set[int]) -> set[int]:
        """Return the root bodies of free objects between the fingers, which close along `across` (3,).

        An object is between them where a ray hits it before a finger, or began in it, since fingers press into it.
        """
        model, held = self._model, set()
        for way in (across, -across):
            point, gone = start.copy(), 0.0
            for index in range(3):
                length, geom, normal = self._ray(data, point, way)
                gone += length
                if length < 0 or gone > REACH:
                    break
                body = model.geom_bodyid[geom]
                if model.body_dofnum[body] > 0 and (index == 0 or normal @ way > 0):
                    held.add(int(model.body_rootid[body]))
                point += (length + STEP) * way
        return held - own

    def _ray(self, data: mujoco.MjData, start: Array, way: Array) -> tuple[float, int, Array]:
        """Return the distance [m] of the first visible surface (negative: none), its geom, and its normal (3,)."""
        geom, normal = np.zeros(1, np.int32), np.zeros(3)
        length = mujoco.mj_ray(self._model, data, start, way, self._groups, 1, -1, geom, normal)
        return float(length), int(geom[0]), normal

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


def _ghosts(model: mujoco.MjModel) -> Array:
    """Whether each geom (ngeom,) is both transparent and without collisions, like the marker of a goal."""
    materials = model.geom_matid
    alpha = model.geom_rgba[:, 3].copy()
    alpha[materials >= 0] *= model.mat_rgba[materials[materials >= 0], 3]
    ghosts: Array = (alpha < 1) & (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    return ghosts


def _faded(colour: Array, share: float) -> Array:
    return colour * np.array([1, 1, 1, share], np.float32)
