"""The furnished room of the rover: walls, and solid furniture as mocap bodies, moved only through the state."""

from collections.abc import Sequence
from typing import Any

import mujoco

from robo_rlhf.sim.scenes.appearance import PALETTE, Rgba

BOX = mujoco.mjtGeom.mjGEOM_BOX
CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
_VISUAL = {"contype": 0, "conaffinity": 0, "mass": 0.0}
# The furniture of the room seen from above: x, y of the middle, half sizes along x and y [m].
FURNITURE: dict[str, tuple[float, float, float, float]] = {
    "crate": (-0.35, -0.75, 0.25, 0.25),
    "sofa": (0.95, 0.25, 0.22, 0.55),
    "shelf": (-0.95, 0.75, 0.4, 0.14),
    "pillar": (0.3, 0.35, 0.16, 0.16),
    "barrel": (0.75, -1.1, 0.2, 0.2),
}


def add_obstacle(
    spec: mujoco.MjSpec, name: str, at: Sequence[float], half_size: Sequence[float], rgba: Rgba, *, round_: bool = False
) -> Any:
    """Add mocap body `name` standing on the floor at (x, y), its frame in its middle; return the body."""
    body = spec.worldbody.add_body(name=name, mocap=True, pos=[at[0], at[1], half_size[2]])
    size = [half_size[0], half_size[2], 0] if round_ else list(half_size)
    body.add_geom(name=name, type=CYLINDER if round_ else BOX, size=size, rgba=rgba)
    return body


def add_walls(spec: mujoco.MjSpec, half: float, height: float) -> None:
    """Add four walls around the square of half side `half` [m]."""
    thick, z = 0.05, height / 2
    for sign in (-1, 1):
        for size, pos in (([thick, half + 2 * thick, z], [1, 0]), ([half, thick, z], [0, 1])):
            place = [pos[0] * sign * (half + thick), pos[1] * sign * (half + thick), z]
            spec.worldbody.add_geom(type=BOX, size=size, pos=place, rgba=PALETTE["wall"])


def furnish(spec: mujoco.MjSpec) -> None:
    """Put a crate, a sofa, a shelf, a pillar and a barrel into the room."""
    crate = _stand(spec, "crate", 0.2, PALETTE["wood"])
    for sign in (-1, 1):
        _add_visual(crate, (0.256, 0.256, 0.03), (0, 0, 0.167 * sign), "wood_dark")  # below the top: no shared face
    _add_visual(crate, (0.17, 0.17, 0.002), (0, 0, 0.1988), "wood_dark")
    sofa = _stand(spec, "sofa", 0.11, PALETTE["teal"])
    _add_visual(sofa, (0.06, 0.55, 0.12), (0.16, 0, 0.23), "teal")
    for sign in (-1, 1):
        _add_visual(sofa, (0.22, 0.05, 0.05), (0, 0.5 * sign, 0.16), "teal")
        _add_visual(sofa, (0.16, 0.215, 0.03), (-0.06, 0.22 * sign, 0.14), "teal_light")
    shelf = _stand(spec, "shelf", 0.4, PALETTE["wood_dark"])
    for level in (-1, 0, 1):
        _add_visual(shelf, (0.37, 0.004, 0.1), (0, -0.138, 0.255 * level), "dark")
        for i, colour in enumerate(("red", "cream", "blue", "yellow", "green")):
            _add_visual(
                shelf, (0.04, 0.006, 0.07), (-0.28 + 0.125 * i + 0.05 * level, -0.139, 0.255 * level - 0.03), colour
            )
    pillar = _stand(spec, "pillar", 0.45, PALETTE["cream"], round_=True)
    for sign in (-1, 1):
        pillar.add_geom(
            type=CYLINDER, size=[0.175, 0.03, 0], pos=[0, 0, 0.425 * sign], rgba=PALETTE["steel"], **_VISUAL
        )
    barrel = _stand(spec, "barrel", 0.25, PALETTE["orange"], round_=True)
    for sign in (-1, 1):
        barrel.add_geom(type=CYLINDER, size=[0.205, 0.02, 0], pos=[0, 0, 0.12 * sign], rgba=PALETTE["dark"], **_VISUAL)
    barrel.add_geom(type=CYLINDER, size=[0.17, 0.002, 0], pos=[0, 0, 0.251], rgba=PALETTE["dark"], **_VISUAL)


def _stand(spec: mujoco.MjSpec, name: str, half_height: float, rgba: Rgba, *, round_: bool = False) -> Any:
    x, y, half_x, half_y = FURNITURE[name]
    return add_obstacle(spec, name, (x, y), (half_x, half_y, half_height), rgba, round_=round_)


def _add_visual(body: Any, half_size: Sequence[float], pos: Sequence[float], colour: str) -> None:
    body.add_geom(type=BOX, size=list(half_size), pos=list(pos), rgba=PALETTE[colour], **_VISUAL)
