"""Where a thing that falls from the hand would land: the end of the line that shows depth."""

import mujoco
import numpy as np

from robo_rlhf.core.types import Array

# The sites that a drop line hangs from, of hand and rover: the radius [m] of its ring, and how full the ring is.
TOOLS = {"ee": (0.018, 0.3), "base": (0.27, 0.0)}
DOWN = np.array([0.0, 0.0, -1.0])
TOUCHING = 0.008  # [m] below the site: a free object as near as this is held by its top
REACH = 0.05  # [m] from the site to a finger at most
STEP = 1e-5  # [m] by which a ray continues behind its hit
MOST_HITS = 24  # free objects that a drop line passes through


class Landing:
    """Looks down from the sites of one model."""

    def __init__(self, model: mujoco.MjModel, option: mujoco.MjvOption) -> None:
        """Look at what `option` shows of `model`."""
        self._model = model
        self._groups = np.array(option.geomgroup, np.uint8)
        self._ghosts = _ghosts(model)
        self.sites = {model.site(i).name: i for i in range(model.nsite)}
        self.tool = next((site for site in TOOLS if site in self.sites), "")  # empty: a scene without a robot

    def under(self, data: mujoco.MjData, name: str) -> tuple[Array, Array] | None:
        """Return where a site is and the point under it, each (3,) [m]; None above nothing, or without a name."""
        if not name:
            return None
        end = self._land(data, self.sites[name])
        return None if end is None else (data.site_xpos[self.sites[name]].copy(), end)

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


def _ghosts(model: mujoco.MjModel) -> Array:
    """Whether each geom (ngeom,) is both transparent and without collisions, like the marker of a goal."""
    materials = model.geom_matid
    alpha = model.geom_rgba[:, 3].copy()
    alpha[materials >= 0] *= model.mat_rgba[materials[materials >= 0], 3]
    ghosts: Array = (alpha < 1) & (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    return ghosts
