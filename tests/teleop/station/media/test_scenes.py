"""Poses and descriptions of scenes over HTTP, for pages that draw them."""

import gzip
import json
import shutil
import struct
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
import mujoco
import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.rendering.pool import RenderRequest
from robo_rlhf.sim.rendering.renderer import load_model
from robo_rlhf.sim.rendering.worker import RenderContexts
from robo_rlhf.sim.scene_description.movers import Movers
from tests.data.making import episode
from tests.teleop.station.media.test_media import app_of


class PosesPool:
    """Answers as a worker does, in this process, and counts."""

    def __init__(self) -> None:
        self.contexts, self.asked = RenderContexts(), []

    def _answer(self, form: Any, model: str, states: Array) -> "Future[Any]":
        self.asked.append(form)
        future: Future[Any] = Future()
        try:
            future.set_result(self.contexts.answer(RenderRequest(form, model, states, (), 1, 1, "fast")))
        except Exception as error:
            future.set_exception(error)
        return future

    def scene(self, model: str, *, key: object = None) -> "Future[Any]":
        return self._answer("scene", model, np.empty((0, 0)))

    def poses(self, model: str, states: Array, *, key: object = None) -> "Future[Any]":
        return self._answer("poses", model, states)


@pytest.fixture
def pool() -> PosesPool:
    return PosesPool()


@pytest.fixture
def client(home: Path, reach_home: Path, pool: PosesPool) -> Iterator[TestClient]:
    shutil.copytree(reach_home, home)
    with TestClient(app_of(home, pool)) as client:
        yield client


def read(answer: httpx2.Response) -> tuple[dict[str, Any], Array]:
    """Return what poses are about, and the poses (T, M, 7)."""
    magic, length = struct.unpack_from("<4sI", answer.content)
    assert magic == b"pos1"
    about = json.loads(answer.content[8 : 8 + length])
    assert (8 + length) % 4 == 0
    return about, np.frombuffer(answer.content, "<f4", offset=8 + length).reshape(about["frames"], about["movers"], 7)


def test_poses_are_those_of_the_frames_asked_for(client: TestClient, home: Path, pool: PosesPool) -> None:
    dataset = Dataset(home / "samples" / "reach")
    name = dataset.ids()[0]
    states = dataset.load(name).state
    answer = client.get(f"/media/poses?dataset=samples/reach&episode={name}&start=3&stop=63&v=1")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.content) <= 60_000
    about, poses = read(answer)
    assert about["fps"] == 20.0
    assert "start" not in about  # in review nobody is told where in its episode a clip begins
    expected = Movers(load_model("reach")).poses(states[3:63])
    np.testing.assert_array_equal(poses, expected)
    scene = client.get(about["scene"])
    assert json.loads(scene.content)["movers"] == about["movers"]
    assert scene.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert scene.headers["content-encoding"] == "gzip"
    assert client.get("/media/scene?name=reach").headers["cache-control"] == "private, no-cache"
    assert pool.asked == ["scene", "poses"]  # described once


def test_meshes_and_textures_come_apart_by_their_content(client: TestClient, home: Path) -> None:
    env = load_model("navigate_room")
    state = np.empty(mujoco.mj_stateSize(env, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(env, mujoco.MjData(env), state, mujoco.mjtState.mjSTATE_INTEGRATION)
    room = episode("room", steps=2, task="navigate_room")
    object.__setattr__(room, "state", np.tile(state, (3, 1)))
    Dataset(home / "demos", create=True).add(room)
    about, _ = read(client.get("/media/poses?dataset=demos&episode=room"))
    assets = client.get(about["assets"])
    assert len(assets.content) == about["size"] == 32 * 32 * 4
    assert "immutable" in assets.headers["cache-control"]
    shutil.rmtree(home / "cache")  # thrown away while the station runs: made again
    assert client.get(about["assets"]).content == assets.content
    assert gzip.compress(client.get(about["scene"]).content)


def test_what_has_no_poses_says_why(client: TestClient, home: Path) -> None:
    blind = episode("blind")
    object.__setattr__(blind, "state", np.zeros((13, 0)))
    demos = Dataset(home / "demos", create=True)
    demos.add(blind)
    demos.add(episode("unknown", task="juggle"))
    demos.add(episode("misfit", task="reach"))
    for name, code, words in (
        ("blind", "outside", "no simulator states"),
        ("unknown", "scene", "does not know"),
        ("misfit", "scene", "another version of the scene"),
    ):
        answer = client.get(f"/media/poses?dataset=demos&episode={name}")
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert words in answer.json()["error"]
    assert client.get("/media/scene?name=juggle").status_code == 404
    for name in ("<mujoco/>", "../x", "a b"):
        assert client.get("/media/scene", params={"name": name}).status_code == 422
