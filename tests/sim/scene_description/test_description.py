"""Descriptions of models for browsers: what they hold, and how large they are."""

import gzip
import json
from typing import Any

import mujoco
import numpy as np
import pytest

from robo_rlhf.sim.rendering.renderer import load_model
from robo_rlhf.sim.scene_description.assets import corners, surface
from robo_rlhf.sim.scene_description.description import describe
from robo_rlhf.sim.tasks import TASKS
from tests.sim.foreign_scene import foreign_mjcf


def described(model: mujoco.MjModel) -> tuple[dict[str, Any], bytes]:
    files = describe(model)
    assets = gzip.decompress(files.assets) if files.assets else b""
    assert len(assets) == files.assets_size
    return json.loads(gzip.decompress(files.scene)), assets


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_described_in_a_few_kilobytes(task: str) -> None:
    model = load_model(task)
    files = describe(model)
    assert len(files.scene) + len(files.assets) < 20_000
    about = json.loads(gzip.decompress(files.scene))
    shown = {int(group) for group in model.geom_group if group <= 2}
    assert about["reason"] == ""
    assert len(about["shapes"]) >= sum(int(group) in shown for group in model.geom_group) > 20
    assert [camera["name"] for camera in about["cameras"]] == [model.camera(i).name for i in range(model.ncam)]
    assert about["focus"]
    assert all(shape["mover"] < about["movers"] for shape in about["shapes"])


def test_shapes_have_their_sizes_colours_textures_and_places() -> None:
    about, assets = described(mujoco.MjModel.from_xml_string(foreign_mjcf()))
    kinds = sorted(shape["kind"] for shape in about["shapes"])
    boxes, others = ["box"] * 4, ["capsule"] * 2 + ["cylinder"] + ["ellipsoid"] * 2 + ["mesh"] * 2 + ["plane"]
    assert kinds == boxes + others
    plane = next(shape for shape in about["shapes"] if shape["kind"] == "plane")
    assert (plane["mover"], plane["texture"]["repeat"], plane["texture"]["cube"]) == (-1, [4.0, 4.0], False)
    start, count = plane["texture"]["pixels"]
    pixels = np.frombuffer(assets, np.uint8)[start : start + count].reshape(64, 64, 4)
    assert {tuple(colour) for colour in pixels.reshape(-1, 4)} == {(229, 51, 51, 255), (25, 25, 178, 255)}
    capsule = next(shape for shape in about["shapes"] if shape["kind"] == "capsule")
    assert capsule["mover"] == 0
    np.testing.assert_allclose(capsule["pos"], [0.15, 0, 0.05], atol=1e-6)
    np.testing.assert_allclose(capsule["size"], [0.05, 0.05, 0.158114], atol=1e-6)
    cube = next(shape for shape in about["shapes"] if shape["rgba"] == [0.85, 0.2, 0.2, 1.0])
    assert (cube["mover"], cube["pos"]) == (4, [0.0, 0.0, 0.0])
    wrist = next(camera for camera in about["cameras"] if camera["name"] == "hand")
    assert (wrist["mover"], round(wrist["fovy"])) == (1, 60)
    follower = next(camera for camera in about["cameras"] if camera["name"] == "watcher")
    assert (follower["mover"], follower["pos"]) == (5, [0.0, 0.0, 0.0])
    assert about["focus"][-1]["mover"] == 4


def test_a_mesh_keeps_its_surface_and_a_field_is_closed() -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    places, normals, _, faces = corners(model, 0)
    a, b, c = (places[faces[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert volume == pytest.approx(0.24 * 0.16 * 0.12, rel=1e-3)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)
    places, normals, _, faces = surface(model, 0)
    a, b, c = (places[faces[:, i]] for i in range(3))
    outward = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", outward, normals[faces[:, 0]]) > 0).all()
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    heights = np.asarray(model.hfield_data).reshape(7, 9)
    under = [heights[i : i + 2, j : j + 2].mean() for i in range(6) for j in range(8)]
    assert volume == pytest.approx(0.6 * 0.5 * (0.02 + 0.15 * np.mean(under)), rel=0.02)


def test_what_only_mujoco_draws_is_said() -> None:
    cord = """<mujoco><worldbody><site name="a"/><body pos="0 0 1"><freejoint/><geom size="0.1"/><site name="b"/></body>
    </worldbody><tendon><spatial><site site="a"/><site site="b"/></spatial></tendon></mujoco>"""
    about, assets = described(mujoco.MjModel.from_xml_string(cord))
    assert about["reason"] == "Only the server draws tendons, which this scene has."
    assert (set(about), assets) == ({"format", "reason"}, b"")


def test_equal_models_have_equal_descriptions() -> None:
    one, other = (describe(mujoco.MjModel.from_xml_string(foreign_mjcf())) for _ in range(2))
    assert one == other
