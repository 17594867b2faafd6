"""Props of scenes: free objects, furniture, markers, all made of primitive geoms.

Positions are in the world frame [m]; sizes are half sizes [m] where the name says so; masses [kg].
A free body `name` has the free joint `name`; its frame is the middle of the body.
"""

from collections.abc import Sequence
from typing import Any

import mujoco

from robo_rlhf.sim.scenes.appearance import PALETTE, Rgba, aim_camera

BOX = mujoco.mjtGeom.mjGEOM_BOX
CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
SPHERE = mujoco.mjtGeom.mjGEOM_SPHERE
CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE
_VISUAL = {"contype": 0, "conaffinity": 0, "mass": 0.0}

CUP_RADIUS, CUP_HEIGHT = 0.026, 0.085  # [m]
GLASS_RADIUS, GLASS_HEIGHT = 0.026, 0.13  # [m]
PEG_HALF_WIDTH = 0.01  # [m] of the shaft
PEG_SHAFT, PEG_HEAD = 0.07, 0.036  # [m] lengths
HOLE_CLEARANCE = 0.002  # [m] the hole is wider than the peg
BOARD_HEIGHT = 0.05  # [m]
DRAWER_TRAVEL = 0.16  # [m]


def add_box(
    spec: mujoco.MjSpec, name: str, half_size: Sequence[float], rgba: Rgba, mass: float, pos: Sequence[float]
) -> Any:
    """Add a free box; return its body."""
    body = _free_body(spec, name, pos)
    body.add_geom(name=name, type=BOX, size=list(half_size), rgba=rgba, mass=mass)
    return body


def add_cylinder(
    spec: mujoco.MjSpec, name: str, radius: float, half_height: float, rgba: Rgba, mass: float, pos: Sequence[float]
) -> Any:
    """Add a free upright cylinder; return its body."""
    body = _free_body(spec, name, pos)
    body.add_geom(name=name, type=CYLINDER, size=[radius, half_height, 0], rgba=rgba, mass=mass)
    return body


def add_cup(
    spec: mujoco.MjSpec, name: str, pos: Sequence[float], rgba: Rgba = PALETTE["cream"], mass: float = 0.15
) -> Any:
    """Add a free mug full of coffee, frame in its middle, `CUP_HEIGHT` tall; the robot grasps it by its wall.

    It collides as the square block around it: flat pads squeeze a round wall out between them. Its base is heavy and
    slippery, so that a bump moves it rather than knocks it over.
    """
    body = _free_body(spec, name, pos)
    half = CUP_HEIGHT / 2
    body.add_geom(
        name=name, type=BOX, size=[CUP_RADIUS, CUP_RADIUS, half], mass=0.4 * mass, group=3,
        friction=[0.2, 0.005, 0.0001], priority=1,
    )  # fmt: skip
    body.add_geom(
        type=CYLINDER, size=[CUP_RADIUS - 0.004, 0.008, 0], pos=[0, 0, 0.008 - half], mass=0.6 * mass, contype=0,
        conaffinity=0, group=3,
    )  # fmt: skip
    body.add_geom(type=CYLINDER, size=[CUP_RADIUS, half, 0], rgba=rgba, **_VISUAL)
    body.add_geom(
        type=CYLINDER, size=[CUP_RADIUS - 0.004, 0.001, 0], pos=[0, 0, half], rgba=PALETTE["coffee"], **_VISUAL
    )
    body.add_geom(
        type=CYLINDER, size=[CUP_RADIUS + 0.0008, 0.008, 0], pos=[0, 0, -0.018], rgba=PALETTE["blue"], **_VISUAL
    )
    rim, x = -CUP_RADIUS, -CUP_RADIUS - 0.016
    for start, end in (((rim, 0.022), (x, 0.016)), ((x, 0.016), (x, -0.016)), ((x, -0.016), (rim, -0.022))):
        body.add_geom(
            type=CAPSULE, size=[0.005, 0, 0], fromto=[start[0], 0, start[1], end[0], 0, end[1]], rgba=rgba, **_VISUAL
        )
    return body


def add_glass(spec: mujoco.MjSpec, name: str, pos: Sequence[float], mass: float = 0.06) -> Any:
    """Add a free, light, slender drinking glass that a touch knocks over, frame in its middle, `GLASS_HEIGHT` tall."""
    body = _free_body(spec, name, pos)
    half = GLASS_HEIGHT / 2
    body.add_geom(name=name, type=CYLINDER, size=[GLASS_RADIUS, half, 0], rgba=PALETTE["glass"], mass=mass)
    water = (0.25, 0.60, 0.90, 0.75)
    body.add_geom(
        type=CYLINDER, size=[GLASS_RADIUS - 0.003, half * 0.55, 0], pos=[0, 0, -half * 0.4], rgba=water, **_VISUAL
    )
    body.add_geom(
        type=CYLINDER, size=[GLASS_RADIUS + 0.001, 0.003, 0], pos=[0, 0, half], rgba=(0.9, 0.97, 1.0, 0.9), **_VISUAL
    )
    return body


def add_bin(
    spec: mujoco.MjSpec,
    pos: Sequence[float],
    inner_size: Sequence[float] = (0.14, 0.14),
    wall_height: float = 0.05,
    name: str = "bin",
    rgba: Rgba = PALETTE["blue"],
) -> Any:
    """Add a fixed open bin with `inner_size` (x, y) [m], standing on `pos`; site `name` on the middle of its floor."""
    body = spec.worldbody.add_body(name=name, pos=list(pos))
    wall, x, y, z = 0.005, inner_size[0] / 2, inner_size[1] / 2, wall_height / 2
    body.add_geom(name=f"{name}_floor", type=BOX, size=[x, y, 0.002], pos=[0, 0, 0.002], rgba=_shade(rgba, 0.75))
    for sign in (-1, 1):
        body.add_geom(type=BOX, size=[wall, y + 2 * wall, z], pos=[sign * (x + wall), 0, z], rgba=rgba)
        body.add_geom(type=BOX, size=[x, wall, z], pos=[0, sign * (y + wall), z], rgba=rgba)
    _site(body, name, (0, 0, 0.004))
    return body


def add_drawer_cabinet(spec: mujoco.MjSpec, pos: Sequence[float] = (0.30, 0.0, 0.0)) -> Any:
    """Add a fixed cabinet standing on `pos` with one drawer that opens towards -x.

    Body `drawer`, slide joint `drawer` from 0 (closed) to DRAWER_TRAVEL [m]; site `handle` on its upright bar, which a
    hand pointing down at home grasps. Moves the camera `front` to where the face of the drawer can be seen.
    """
    aim_camera(spec, "front", (-0.36, -0.86, 0.52), (pos[0] - 0.2, pos[1], pos[2] + 0.1), fovy=37)
    body = spec.worldbody.add_body(name="cabinet", pos=list(pos))
    deep, wide, high, board = 0.10, 0.14, 0.075, 0.006  # half sizes [m]
    shell = {"type": BOX, "rgba": PALETTE["wood"]}
    body.add_geom(size=[deep, wide, board], pos=[0, 0, 2 * high - board], **shell)
    body.add_geom(size=[board, wide, high], pos=[deep - board, 0, high], **shell)
    for sign in (-1, 1):
        body.add_geom(size=[deep, board, high], pos=[0, sign * (wide - board), high], **shell)
    drawer = body.add_body(name="drawer", pos=[0, 0, 0])
    drawer.add_joint(
        name="drawer", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-1, 0, 0], range=[0, DRAWER_TRAVEL], damping=8.0,
        frictionloss=1.0, armature=0.1, limited=True,
    )  # fmt: skip
    inner, front = wide - 2 * board - 0.004, -deep - board
    tray = {"type": BOX, "rgba": PALETTE["wood_dark"], "mass": 0.08}
    drawer.add_geom(size=[deep - 2 * board, inner, 0.004], pos=[-board, 0, 0.014], **tray)
    for sign in (-1, 1):
        drawer.add_geom(size=[deep - 2 * board, 0.004, 0.04], pos=[-board, sign * (inner - 0.004), 0.055], **tray)
    drawer.add_geom(
        name="drawer_front",
        type=BOX,
        size=[board, wide - 0.003, 0.064],
        pos=[front, 0, 0.072],
        rgba=PALETTE["teal"],
        mass=0.25,
    )
    bar = {"rgba": PALETTE["steel"], "mass": 0.03}
    for z in (0.045, 0.105):
        drawer.add_geom(type=BOX, size=[0.02, 0.005, 0.005], pos=[front - 0.022, 0, z], **bar)
    drawer.add_geom(
        name="handle",
        type=BOX,
        size=[0.007, 0.009, 0.045],
        pos=[front - 0.045, 0, 0.08],
        friction=[1.0, 0.01, 0.0001],
        **bar,
    )
    _site(drawer, "handle", (front - 0.045, 0, 0.095))
    spec.add_exclude(bodyname1="cabinet", bodyname2="drawer")
    return body


def add_peg_board(spec: mujoco.MjSpec, pos: Sequence[float], name: str = "board") -> Any:
    """Add a fixed board standing on `pos` with a square hole for the peg, HOLE_CLEARANCE wider than it.

    Site `hole` is in the middle of the hole at the upper face, BOARD_HEIGHT above `pos`; it goes all the way down.
    """
    body = spec.worldbody.add_body(name=name, pos=list(pos))
    hole, outer, z = PEG_HALF_WIDTH + HOLE_CLEARANCE / 2, 0.06, BOARD_HEIGHT / 2
    wall, mid = (outer - hole) / 2, (outer + hole) / 2
    rim, top = (0.011 - 0.0) / 2, BOARD_HEIGHT + 0.0004
    for sign in (-1, 1):
        body.add_geom(type=BOX, size=[wall, outer, z], pos=[sign * mid, 0, z], rgba=PALETTE["purple"])
        body.add_geom(type=BOX, size=[hole, wall, z], pos=[0, sign * mid, z], rgba=PALETTE["purple"])
        edge = hole + rim
        body.add_geom(
            type=BOX, size=[rim, hole + 2 * rim, 0.0004], pos=[sign * edge, 0, top], rgba=PALETTE["yellow"], **_VISUAL
        )
        body.add_geom(type=BOX, size=[hole, rim, 0.0004], pos=[0, sign * edge, top], rgba=PALETTE["yellow"], **_VISUAL)
    body.add_geom(type=BOX, size=[hole, hole, 0.0005], pos=[0, 0, 0.001], rgba=PALETTE["dark"], **_VISUAL)
    _site(body, "hole", (0, 0, BOARD_HEIGHT))
    return body


def add_peg(spec: mujoco.MjSpec, name: str, pos: Sequence[float], mass: float = 0.06) -> Any:
    """Add a free square peg, upright: shaft below, wider head to grasp above.

    Its frame is in the middle of the whole; sites `name`_tip at the lower end, `name`_head in the middle of the head.
    """
    body = _free_body(spec, name, pos)
    half = (PEG_SHAFT + PEG_HEAD) / 2
    width, head, mid = PEG_HALF_WIDTH, PEG_HALF_WIDTH + 0.006, half - PEG_HEAD / 2
    body.add_geom(name=f"{name}_shaft", type=BOX, size=[width, width, PEG_SHAFT / 2], pos=[0, 0, PEG_SHAFT / 2 - half],
                  rgba=PALETTE["yellow"], mass=0.6 * mass)  # fmt: skip
    body.add_geom(
        name=f"{name}_head",
        type=BOX,
        size=[head, head, PEG_HEAD / 2],
        pos=[0, 0, mid],
        rgba=PALETTE["red"],
        mass=0.4 * mass,
    )
    _site(body, f"{name}_tip", (0, 0, -half))
    _site(body, f"{name}_head", (0, 0, mid))
    return body


def add_peg_stand(spec: mujoco.MjSpec, pos: Sequence[float], name: str = "stand") -> Any:
    """Add a fixed holder at `pos` that keeps the shaft of a peg upright until it is lifted out, with some play."""
    body = spec.worldbody.add_body(name=name, pos=list(pos))
    wall, high = 0.005, 0.015
    inner = PEG_HALF_WIDTH + 0.0015
    look = {"type": BOX, "rgba": PALETTE["steel"]}
    for sign in (-1, 1):
        body.add_geom(size=[wall, inner + 2 * wall, high], pos=[sign * (inner + wall), 0, high], **look)
        body.add_geom(size=[inner, wall, high], pos=[0, sign * (inner + wall), high], **look)
    return body


def add_goal_marker(
    spec: mujoco.MjSpec,
    name: str,
    radius: float,
    pos: Sequence[float] = (0.0, 0.0, 0.0),
    rgba: Rgba = PALETTE["goal"],
    *,
    flat: bool = False,
) -> Any:
    """Add mocap body `name`: a ball that touches nothing, or a `flat` disc to lie on a surface. It glows, unshaded."""
    if spec.material("marker") is None:
        spec.add_material(name="marker", emission=0.8)
    body = spec.worldbody.add_body(name=name, mocap=True, pos=list(pos))
    size = [radius, 0.001, 0] if flat else [radius, 0, 0]
    body.add_geom(name=name, type=CYLINDER if flat else SPHERE, size=size, rgba=rgba, material="marker", **_VISUAL)
    return body


def _free_body(spec: mujoco.MjSpec, name: str, pos: Sequence[float]) -> Any:
    body = spec.worldbody.add_body(name=name, pos=list(pos))
    body.add_freejoint(name=name)
    return body


def _site(body: Any, name: str, pos: Sequence[float]) -> None:
    body.add_site(name=name, pos=list(pos), size=[0.004, 0.004, 0.004], group=4)


def _shade(rgba: Rgba, factor: float) -> Rgba:
    r, g, b, a = rgba
    return r * factor, g * factor, b * factor, a
