"""Base scenes: a table with the arm, a room with the rover. Tasks add props and compile.

World frame: right-handed, z up, metres. On the table z = 0 is the top, the origin its middle; the arm stands at its
base and faces +x. At home the hand points down, its x axis along the world's x and its fingers closing along y.
"""

from typing import Any

import mujoco

from robo_rlhf.sim.robot_tools.arm import HOME_EE, HOME_QUAT, TIMESTEP, Arm
from robo_rlhf.sim.scenes.appearance import PALETTE, add_backdrop, add_camera, add_checker, add_mat, set_lighting
from robo_rlhf.sim.scenes.furniture import add_walls, furnish
from sim_assets import ASSETS

TABLE_LOW, TABLE_HIGH = (-0.65, -0.55), (0.42, 0.55)  # [m] corners of the table top
FLOOR_Z = -0.72  # [m] height of the floor under the table
ROOM_HALF = 2.0  # [m] half the side of the room
ROVER_RADIUS = 0.2  # [m] of the circle that the rover fills


def tabletop(arm: Arm) -> mujoco.MjSpec:
    """Return the table with an arm: bodies `hand`, `target` (mocap), cameras front, side, top, wrist."""
    spec = _set_physics(arm.spec.copy(), arm.timestep)
    if arm.hand is not None:
        arm.hand.add_to(spec)
    set_lighting(spec, center=(-0.05, 0.0, 0.1), extent=0.8)
    _add_table(spec)
    add_backdrop(spec, half=2.2, low=FLOOR_Z)
    target = spec.worldbody.add_body(name="target", mocap=True, pos=list(HOME_EE), quat=list(HOME_QUAT))
    target.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.012], rgba=[1.0, 0.9, 0.2, 0.35], contype=0, conaffinity=0, group=4
    )
    add_camera(spec.worldbody, "front", (0.88, -0.62, 0.62), (-0.03, 0.0, 0.085), fovy=35)
    add_camera(spec.worldbody, "side", (-0.02, -1.25, 0.42), (-0.02, 0.0, 0.13), fovy=38)
    add_camera(spec.worldbody, "top", (0.0, 0.0, 1.35), (0.0, 0.0, 0.0), fovy=40, up=(1.0, 0.0, 0.0))
    return spec


def room(*, obstacles: bool = True) -> mujoco.MjSpec:
    """Return a walled room with the rover: body `rover`, cameras top, front, chase; furniture is mocap bodies.

    The rover has joints base_x, base_y [m] and base_yaw [rad], and velocity servos `forward` [m/s] and `turn` [rad/s]
    in its body frame; the servo `slip` holds its sideways speed at its target of 0, as tyres do.
    """
    spec = _set_physics(mujoco.MjSpec.from_file(str(ASSETS / "rover.xml")))
    set_lighting(spec, center=(0.0, 0.0, 0.2), extent=2.6)
    add_checker(spec, "floor", PALETTE["floor"], PALETTE["floor_check"], cell=0.5)
    _add_floor(spec, ROOM_HALF + 0.1, 0.0, name="floor", material="floor")
    _add_floor(spec, 14.0, -0.02, rgba=PALETTE["ground"])
    add_walls(spec, ROOM_HALF, height=0.35)
    if obstacles:
        furnish(spec)
    add_camera(spec.worldbody, "top", (0.0, 0.0, 5.3), (0.0, 0.0, 0.0), fovy=46, up=(0.0, 1.0, 0.0))
    add_camera(spec.worldbody, "front", (3.2, -3.5, 3.5), (0.2, -0.25, 0.0), fovy=47)
    return spec


def add_contact_sensor(spec: mujoco.MjSpec, subtree: str, name: str = "contact_force") -> None:
    """Add sensor `name`: the net contact force (3,) [N], world frame, of body `subtree` on everything else.

    On the hand its reaction is the reading of a wrist force sensor, without the weight of the hand: the squeeze of the
    fingers cancels, the weight of a held object counts, and so does whatever the hand or that object is pressed
    against. The norm of it is the signal `contact_force`.
    """
    spec.add_sensor(
        name=name,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname=subtree,
        intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],  # data: force; reduce: netforce; one slot
    )


def _set_physics(spec: mujoco.MjSpec, timestep: float = TIMESTEP) -> mujoco.MjSpec:
    """Give a world with a robot the physics that all scenes share, in steps of `timestep` [s], and return it."""
    option = spec.option
    option.timestep = timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = max(3.0, option.impratio)
    option.iterations, option.ls_iterations = 50, 50  # fewer leave grasps unsolved: objects fly
    geom = spec.default.geom
    geom.solref = [0.01, 1.0]  # [s]: at least twice the time step
    geom.friction = [0.8, 0.01, 0.0001]
    geom.contype, geom.conaffinity = 1, 7  # bits: 1 the world and its objects, 2 the robot, 4 the floor
    return spec


def _add_floor(spec: mujoco.MjSpec, half: float, z: float, **look: Any) -> None:
    """Add a floor of half side `half` [m] at height `z` [m]; it holds objects, the robot passes through."""
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(type=plane, size=[half, half, half], pos=[0, 0, z], contype=4, conaffinity=0, **look)


def _add_table(spec: mujoco.MjSpec) -> None:
    box = mujoco.mjtGeom.mjGEOM_BOX
    _add_floor(spec, 2.2, FLOOR_Z, name="floor", rgba=PALETTE["floor"])
    (x0, y0), (x1, y1) = TABLE_LOW, TABLE_HIGH
    half, mid = ((x1 - x0) / 2, (y1 - y0) / 2), ((x1 + x0) / 2, (y1 + y0) / 2)
    world = spec.worldbody
    world.add_geom(name="table", type=box, size=[*half, 0.02], pos=[*mid, -0.02], rgba=PALETTE["table"])
    add_mat(spec, half=(3, 3), cell=0.1)
    rim = {"type": box, "rgba": PALETTE["table_edge"], "contype": 0, "conaffinity": 0}
    world.add_geom(size=[half[0] + 0.012, half[1] + 0.012, 0.02], pos=[*mid, -0.024], **rim)
    for x in (x0 + 0.06, x1 - 0.06):
        for y in (y0 + 0.06, y1 - 0.06):
            world.add_geom(size=[0.03, 0.03, -FLOOR_Z / 2 - 0.02], pos=[x, y, FLOOR_Z / 2 - 0.02], **rim)
