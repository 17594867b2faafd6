"""The arm has the published kinematics and holds still; scenes compile; what the tasks need of the physics works."""

import mujoco
import numpy as np
import pytest

from robo_rlhf.sim.robot import open_arm
from robo_rlhf.sim.robot_tools.arm import ARM_BASE, HOME_EE, HOME_QUAT
from robo_rlhf.sim.scenes import props, scene
from robo_rlhf.sim.scenes.appearance import PALETTE, look_at
from robo_rlhf.sim.scenes.furniture import FURNITURE

ARM = open_arm("arm")
ROVER_START = (-1.5, -1.5, np.pi / 4)  # x, y [m] and yaw [rad] of the rover in the empty state
FINGER_OPEN = 0.04  # [m] stroke of each finger

DH = (  # a [m], alpha [rad], d [m] of each joint, modified (Craig) convention
    (0.0, 0.0, 0.333),
    (0.0, -np.pi / 2, 0.0),
    (0.0, np.pi / 2, 0.316),
    (0.0825, np.pi / 2, 0.0),
    (-0.0825, -np.pi / 2, 0.384),
    (0.0, np.pi / 2, 0.0),
    (0.088, np.pi / 2, 0.0),
)
FLANGE, TCP = 0.107, 0.1034  # [m]
MASSES = (4.970684, 0.646926, 3.228604, 3.587895, 1.225946, 1.666555, 0.735522)  # [kg]
LIMITS = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)


def chain(q):
    """Pose (4, 4) of the tool centre in the arm's base, out of the DH table."""
    pose = np.eye(4)
    for (a, alpha, d), angle in zip(DH, q, strict=True):
        ca, sa, c, s = np.cos(alpha), np.sin(alpha), np.cos(angle), np.sin(angle)
        pose = pose @ np.array(
            [[c, -s, 0, a], [s * ca, c * ca, -sa, -d * sa], [s * sa, c * sa, ca, d * ca], [0, 0, 0, 1]]
        )
    c, s = np.cos(-np.pi / 4), np.sin(-np.pi / 4)
    return pose @ np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, FLANGE + TCP], [0, 0, 0, 1]])


def start(spec):
    """Compile and put the arm home with an open hand."""
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:9] = data.ctrl[:9] = (*ARM.home, FINGER_OPEN, FINGER_OPEN)
    mujoco.mj_forward(model, data)
    return model, data


def reach(model, data, pos, quat=HOME_QUAT):
    """Joint angles (7,) [rad] that put `ee` at `pos` [m] with orientation `quat`."""
    trial = mujoco.MjData(model)
    trial.qpos[:] = data.qpos
    jac, turn, error = np.zeros((6, model.nv)), np.zeros(3), np.zeros(4)
    for _ in range(60):
        mujoco.mj_fwdPosition(model, trial)
        mujoco.mj_jacSite(model, trial, jac[:3], jac[3:], model.site("ee").id)
        mujoco.mju_mat2Quat(error, trial.site("ee").xmat)
        mujoco.mju_negQuat(error, error)
        mujoco.mju_mulQuat(error, np.array(quat, float), error)
        mujoco.mju_quat2Vel(turn, error, 1.0)
        miss = np.concatenate([pos - trial.site("ee").xpos, turn])
        arm = jac[:, :7]
        trial.qpos[:7] += arm.T @ np.linalg.solve(arm @ arm.T + 1e-5 * np.eye(6), miss)
    return trial.qpos[:7].copy()


def go(model, data, pos, seconds, *, grip=None):
    """Move the hand to `pos` in a straight line of joint targets within `seconds`."""
    if grip is not None:
        data.ctrl[7:9] = grip
    first, last = data.ctrl[:7].copy(), reach(model, data, np.array(pos))
    steps = round(seconds / model.opt.timestep)
    for i in range(steps):
        data.ctrl[:7] = first + (last - first) * min(1.0, 1.25 * (i + 1) / steps)
        mujoco.mj_step(model, data)


def test_kinematics_are_the_published_ones():
    model, data = start(scene.tabletop(ARM))
    rng = np.random.default_rng(0)
    for q in rng.uniform(*np.array(LIMITS).T, (50, 7)):
        data.qpos[:7] = q
        mujoco.mj_kinematics(model, data)
        want, site = chain(q), data.site("ee")
        assert np.abs(site.xpos - want[:3, 3] - ARM_BASE).max() < 1e-9
        assert np.abs(site.xmat.reshape(3, 3) - want[:3, :3]).max() < 1e-9


def test_limits_and_masses_are_the_published_ones():
    model, _ = start(scene.tabletop(ARM))
    assert np.array_equal(model.jnt_range[:7], LIMITS)
    assert np.allclose(model.actuator_ctrlrange[:7], LIMITS, atol=1e-12)
    assert model.actuator_forcerange[:, 1].tolist() == [87] * 4 + [12] * 3 + [40] * 2
    assert [model.body(f"link{i}").mass[0] for i in range(1, 8)] == pytest.approx(MASSES, abs=1e-9)
    assert model.body("hand").mass[0] == pytest.approx(0.73)
    assert model.body("finger_left").mass[0] == model.body("finger_right").mass[0] == pytest.approx(0.015)
    assert np.array_equal(model.joint("finger_left").range, [0, FINGER_OPEN])


def test_home_is_where_it_says():
    _, data = start(scene.tabletop(ARM))
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, data.site("ee").xmat)
    assert np.allclose(data.site("ee").xpos, HOME_EE, atol=1e-7)
    assert np.allclose(np.abs(quat), HOME_QUAT, atol=1e-7)
    assert np.allclose(data.body("target").xpos, HOME_EE)


def test_names_that_others_look_up():
    model, _ = start(scene.tabletop(ARM))
    joints = [f"joint{i}" for i in range(1, 8)] + ["finger_left", "finger_right"]
    assert [model.joint(i).name for i in range(9)] == joints
    assert [model.actuator(i).name for i in range(9)] == joints
    assert {model.camera(i).name for i in range(model.ncam)} == {"front", "side", "top", "wrist"}
    assert [model.body(n).name for n in ("link0", "link7", "hand", "target")]
    assert model.body("target").mocapid[0] >= 0
    model = scene.room().compile()
    assert {model.camera(i).name for i in range(model.ncam)} == {"top", "front", "chase"}
    assert [model.joint(i).name for i in range(3)] == ["base_x", "base_y", "base_yaw"]
    assert [model.actuator(i).name for i in range(2)] == ["forward", "turn"]


def test_holds_a_pose_under_gravity():
    model, data = start(scene.tabletop(ARM))
    before = data.site("ee").xpos.copy()
    for _ in range(round(2 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert np.linalg.norm(data.site("ee").xpos - before) < 1e-3


@pytest.mark.parametrize(("half", "mass"), [(0.015, 0.04), (0.02, 0.08), (0.025, 0.15)])
def test_grasps_a_cube_and_keeps_it(half, mass):
    spec = scene.tabletop(ARM)
    props.add_box(spec, "cube", (half,) * 3, PALETTE["red"], mass, (0.05, -0.08, half))
    scene.add_contact_sensor(spec, "hand")
    model, data = start(spec)
    go(model, data, (0.05, -0.08, half), 1.5)
    go(model, data, (0.05, -0.08, half), 0.4, grip=0.0)
    grip = 1500 * data.joint("finger_left").qpos[0]
    assert 20 < grip < 40
    go(model, data, (-0.1, 0.1, 0.25), 1.0)
    held = data.body("cube").xpos - data.site("ee").xpos
    go(model, data, (0.1, -0.1, 0.2), 1.0)
    go(model, data, (0.1, -0.1, 0.2), 2.0)
    slip = data.body("cube").xpos - data.site("ee").xpos - held
    assert np.linalg.norm(held) < 0.008
    assert np.linalg.norm(slip) < 0.001
    force = np.linalg.norm(data.sensor("contact_force").data)
    assert force == pytest.approx(9.81 * mass, rel=0.05)  # the squeeze cancels, the weight stays


def test_contact_sensor_feels_what_the_hand_is_pressed_against():
    spec = scene.tabletop(ARM)
    scene.add_contact_sensor(spec, "hand")
    model, data = start(spec)
    assert data.sensor("contact_force").data.tolist() == [0, 0, 0]
    go(model, data, (0.0, 0.0, 0.007), 1.5, grip=0.0)
    assert -200 < data.sensor("contact_force").data[2] < -5  # the hand presses down


@pytest.mark.parametrize(
    ("add", "height", "radius"),
    [(props.add_cup, props.CUP_HEIGHT, props.CUP_RADIUS), (props.add_glass, props.GLASS_HEIGHT, props.GLASS_RADIUS)],
)
def test_carries_a_vessel_upright(add, height, radius):
    spec = scene.tabletop(ARM)
    add(spec, "vessel", (0.0, -0.1, height / 2))
    model, data = start(spec)
    go(model, data, (0.0, -0.1, 0.22), 1.0)
    go(model, data, (0.0, -0.1, height - 0.03), 1.0)
    go(model, data, (0.0, -0.1, height - 0.03), 0.4, grip=0.0)
    assert data.joint("finger_left").qpos[0] == pytest.approx(radius, abs=0.002)
    go(model, data, (0.0, 0.15, 0.2), 1.5)
    assert data.site("ee").xpos[2] - data.body("vessel").xpos[2] < height / 2 - 0.025
    assert data.body("vessel").xmat[8] > np.cos(0.05)  # upright


def test_drawer_slides_with_a_light_pull():
    spec = scene.tabletop(ARM)
    props.add_drawer_cabinet(spec)
    model, data = start(spec)
    handle = data.site("handle").xpos.copy()
    data.qfrc_applied[model.joint("drawer").dofadr[0]] = 5.0
    for _ in range(round(1 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.joint("drawer").qpos[0] > 0.15
    assert np.allclose(data.site("handle").xpos - handle, [-data.joint("drawer").qpos[0], 0, 0])


def test_hand_pulls_the_drawer_open():
    spec = scene.tabletop(ARM)
    props.add_drawer_cabinet(spec)
    model, data = start(spec)
    x, y, z = data.site("handle").xpos
    go(model, data, (x, y, z + 0.1), 1.0)
    go(model, data, (x, y, z), 1.0)
    assert data.joint("drawer").qpos[0] < 0.002
    go(model, data, (x, y, z), 0.3, grip=0.0)
    go(model, data, (x - 0.14, y, z), 1.5)
    assert data.joint("drawer").qpos[0] > 0.13


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.0008, -0.0008)])
def test_peg_falls_through_the_hole(offset):
    spec = scene.tabletop(ARM)
    props.add_peg_board(spec, (0.1, 0.1, 0.0))
    length = props.PEG_SHAFT + props.PEG_HEAD
    props.add_peg(spec, "peg", (0.1 + offset[0], 0.1 + offset[1], props.BOARD_HEIGHT + length / 2 + 0.003))
    model, data = start(spec)
    for _ in range(round(1 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.site("peg_tip").xpos[2] < 0.002
    assert np.hypot(*(data.site("peg_tip").xpos - data.site("hole").xpos)[:2]) < 0.002


def test_peg_beside_the_hole_stays_on_the_board():
    spec = scene.tabletop(ARM)
    props.add_peg_board(spec, (0.1, 0.1, 0.0))
    length = props.PEG_SHAFT + props.PEG_HEAD
    props.add_peg(spec, "peg", (0.1, 0.1035, props.BOARD_HEIGHT + length / 2 + 0.003))
    model, data = start(spec)
    for _ in range(round(0.5 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.site("peg_tip").xpos[2] > props.BOARD_HEIGHT - 0.005


def test_objects_rest_where_they_are_put():
    spec = scene.tabletop(ARM)
    props.add_box(spec, "box", (0.02, 0.02, 0.02), PALETTE["red"], 0.08, (0.1, -0.2, 0.02))
    props.add_cylinder(spec, "can", 0.03, 0.05, PALETTE["green"], 0.2, (-0.1, -0.2, 0.05))
    props.add_cup(spec, "cup", (-0.2, 0.1, props.CUP_HEIGHT / 2))
    props.add_glass(spec, "glass", (0.0, 0.2, props.GLASS_HEIGHT / 2))
    props.add_peg(spec, "peg", (0.1, 0.0, (props.PEG_SHAFT + props.PEG_HEAD) / 2))
    props.add_bin(spec, (0.2, 0.2, 0.0))
    props.add_box(spec, "inside", (0.02, 0.02, 0.02), PALETTE["yellow"], 0.08, (0.2, 0.2, 0.025))
    props.add_goal_marker(spec, "ball", 0.02, (0.1, 0.1, 0.2))
    props.add_goal_marker(spec, "disc", 0.04, flat=True)
    model, data = start(spec)
    before = data.xpos.copy()
    for _ in range(round(1 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert np.abs(data.xpos - before).max() < 0.002
    assert data.warning.number.sum() == 0


def test_rover_drives_where_it_points_and_obstacles_stop_it():
    model = scene.room().compile()
    data = mujoco.MjData(model)
    data.qpos[:3] = ROVER_START
    data.actuator("forward").ctrl[0], data.actuator("turn").ctrl[0] = 0.5, 0.6
    for _ in range(round(1 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    yaw = data.qpos[2]
    assert yaw == pytest.approx(ROVER_START[2] + 0.6, abs=0.05)
    assert data.qvel[:2] == pytest.approx(0.5 * np.array([np.cos(yaw), np.sin(yaw)]), abs=0.04)  # no sideways slip
    mujoco.mj_resetData(model, data)
    data.qpos[:3] = (-1.5, -0.75, 0.0)
    data.actuator("forward").ctrl[0] = 1.0
    for _ in range(round(2 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.qpos[0] < -0.35 - 0.25 - scene.ROVER_RADIUS + 0.01


def test_camera_looks_at_its_target():
    x, y = np.split(look_at((1.0, 2.0, 3.0), (0.0, 0.0, 0.0)), 2)
    assert np.allclose(np.cross(x, y), np.array([1, 2, 3]) / np.sqrt(14))
    assert x[2] == pytest.approx(0)
    assert y[2] > 0


def pixels(model, data, camera, points):
    """Where points (n, 3) [m] fall in a 4:3 picture: (n, 2), the picture being [-1, 1] both ways."""
    view = data.camera(camera)
    local = (points - view.xpos) @ view.xmat.reshape(3, 3)
    assert np.all(local[:, 2] < 0)  # in front of the camera
    scale = np.tan(np.radians(model.camera(camera).fovy[0]) / 2)
    return local[:, :2] / -local[:, 2:] / scale / (4 / 3, 1)


@pytest.mark.parametrize(("camera", "drawer"), [("front", False), ("side", False), ("top", False), ("front", True)])
def test_cameras_see_the_whole_workspace(camera, drawer):
    spec = scene.tabletop(ARM)
    if drawer:
        props.add_drawer_cabinet(spec)
    model, data = start(spec)
    corners = np.array(np.meshgrid((-0.2, 0.2), (-0.2, 0.2), (0.0, 0.2))).reshape(3, -1).T
    assert np.abs(pixels(model, data, camera, corners)).max() < 1.0
    assert np.abs(pixels(model, data, camera, data.site("ee").xpos[None])).max() < 0.9


def test_wrist_camera_sees_the_fingertips():
    model, data = start(scene.tabletop(ARM))
    tips = np.stack([data.geom("pad_left").xpos, data.geom("pad_right").xpos, data.site("ee").xpos])
    assert np.abs(pixels(model, data, "wrist", tips)).max() < 0.9


@pytest.mark.parametrize("camera", ["top", "front"])
def test_cameras_see_the_whole_room(camera):
    model = scene.room().compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    half = scene.ROOM_HALF
    corners = np.array([(x, y, 0.0) for x in (-half, half) for y in (-half, half)])
    assert np.abs(pixels(model, data, camera, corners)).max() < 1.02


def test_furniture_stands_where_it_says_and_off_the_start():
    model = scene.room().compile()
    data = mujoco.MjData(model)
    data.qpos[:3] = ROVER_START
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    for name, (x, y, half_x, half_y) in FURNITURE.items():
        solid = model.geom(name)
        cylinder = solid.type[0] == mujoco.mjtGeom.mjGEOM_CYLINDER
        size = (solid.size[0], solid.size[0]) if cylinder else solid.size[:2]
        assert data.body(name).xpos[:2] == pytest.approx((x, y))
        assert size == pytest.approx((half_x, half_y))
        apart = np.maximum(np.abs(np.array(ROVER_START[:2]) - (x, y)) - (half_x, half_y), 0.0)
        assert np.hypot(*apart) > scene.ROVER_RADIUS
    assert scene.room(obstacles=False).compile().nmocap == 0
