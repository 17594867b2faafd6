"""A model described for browsers: shapes with their colours, what they move with, cameras, lights, and what to look at.

The shapes are those that MuJoCo itself would draw (`mjv_updateScene`), in the model's initial state.
"""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.scene_cameras import camera_names, default_camera, free_fovy
from robo_rlhf.sim.scene_description.assets import Assets
from robo_rlhf.sim.scene_description.landing import TOOLS
from robo_rlhf.sim.scene_description.movers import Movers, quaternion

FORMAT = 1  # of a description
MOST_FOCUS = 12  # sites that a picture is kept on at most
SHAPES = {
    int(mujoco.mjtGeom.mjGEOM_PLANE): "plane",
    int(mujoco.mjtGeom.mjGEOM_HFIELD): "mesh",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "ellipsoid",
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): "capsule",
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): "ellipsoid",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
    int(mujoco.mjtGeom.mjGEOM_MESH): "mesh",
    int(mujoco.mjtGeom.mjGEOM_SDF): "mesh",
}
RGB = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)


@dataclass(frozen=True)
class SceneFiles:
    """A description, compressed with gzip."""

    scene: bytes  # JSON
    assets: bytes  # arrays of meshes, fields and textures; empty where there are none
    assets_size: int  # [bytes] before they were compressed


def describe(model: mujoco.MjModel) -> SceneFiles:
    """Return the description of a model; where it holds what only MuJoCo draws, `reason` in it says what."""
    reason = _reason(model)
    assets = Assets(model)
    about: dict[str, Any] = {"format": FORMAT, "reason": reason}
    if not reason:
        about |= _Describer(model, assets).all()
    content = assets.content
    text = json.dumps(about, separators=(",", ":"), allow_nan=False).encode()
    return SceneFiles(
        gzip.compress(text, 6, mtime=0), gzip.compress(content, 6, mtime=0) if content else b"", len(content)
    )


def _reason(model: mujoco.MjModel) -> str:
    """Return why browsers cannot draw a model; empty where they can."""
    missing = {"soft bodies": model.nflex, "skins": model.nskin, "tendons": model.ntendon}
    found = [name for name, count in missing.items() if count]
    return f"Only the server draws {' and '.join(found)}, which this scene has." if found else ""


class _Describer:
    def __init__(self, model: mujoco.MjModel, assets: Assets) -> None:
        self.model, self.assets, self.movers = model, assets, Movers(model)
        self.data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, self.data)
        mujoco.mj_comPos(model, self.data)
        mujoco.mj_camlight(model, self.data)
        self.option = mujoco.MjvOption()
        self.scene = mujoco.MjvScene(model, maxgeom=1000 + 2 * (model.ngeom + model.nsite))

    def all(self) -> dict[str, Any]:
        self._see(mujoco.MjvCamera())
        found = {
            "movers": len(self.movers),
            "shapes": [self._shape(geom) for geom in self.scene.geoms[: self.scene.ngeom] if self._is_ours(geom)],
            "lights": [self._light(light) for light in self.scene.lights[: self.scene.nlight]],
            "center": _rounded(self.model.stat.center),
            "extent": float(self.model.stat.extent),
            "free_fovy": free_fovy(self.model),
            "focus": self._focus(),
        }
        return found | {"cameras": self._cameras()}

    def _see(self, camera: mujoco.MjvCamera) -> None:
        everything = int(mujoco.mjtCatBit.mjCAT_ALL)
        mujoco.mjv_updateScene(self.model, self.data, self.option, None, camera, everything, self.scene)

    def _is_ours(self, geom: mujoco.MjvGeom) -> bool:
        drawn = int(geom.objtype) in (int(mujoco.mjtObj.mjOBJ_GEOM), int(mujoco.mjtObj.mjOBJ_SITE))
        return drawn and int(geom.type) in SHAPES and geom.rgba[3] > 0

    def _shape(self, geom: mujoco.MjvGeom) -> dict[str, Any]:
        model = self.model
        of_geom = int(geom.objtype) == int(mujoco.mjtObj.mjOBJ_GEOM)
        body = int((model.geom_bodyid if of_geom else model.site_bodyid)[geom.objid])
        mover, place, turned = self._local(body, geom.pos, geom.mat)
        kind = SHAPES[int(geom.type)]
        shape = {
            **{"kind": kind, "mover": mover, "pos": place, "quat": turned},
            **{"size": _rounded(geom.size), "rgba": _rounded(geom.rgba), "emission": round(float(geom.emission), 4)},
        }
        if kind == "mesh":
            is_field = int(geom.type) == int(mujoco.mjtGeom.mjGEOM_HFIELD)
            number = int(geom.dataid)  # of a mesh twice its id, and one more for its hull
            shape["mesh"] = self.assets.field(number) if is_field else self.assets.mesh(number // 2)
        texture = int(model.mat_texid[geom.matid][RGB]) if geom.matid >= 0 else -1
        if texture >= 0 and int(model.tex_type[texture]) != int(mujoco.mjtTexture.mjTEXTURE_SKYBOX):
            repeat = [float(value) for value in model.mat_texrepeat[geom.matid]]
            uniform = bool(model.mat_texuniform[geom.matid])
            shape["texture"] = {**self.assets.texture(texture), "repeat": repeat, "uniform": uniform}
        return shape

    def _local(self, body: int, place: Array, matrix: Array) -> tuple[int, list[float], list[float]]:
        """Return what moves a thing of the world, and its pose in that; in the world where nothing does."""
        mover = self.movers.of_body(body)
        place, matrix = np.asarray(place, np.float64), np.asarray(matrix, np.float64).reshape(3, 3)
        if mover >= 0:
            frame = self.data.xmat[body].reshape(3, 3)
            place, matrix = frame.T @ (place - self.data.xpos[body]), frame.T @ matrix
        return mover, _rounded(place), _rounded(quaternion(matrix), 7)

    def _cameras(self) -> list[dict[str, Any]]:
        found = []
        for i, name in enumerate(camera_names(self.model)):
            camera = mujoco.MjvCamera()
            camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, i
            self._see(camera)
            follows = self.movers.of_camera(i)
            if follows is None:
                body = int(self.model.cam_bodyid[i])
                mover, place, turned = self._local(body, self.data.cam_xpos[i], self.data.cam_xmat[i])
            else:
                mover, place, turned = follows, [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
            found.append({"name": name, "mover": mover, "pos": place, "quat": turned, **self._lens()})
        if "front" not in [camera["name"] for camera in found]:
            free = default_camera(self.model)
            found.insert(
                0, {"name": "front", "free": [free.azimuth, free.elevation, free.distance, *(free.lookat or ())]}
            )
        return found

    def _lens(self) -> dict[str, float]:
        view = self.scene.camera[0]
        half = (float(view.frustum_top) - float(view.frustum_bottom)) / 2
        near = float(view.frustum_near)
        return {"fovy": float(np.degrees(2 * np.arctan2(half, near))), "near": near, "far": float(view.frustum_far)}

    def _light(self, light: mujoco.MjvLight) -> dict[str, Any]:
        return {
            **{"pos": _rounded(light.pos), "dir": _rounded(light.dir), "ambient": _rounded(light.ambient)},
            **{"diffuse": _rounded(light.diffuse), "head": bool(light.headlight), "shadow": bool(light.castshadow)},
            "spot": int(light.type) == int(mujoco.mjtLightType.mjLIGHT_SPOT),
        }

    def _focus(self) -> list[dict[str, Any]]:
        """Return what a picture is kept on: the hand, free objects, named sites; each with a radius [m]."""
        model, found = self.model, []
        names = {model.site(i).name: i for i in range(model.nsite)}
        tool = next((site for site in TOOLS if site in names), "")
        others = [name for name in names if name and name != tool] if model.nsite <= MOST_FOCUS else []
        for name in [tool, *others] if tool else others:
            site = names[name]
            mover, place, _ = self._local(int(model.site_bodyid[site]), self.data.site_xpos[site], np.eye(3))
            found.append({"mover": mover, "pos": place, "radius": TOOLS.get(name, (0.02,))[0] + 0.03})
        for joint in np.flatnonzero(model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)):
            body = int(model.jnt_bodyid[joint])
            geoms = np.flatnonzero(model.geom_bodyid == body)
            reach = [float(np.linalg.norm(model.geom_pos[i]) + model.geom_rbound[i]) for i in geoms]
            found.append(
                {"mover": self.movers.of_body(body), "pos": [0.0, 0.0, 0.0], "radius": max(reach, default=0.02)}
            )
        return found


def _rounded(values: Any, digits: int = 6) -> list[float]:
    return [round(float(value), digits) for value in values]
