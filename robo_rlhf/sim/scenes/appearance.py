"""Appearance shared by all scenes: palette, lights, materials and cameras."""

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.types import Array

Rgba = tuple[float, float, float, float]

PALETTE: dict[str, Rgba] = {
    "red": (0.84, 0.22, 0.20, 1.0),
    "green": (0.20, 0.62, 0.36, 1.0),
    "blue": (0.16, 0.42, 0.80, 1.0),
    "yellow": (0.96, 0.76, 0.18, 1.0),
    "orange": (0.95, 0.52, 0.14, 1.0),
    "purple": (0.52, 0.33, 0.70, 1.0),
    "teal": (0.12, 0.58, 0.60, 1.0),
    "teal_light": (0.28, 0.70, 0.70, 1.0),
    "cream": (0.95, 0.91, 0.82, 1.0),
    "coffee": (0.30, 0.17, 0.10, 1.0),
    "glass": (0.45, 0.78, 0.95, 0.45),
    "goal": (0.15, 0.75, 0.40, 0.50),
    "steel": (0.62, 0.65, 0.69, 1.0),
    "dark": (0.20, 0.22, 0.26, 1.0),
    "wood": (0.72, 0.54, 0.37, 1.0),
    "wood_dark": (0.52, 0.37, 0.25, 1.0),
    "table": (0.76, 0.63, 0.48, 1.0),
    "mat": (0.76, 0.78, 0.78, 1.0),
    "mat_line": (0.58, 0.61, 0.63, 1.0),
    "table_edge": (0.55, 0.43, 0.31, 1.0),
    "floor": (0.47, 0.52, 0.57, 1.0),
    "floor_check": (0.44, 0.49, 0.54, 1.0),
    "wall": (0.70, 0.77, 0.81, 1.0),
    "wall_side": (0.66, 0.73, 0.78, 1.0),
    "ground": (0.80, 0.83, 0.85, 1.0),
    "guide": (0.85, 0.05, 0.55, 1.0),  # annotations: neither an object of the scene nor success or failure
}


def set_lighting(spec: mujoco.MjSpec, center: Sequence[float], extent: float) -> None:
    """Set lights and drawing quality for a scene around `center` [m] of size `extent` [m]."""
    spec.stat.center, spec.stat.extent = list(center), extent
    visual = spec.visual
    visual.headlight.ambient = [0.33, 0.33, 0.34]
    visual.headlight.diffuse = [0.17, 0.17, 0.17]
    visual.headlight.specular = [0.0, 0.0, 0.0]
    visual.quality.shadowsize, visual.quality.offsamples = 2048, 4
    visual.quality.numslices, visual.quality.numstacks, visual.quality.numquads = 14, 7, 1
    visual.global_.offwidth, visual.global_.offheight = 1280, 960
    visual.map.znear, visual.map.zfar = 0.02, 12.0
    visual.map.shadowclip = 3.0
    add_light(spec, (0.45 * extent, -0.55 * extent, 2.2 * extent), center, brightness=0.55, shadow=True)


def add_light(
    spec: mujoco.MjSpec, pos: Sequence[float], target: Sequence[float], brightness: float, *, shadow: bool
) -> None:
    """Add a directional light at `pos` [m] that shines on `target` [m]."""
    direction = np.subtract(target, pos)
    light = spec.worldbody.add_light(pos=list(pos), dir=list(direction / np.linalg.norm(direction)))
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    light.castshadow = shadow
    light.ambient, light.specular = [0, 0, 0], [0.15, 0.15, 0.15]
    light.diffuse = [brightness, 0.98 * brightness, 0.94 * brightness]


def add_mat(spec: mujoco.MjSpec, half: tuple[int, int], cell: float) -> None:
    """Lay a mat with thin lines every `cell` [m] on the table, `half` cells to each side: a cue for depth.

    Lines are geoms: a texture costs more to render than all of them.
    """
    x, y = half[0] * cell, half[1] * cell
    flat = {"type": mujoco.mjtGeom.mjGEOM_BOX, "contype": 0, "conaffinity": 0}
    spec.worldbody.add_geom(size=[x + 0.02, y + 0.02, 0.0002], rgba=PALETTE["mat"], **flat)
    for i in range(-half[0], half[0] + 1):
        spec.worldbody.add_geom(size=[0.0015, y, 0.0004], pos=[i * cell, 0, 0], rgba=PALETTE["mat_line"], **flat)
    for i in range(-half[1], half[1] + 1):
        spec.worldbody.add_geom(size=[x, 0.0015, 0.0004], pos=[0, i * cell, 0], rgba=PALETTE["mat_line"], **flat)


def add_checker(spec: mujoco.MjSpec, name: str, first: Rgba, second: Rgba, cell: float) -> None:
    """Add material `name`: a checkerboard with squares of `cell` [m]."""
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=32, height=32)
    texture.builtin = mujoco.mjtBuiltin.mjBUILTIN_CHECKER
    texture.rgb1, texture.rgb2 = first[:3], second[:3]
    _add_textured(spec, name, 2 * cell)


def add_backdrop(spec: mujoco.MjSpec, half: float, low: float) -> None:
    """Add four plain walls around the square of half side `half` [m], upwards from height `low` [m].

    They are planes, which are visible from inside only, so that a camera outside sees through them; and they cost a
    third of a skybox.
    """
    for name in ("wall", "wall_side"):
        spec.add_material(name=name, rgba=PALETTE[name], emission=0.45)
    x, y = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    for axis, sign in ((x, -1), (x, 1), (y, -1), (y, 1)):
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=[half, half, half],
            pos=[sign * half * axis[0], sign * half * axis[1], low + half],
            zaxis=[-sign * axis[0], -sign * axis[1], 0.0],
            material="wall" if axis is x else "wall_side",
            contype=0,
            conaffinity=0,
        )


def look_at(pos: Sequence[float], target: Sequence[float], up: Sequence[float] = (0.0, 0.0, 1.0)) -> Array:
    """Return the x and y axes (6,) of a camera at `pos` that looks at `target` with `up` upwards in the image."""
    back = np.subtract(pos, target)
    back = back / np.linalg.norm(back)
    right = np.cross(up, back)
    right = right / np.linalg.norm(right)
    return np.concatenate([right, np.cross(back, right)])


def add_camera(
    body: Any,
    name: str,
    pos: Sequence[float],
    target: Sequence[float],
    fovy: float,
    up: Sequence[float] = (0.0, 0.0, 1.0),
) -> None:
    """Add a camera to `body` at `pos` [m], looking at `target` [m] (both in the body's frame); `fovy` [deg]."""
    body.add_camera(name=name, pos=list(pos), xyaxes=list(look_at(pos, target, up)), fovy=fovy)


def aim_camera(spec: mujoco.MjSpec, name: str, pos: Sequence[float], target: Sequence[float], fovy: float) -> None:
    """Move the world camera `name` to `pos` [m], looking at `target` [m]; `fovy` [deg]."""
    camera = spec.camera(name)
    camera.pos, camera.fovy = list(pos), fovy
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_XYAXES
    camera.alt.xyaxes = look_at(pos, target)


def _add_textured(spec: mujoco.MjSpec, name: str, period: float) -> None:
    material = spec.add_material(
        name=name, texuniform=True, texrepeat=[1 / period, 1 / period], specular=0.1, shininess=0.1
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
