"""The policy server: openpi's WebSocket protocol and JSON, limits, and what is refused."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.deploy.export import Deployable, deployable
from robo_rlhf.deploy.server import PolicyServer
from robo_rlhf.deploy.serving import Serving, ServingOptions
from robo_rlhf.deploy.wire import LARGEST, pack, unpack
from tests.deploy.test_export import saved, trained, with_cameras

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> Deployable:
    return deployable(saved(tmp_path_factory.mktemp("gaussian"), "gaussian"))


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Deployable:
    return deployable(saved(tmp_path_factory.mktemp("flow"), "act"))


def client(policy: Deployable, *, clients: int = 4, token: str = "", **options: Any) -> TestClient:
    return TestClient(PolicyServer(Serving(policy, ServingOptions(**options)), clients, token).app())


def sent(obs: Array) -> bytes:
    """Return an observation as openpi's client packs it."""
    array = {b"__ndarray__": True, b"data": obs.tobytes(), b"dtype": obs.dtype.str, b"shape": obs.shape}
    packed: bytes = msgpack.packb({"observation": array})
    return packed


def received(message: bytes) -> Any:
    """Return what openpi's client makes of an answer."""

    def array(found: dict[Any, Any]) -> Any:
        if b"__ndarray__" in found:
            return np.ndarray(buffer=found[b"data"], dtype=np.dtype(found[b"dtype"]), shape=found[b"shape"])
        return found

    return msgpack.unpackb(message, object_hook=array)


@pytest.fixture
def seen(gaussian: Deployable) -> Array:
    return np.random.default_rng(3).standard_normal((9, len(gaussian.manifest["obs_names"]))).astype(np.float32)


def test_the_metadata_comes_first_and_actions_are_those_of_the_policy(gaussian: Deployable, seen: Array) -> None:
    policy = trained("gaussian")
    with client(gaussian) as http, http.websocket_connect("/") as socket:
        told = received(socket.receive_bytes())
        assert told["obs_names"] == gaussian.manifest["obs_names"]
        assert told["actions_per_request"] == 1
        for obs in seen:
            socket.send_bytes(sent(obs))
            answer = received(socket.receive_bytes())
            np.testing.assert_allclose(answer["actions"], policy.act(obs[None]), atol=1e-6)
            assert answer["server_timing"]["infer_ms"] >= 0
            spoken = http.post("/act", json=dict(zip(told["obs_names"], obs.tolist(), strict=True))).json()
            np.testing.assert_allclose(spoken["actions"], answer["actions"], atol=1e-6)


def test_a_connection_is_a_robot_with_a_queue_of_its_own(flow: Deployable, seen: Array) -> None:
    """Two robots that ask in turn get what each would get alone, also after a reset."""
    policies = trained("act"), trained("act")
    with client(flow) as http, http.websocket_connect("/") as one, http.websocket_connect("/") as other:
        for socket in (one, other):
            socket.receive_bytes()
        for k, obs in enumerate(seen):
            for socket, policy, view in ((one, policies[0], obs), (other, policies[1], -obs)):
                socket.send_bytes(sent(view))
                expected = policy.act(view[None])
                np.testing.assert_allclose(
                    received(socket.receive_bytes())["actions"], expected, atol=1e-5, err_msg=f"{k}"
                )
        one.send_bytes(pack({"observation": seen[0], "reset": True}))
        policies[0].reset(1)
        np.testing.assert_allclose(received(one.receive_bytes())["actions"], policies[0].act(seen[:1]), atol=1e-5)


def test_requests_of_one_moment_are_computed_together(gaussian: Deployable, seen: Array) -> None:
    serving, sizes = Serving(gaussian, ServingOptions()), list[int]()
    run = serving.batcher._run
    serving.batcher._run = lambda part, inputs: (sizes.append(len(inputs[0])), run(part, inputs))[1]  # type: ignore[method-assign, func-returns-value]

    async def ask() -> list[dict[str, Any]]:
        return await asyncio.gather(*(serving.session().answer({"observation": obs}) for obs in seen))

    answers = asyncio.run(ask())
    assert max(sizes) > len(seen) // 2
    expected = trained("gaussian").act(seen)
    np.testing.assert_allclose(np.concatenate([answer["actions"] for answer in answers]), expected, atol=1e-6)


def test_the_next_chunk_is_predicted_while_this_one_runs(tmp_path: Path, seen: Array) -> None:
    found = deployable(saved(tmp_path, "recurrent"))
    part = found.manifest["parts"][0]
    horizon, ahead = part["execution_horizon"], 2

    async def drive() -> tuple[list[Array], list[int]]:
        serving, due, steps = Serving(found, ServingOptions(ahead=ahead)), list[int](), list[Array]()
        run = serving.batcher.run

        async def noted(which: int, inputs: Any) -> Array:
            due.append(len(steps))
            return await run(which, inputs)

        serving.batcher.run = noted  # type: ignore[method-assign]
        session = serving.session()
        for obs in seen:
            steps.append((await session.answer({"observation": obs}))["actions"][0])
            await asyncio.sleep(0.01)
        return steps, due

    steps, due = asyncio.run(drive())
    early = [horizon * k - ahead + 1 for k in (1, 2) if horizon * k - ahead + 1 <= len(seen)]
    assert due == [0, *early]  # after the step before the last but one of each chunk
    policy = trained("recurrent")
    policy.reset(1)
    first = [policy.act(obs[None])[0] for obs in seen[:horizon]]
    np.testing.assert_allclose(steps[:horizon], first, atol=1e-5)
    with pytest.raises(InvalidValueError, match="--ahead"):
        Serving(found, ServingOptions(ahead=part["chunk"]))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"\xc1", "no msgpack"),
        (msgpack.packb([1, 2]), "an object"),
        (msgpack.packb({"observation": [1.0]}), "shape"),
        (msgpack.packb({"hand_z": 0.0}), "missing"),
        (msgpack.packb({"nonsense": 0.0}), "unknown: nonsense"),
        (msgpack.packb({"observation": [0.0], "age": -1}), "age"),
        (msgpack.packb({"observation": {b"__ndarray__": True, b"dtype": "O", b"data": b"", b"shape": [1]}}), "array"),
        (
            msgpack.packb(
                {"observation": {b"__ndarray__": True, b"dtype": "<f4", b"data": b"", b"shape": [4000, 4000]}}
            ),
            "array",
        ),
        (
            msgpack.packb(
                {"observation": {b"__ndarray__": True, b"dtype": "(9999,9999)f8", b"data": b"", b"shape": [0]}}
            ),
            "array",
        ),
        (b"\x81" * 5000, "msgpack"),
        (b"\xdd\xff\xff\xff\xff", "msgpack"),
    ],
)
def test_what_is_wrong_is_said_and_the_connection_goes_on(
    gaussian: Deployable, message: bytes, told: str, seen: Array
) -> None:
    with client(gaussian) as http, http.websocket_connect("/") as socket:
        socket.receive_bytes()
        socket.send_bytes(message)
        answer = socket.receive_text()
        assert told in answer
        assert "\n" not in answer
        socket.send_bytes(sent(seen[0]))
        assert received(socket.receive_bytes())["actions"].shape == (1, len(gaussian.manifest["action_names"]))


def test_not_finite_is_named(gaussian: Deployable) -> None:
    names = gaussian.manifest["obs_names"]
    with client(gaussian) as http:
        answer = http.post("/act", json={"observation": [None] + [0.0] * (len(names) - 1)})
        assert answer.status_code == 400
        assert names[0] in answer.json()["error"]


def test_who_may_ask(gaussian: Deployable) -> None:
    with client(gaussian, token=TOKEN) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/metadata").status_code == 401
        assert http.get("/metadata", headers={"Authorization": "Api-Key wrong"}).status_code == 401
        good = {"Authorization": f"Api-Key {TOKEN}"}
        assert http.get("/metadata", headers=good).json()["control_hz"] == pytest.approx(20)
        with pytest.raises(WebSocketDisconnect), http.websocket_connect("/"):
            pass
        with http.websocket_connect("/", headers=good) as socket:
            assert received(socket.receive_bytes())["task"] == "reach"
        page = good | {"Origin": "https://elsewhere.example"}
        assert http.get("/metadata", headers=page).status_code == 403  # a page in somebody's browser


def test_floods_are_refused(gaussian: Deployable, seen: Array) -> None:
    with client(gaussian, clients=2) as http:
        body = {"observation": seen[0].tolist()}
        assert [http.post("/act", json=body | {"session": name}).status_code for name in "aab"] == [200, 200, 200]
        refused = http.post("/act", json=body | {"session": "c"})
        assert refused.status_code == 429
        assert "--clients" in refused.json()["error"]
        with http.websocket_connect("/") as socket:
            assert "--clients" in socket.receive_text()
        assert http.post("/act", content=b" " * (LARGEST + 1)).status_code == 413
        assert http.post("/act", content=b"[" * 100_000).status_code == 400
        assert http.post("/act", json=body | {"session": "x" * 65}).status_code == 400


def test_stale_observations_and_a_dry_run_hold(gaussian: Deployable, seen: Array) -> None:
    with client(gaussian, max_age=0.5, clients=9) as http:
        fresh = http.post("/act", json={"observation": seen[0].tolist(), "age": 0.0}).json()
        assert "held" not in fresh
        stale = http.post("/act", json={"observation": seen[0].tolist(), "age": 2.0}).json()
        assert stale["held"] == "stale"
        assert not np.any(stale["actions"])
    with client(gaussian, dry_run=True) as http:
        told = http.post("/act", json={"observation": seen[0].tolist()}).json()
        assert told["held"] == "dry run"
        assert not np.any(told["actions"])
        np.testing.assert_allclose(told["would_be"], trained("gaussian").act(seen[:1]), atol=1e-6)


def test_messages_come_back_as_they_were() -> None:
    value = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float64(0.5), "c": [1, "x", None, True]}
    found = unpack(pack(value))
    np.testing.assert_array_equal(found["a"], value["a"])
    assert found["b"] == 0.5
    assert found["c"] == value["c"]
    with pytest.raises(TypeError, match="cannot pack"):
        pack({"a": np.array([object()])})
    with pytest.raises(InvalidValueError, match="bytes"):
        unpack(b" " * (LARGEST + 1))


def test_pictures_of_several_cameras_fit_a_message() -> None:
    for side, cameras in (((480, 640), 2), ((224, 224), 8)):
        sent = {f"camera_{k}": np.full((*side, 3), 255, np.uint8) for k in range(cameras)}
        found = unpack(pack({"observation": np.zeros(20, np.float32), "pictures": sent}))
        np.testing.assert_array_equal(found["pictures"]["camera_1"], sent["camera_1"])
    spoken = {name: np.full((224, 224, 3), 255).tolist() for name in ("front", "wrist", "side")}
    assert len(json.dumps({"pictures": spoken})) < LARGEST


def test_a_policy_with_cameras_is_served_pictures_by_name(tmp_path: Path) -> None:
    path, expected, shown = with_cameras(tmp_path, "gaussian")
    found = deployable(path)

    def request(k: int, **changed: Any) -> dict[str, Any]:
        pictures = {name: picture[0].tolist() for name, picture in shown[k].pictures.items()} | changed
        return {"observation": shown[k].columns[0].tolist(), "pictures": pictures}

    with client(found) as http:
        assert http.get("/metadata").json()["pictures"]["wrist"]["shape"] == [16, 16, 3]
        given = [http.post("/act", json=request(k)).json()["actions"][0] for k in range(3)]
        np.testing.assert_allclose(given, expected[:3], atol=1e-5)
        for asked, told in (
            ({"observation": shown[0].columns[0].tolist()}, "pictures: expected those of front, wrist"),
            (request(0, wrist=[[0.5]]), "picture of wrist: numbers of float64"),
            (request(0, side=[[[0, 0, 0]]]), "pictures: unknown: side"),
        ):
            refused = http.post("/act", json=asked)
            assert refused.status_code == 400
            assert told in refused.json()["error"]
        with http.websocket_connect("/") as robot:
            robot.receive_bytes()
            robot.send_bytes(
                pack({"observation": shown[0].columns[0], "pictures": {n: p[0] for n, p in shown[0].pictures.items()}})
            )
            np.testing.assert_allclose(received(robot.receive_bytes())["actions"][0], expected[0], atol=1e-5)


def test_a_chunk_of_a_policy_with_cameras_comes_whole_and_none_ahead(tmp_path: Path) -> None:
    path, _, shown = with_cameras(tmp_path, "act")
    found = deployable(path)
    with pytest.raises(InvalidValueError, match="looks when it predicts"):
        Serving(found, ServingOptions(ahead=1))
    serving = Serving(found, ServingOptions())
    asked = {"observation": shown[0].columns[0], "pictures": {n: p[0] for n, p in shown[0].pictures.items()}}
    answers = [asyncio.run(serving.session().answer(asked))["actions"] for _ in range(2)]
    assert answers[0].shape == (serving.per_request, len(found.manifest["action_names"]))
    assert np.array_equal(*answers)
