"""The log of a policy server: episodes of what robots saw and did, their ends, their limit, and what a crash leaves."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from websockets.sync.client import connect

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.deploy.export import Deployable, deployable
from robo_rlhf.deploy.served_log import SERVED, ServedLog
from robo_rlhf.deploy.server import PolicyServer
from robo_rlhf.deploy.serving import Serving, ServingOptions
from robo_rlhf.deploy.wire import pack, unpack
from robo_rlhf.episodes.access import access_of
from tests.deploy.test_export import TASK, saved, trained

MIB = 2**20


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Deployable:
    return deployable(saved(tmp_path_factory.mktemp("logged"), "act"))


@pytest.fixture
def seen(policy: Deployable) -> Array:
    return np.random.default_rng(3).standard_normal((9, len(policy.manifest["obs_names"]))).astype(np.float32)


def opened(folder: Path, policy: Deployable, **options: Any) -> tuple[ServedLog, TestClient, list[str]]:
    """Return a log, a client of the server that writes it, and what the log tells."""
    told = list[str]()
    limits = {"limit": 100 * MIB, "gap": 10.0} | options
    log = ServedLog(folder, policy.manifest, "cloned", tell=told.append, **limits)
    return log, TestClient(PolicyServer(Serving(policy, ServingOptions(), log), 8).app()), told


def test_what_a_robot_saw_and_did_is_an_episode(tmp_path: Path, policy: Deployable, seen: Array) -> None:
    log, client, _ = opened(tmp_path / "in-use", policy)
    with client, client.websocket_connect("/") as socket:
        assert unpack(socket.receive_bytes())["actions_per_request"] == 1  # each observation is known
        did = []
        for k, obs in enumerate(seen):
            picture = np.full((48, 64, 3), 20 * k, np.uint8)
            request = {"observation": obs, "reset": k == 5, "age": 0.01 * k, "success": k in (4, 5)}
            socket.send_bytes(pack(request | {"pictures": {"wrist": picture}}))
            did.append(unpack(socket.receive_bytes())["actions"][0])
    log.close()
    dataset = Dataset(tmp_path / "in-use")
    first, second = dataset.list()
    assert [info.length for info in (first, second)] == [5, 4]
    assert [info.meta.outcome for info in (first, second)] == ["success", "failure"]
    assert first.meta.device == SERVED
    assert first.meta.origin["client"] == "testclient"
    assert first.meta.obs_names == tuple(policy.manifest["obs_names"])
    episode = dataset.load(first.meta.id)
    np.testing.assert_array_equal(episode.obs, np.concatenate([seen[:5], seen[4:5]]))
    np.testing.assert_array_equal(episode.action, did[:5])
    assert episode.success.tolist() == [False] * 4 + [True] * 2
    assert (episode.signals["latency"] > 0).all()
    timing = dataset.timing(first.meta.id)
    assert (np.diff(timing.wall_time) > 0).all()
    np.testing.assert_allclose(timing.input_age, 0.01 * np.arange(5), atol=1e-6)
    access = access_of(episode, dataset.path)
    assert access.show == "frames"
    shown = access.frames([0, 3], "wrist", 64, 48)
    np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), [0, 60], atol=4)
    assert not list((dataset.path / "journal").iterdir())


def test_a_gap_and_a_client_that_leaves_end_an_episode(tmp_path: Path, policy: Deployable, seen: Array) -> None:
    log, client, _ = opened(tmp_path / "in-use", policy, gap=0.2)
    body = {"observation": seen[0].tolist(), "session": "left arm"}
    with client:
        client.post("/act", json=body)
        time.sleep(0.4)
        client.post("/act", json=body)
        with client.websocket_connect("/") as socket:
            socket.receive_bytes()
            socket.send_bytes(pack({"observation": seen[0]}))
            socket.receive_bytes()
    log.close()
    clients = [info.meta.origin["client"] for info in Dataset(tmp_path / "in-use").list()]
    assert clients == ["left arm", "left arm", "testclient"]


def test_the_oldest_give_way_to_the_limit_and_it_is_told(tmp_path: Path, policy: Deployable, seen: Array) -> None:
    folder = tmp_path / "in-use"
    log, client, told = opened(folder, policy, limit=25_000)
    body = {"observation": seen[0].tolist(), "reset": True}
    with client:
        for number in range(12):
            client.post("/act", json=body)
            while not Dataset(folder).ids() and number == 1:
                time.sleep(0.01)
            if number == 1:
                kept = Dataset(folder).ids()[0]
                Dataset(folder).tag(kept, "look at this")
    log.close()
    assert "gave way" in told[0]
    left = Dataset(folder).ids()
    assert kept in left
    assert 2 <= len(left) < 12
    assert not Dataset(folder).trash()
    log, client, told = opened(folder, policy, limit=1)
    with client:
        assert client.post("/act", json=body).status_code == 200  # a robot is served all the same
    log.close()
    assert any("nothing more is logged" in sentence for sentence in told)
    assert any("1 answers were not logged" in sentence for sentence in told)
    assert Dataset(folder).ids() == (kept,)


def test_a_dataset_of_another_task_is_refused(tmp_path: Path, policy: Deployable) -> None:
    Dataset(tmp_path / "other", create=True, task="push")
    with pytest.raises(InvalidValueError, match="a dataset for push"):
        opened(tmp_path / "other", policy)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"success": 3}, "success"),
        ({"pictures": {"wrist": [1, 2]}}, "pictures"),
        ({"pictures": {"../up": np.zeros((48, 64, 3), np.uint8)}}, "pictures"),
        ({"pictures": {"wrist": np.zeros((48, 64, 3), np.float32)}}, "pictures"),
        ({"pictures": 1}, "pictures"),
    ],
)
def test_what_cannot_be_logged_is_refused(policy: Deployable, seen: Array, request_: Any, told: str) -> None:
    with (
        TestClient(PolicyServer(Serving(policy, ServingOptions()), 8).app()) as client,
        client.websocket_connect("/") as socket,
    ):
        socket.receive_bytes()
        socket.send_bytes(pack({"observation": seen[0]} | request_))
        assert told in socket.receive_text()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_server_saw_is_kept(tmp_path: Path, how: signal.Signals) -> None:
    """A server that is killed leaves its journal; the next one closes the episode, and gives it its pictures."""
    checkpoint, folder = saved(tmp_path, "gaussian"), tmp_path / "home" / "in-use"
    words = ["policy", "serve", str(checkpoint), "--port", "0", "--log", "in-use", "--home", str(tmp_path / "home")]
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(found[0] for line in process.stdout if (found := re.search(r"ws://\S+", line)))
            with connect(address, compression=None) as robot:
                names = unpack(robot.recv())["obs_names"]  # type: ignore[arg-type]
                for _ in range(6):
                    picture = np.zeros((48, 64, 3), np.uint8)
                    robot.send(pack({"observation": np.zeros(len(names), np.float32), "pictures": {"top": picture}}))
                    robot.recv()
                time.sleep(0.6)
                os.kill(process.pid, how)
                process.wait(20)
        finally:
            process.kill()
    manifest = deployable(checkpoint).manifest
    log = ServedLog(folder, manifest, "cloned", limit=MIB, gap=1.0)
    log.close()
    (info,) = Dataset(folder).list()
    assert info.length >= 5
    assert info.meta.frames["top"].frames == info.length + 1
    assert ("recovered" in info.meta.tags) == (how == signal.SIGKILL)


def test_served_episodes_train(tmp_path: Path, policy: Deployable, seen: Array) -> None:
    from robo_rlhf.training.bc import Config, fit

    log, client, _ = opened(tmp_path / "in-use", policy)
    with client:
        for obs in seen:
            client.post("/act", json={"observation": obs.tolist()})
    log.close()
    (episode,) = Dataset(tmp_path / "in-use").load_all()
    learned = fit(Config(policy="gaussian", settings={"width": 8}, updates=3), [episode])
    assert learned.act(seen).shape == (len(seen), trained("act").act_dim)
    assert episode.meta.task == TASK


def test_a_flood_is_served_and_what_is_not_logged_is_counted(
    tmp_path: Path, policy: Deployable, seen: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk does not keep up, steps are missing: what follows is another episode, not the same with a hole."""
    monkeypatch.setattr("robo_rlhf.deploy.served_log.MOST_WAITING", 3000)
    log, client, told = opened(tmp_path / "in-use", policy)
    take, stall = log._take, threading.Event()
    monkeypatch.setattr(log, "_take", lambda *given: (stall.wait(10), take(*given)))
    with client:
        answers = [client.post("/act", json={"observation": obs.tolist()}).status_code for obs in [*seen, *seen]]
        stall.set()
        until = time.monotonic() + 10
        while log._waiting and time.monotonic() < until:
            time.sleep(0.01)
        client.post("/act", json={"observation": seen[0].tolist()})
    log.close()
    assert set(answers) == {200}
    assert log.lost > 0
    assert told[-1] == f"{log.lost} answers were not logged"
    first, second = Dataset(tmp_path / "in-use").list()
    assert first.length + second.length == len(answers) + 1 - log.lost
    assert second.length == 1
