"""A model of no task of ours, with every kind of shape that browsers draw."""

import mujoco
import numpy as np

from robo_rlhf.core.types import Array


def foreign_mjcf() -> str:
    """Return MJCF of meshes, height field, textures, capsules, ellipsoids, sites, cameras that follow, a mocap body."""
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    wedge = " ".join(f"{0.12 * x} {0.08 * y} {0.06 * z * (1 + 0.5 * x)}" for x, y, z in corners)
    heights = " ".join(f"{0.5 + 0.5 * np.sin(i) * np.cos(j):.3f}" for i in range(7) for j in range(9))
    return f"""
<mujoco>
  <asset>
    <mesh name="wedge" vertex="{wedge}"/>
    <hfield name="hill" nrow="7" ncol="9" size="0.3 0.25 0.15 0.02" elevation="{heights}"/>
    <texture name="squares" type="2d" builtin="checker" rgb1="0.9 0.2 0.2" rgb2="0.1 0.1 0.7" width="64" height="64"/>
    <texture name="marks" type="cube" builtin="flat" mark="cross" rgb1="0.2 0.7 0.3" markrgb="1 1 1"
      width="32" height="192"/>
    <material name="squares" texture="squares" texrepeat="4 4"/>
    <material name="even" texture="squares" texrepeat="3 3" texuniform="true"/>
    <material name="marks" texture="marks"/>
  </asset>
  <worldbody>
    <light pos="0.4 -0.5 2" dir="-0.2 0.25 -1" directional="true" diffuse="0.5 0.5 0.5"/>
    <geom type="plane" size="1 0.8 0.1" material="squares"/>
    <geom type="hfield" hfield="hill" pos="-0.45 0.35 0.03" rgba="0.4 0.6 0.3 1"/>
    <geom type="ellipsoid" size="0.05 0.1 0.16" pos="0.4 -0.4 0.2" euler="20 30 40" rgba="0.8 0.5 0.1 1"/>
    <geom type="cylinder" size="0.06 0.15" pos="0.5 0.3 0.2" euler="0 70 20" rgba="0.2 0.5 0.8 1"/>
    <geom type="sphere" size="0.08" pos="-0.5 -0.4 0.1" material="marks"/>
    <geom type="box" size="0.1 0.06 0.04" pos="0.05 -0.5 0.1" euler="0 0 30" material="even"/>
    <site name="spot" type="box" size="0.03 0.03 0.03" pos="-0.2 -0.5 0.05" rgba="0.9 0.9 0.1 1"/>
    <site name="unseen" group="4" size="0.2"/>
    <camera name="front" pos="1.6 -1.4 1.1" xyaxes="0.66 0.75 0 -0.33 0.29 0.9" fovy="40"/>
    <camera name="top" pos="0 0 2.4" fovy="50"/>
    <camera name="watcher" mode="targetbody" target="arm" pos="-1.4 -1.1 0.9" fovy="45"/>
    <body name="arm" pos="0 0.1 0.35">
      <joint name="swing" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0.1" size="0.05" rgba="0.7 0.3 0.6 1"/>
      <body pos="0.3 0 0.1">
        <joint axis="0 0 1"/>
        <geom type="mesh" mesh="wedge" rgba="0.3 0.7 0.7 1"/>
        <camera name="hand" pos="-0.3 0 0.4" xyaxes="0 -1 0 0.7 0 0.7" fovy="60"/>
      </body>
    </body>
    <body name="goal" mocap="true" pos="0.1 0.55 0.1">
      <geom type="box" size="0.07 0.07 0.02" contype="0" conaffinity="0" rgba="0.9 0.1 0.1 1"/>
      <body pos="0 0 0.12">
        <geom type="capsule" size="0.01 0.1" contype="0" conaffinity="0" rgba="0.1 0.1 0.1 1"/>
      </body>
    </body>
    <body name="cube" pos="-0.15 -0.2 0.06">
      <freejoint/>
      <geom type="box" size="0.05 0.05 0.05" rgba="0.85 0.2 0.2 1"/>
    </body>
  </worldbody>
</mujoco>"""


def foreign_states(model: mujoco.MjModel, count: int, seed: int = 0) -> Array:
    """Return states (count, nstate) of the model in which all of it has moved."""
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(model)
    integration = mujoco.mjtState.mjSTATE_INTEGRATION
    states = np.empty((count, mujoco.mj_stateSize(model, integration)))
    for state in states:
        data.qpos[:2] = rng.uniform(-0.7, 0.7, 2)
        data.qpos[2:5] = rng.uniform((-0.3, -0.3, 0.05), (0.3, 0.0, 0.3))
        data.qpos[5:9] = rng.normal(size=4)
        data.mocap_pos[0] = rng.uniform((-0.2, 0.3, 0.05), (0.3, 0.6, 0.2))
        mujoco.mj_normalizeQuat(model, data.qpos)
        mujoco.mj_getState(model, data, state, integration)
    return states
