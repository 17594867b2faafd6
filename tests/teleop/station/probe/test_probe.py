"""The requests of the policy probe page: pictures, rollouts, rewards, questions for people; and permissions."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.data.dataset import Dataset
from teleop.station.app import create_app
from teleop.station.media.scenes import HEAD
from teleop.station.services import Station
from teleop.station.web.security import CSRF_HEADER
from tests.data.making import episode
from tests.teleop.policy_probe.making import FLOW, PLAIN, REWARD, ask_home
from tests.teleop.station.conftest import ORIGIN

AHEAD = {"seconds": 0.5}


@pytest.fixture(scope="module")
def asking(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station for all tests of this file, since its process takes seconds to start."""
    station = Station(ask_home(reach_home, tmp_path_factory.mktemp("asking") / "home"))
    yield station
    station.close()


@pytest.fixture
def client(asking: Station) -> Iterator[TestClient]:
    """An annotator's browser."""
    with_origin = {"origin": ORIGIN}
    client = TestClient(create_app(asking), base_url=ORIGIN, headers=with_origin, raise_server_exceptions=False)
    known = {person.name: person for person in asking.people.list()}
    person = known.get("ann") or asking.people.add("ann", "annotator")
    assert client.post("/enter", json={"token": asking.people.sessions.link(person)}).status_code == 200
    client.headers[CSRF_HEADER] = client.get("/session").json()["csrf"]
    yield client
    client.close()


@pytest.fixture
def frame(asking: Station) -> dict[str, Any]:
    """A frame to ask about."""
    return {"dataset": "samples/reach", "episode": Dataset(asking.home / "samples/reach").ids()[0], "frame": 6}


def test_futures_of_what_people_cannot_be_shown_are_not_recorded(client: TestClient, asking: Station) -> None:
    stateless = replace(episode("outside", task="Reacher-v5"), state=np.zeros((13, 0)))
    Dataset(asking.home / "elsewhere", create=True, task="Reacher-v5").add(stateless)
    body = {"dataset": "elsewhere", "episode": "outside", "frame": 3, "policy": FLOW, "other": PLAIN, "seconds": 0.5}
    answer = client.post("/api/ask/compare", json=body)
    assert answer.status_code == 409
    assert "Episode outside cannot be entered by a state. Its frames are entered by a replay" in answer.json()["error"]
    assert not (asking.home / "comparisons" / "Reacher-v5").exists()


def test_an_annotator_asks_and_gets_pictures_numbers_and_clips(client: TestClient, frame: dict[str, Any]) -> None:
    seen = client.get("/api/ask/look", params={**frame, "policy": FLOW, "width": 160}).json()
    assert base64.b64decode(seen["picture"])[:2] == b"\xff\xd8"
    assert len(seen["actions"]) == 8
    assert seen["names"] == ["x", "y", "z", "yaw", "gripper"]
    assert seen["chance"]
    future = client.get("/api/ask/predict", params={**frame, **AHEAD, "policy": FLOW, "reward": REWARD, "width": 160})
    found = future.json()
    assert (found["steps"], found["frame"]) == (10, 6)
    assert len(found["worth"]["mean"]) == len(found["worth"]["spread"]) == 10
    assert found["picture"] != seen["picture"]
    clip = client.get(f"/ask/clip/{found['id']}", params={"width": 160})
    assert (clip.status_code, clip.headers["content-type"]) == (200, "video/mp4")
    assert client.get("/ask/clip/none").status_code == 404
    assert [mark["kind"] for mark in seen["marks"]] == ["arrow"] * 8
    assert {mark["kind"] for mark in found["marks"]} == {"trail"}
    unseen = client.get("/api/ask/look", params={**frame, "policy": FLOW, "picture": False}).json()
    assert (unseen["picture"], unseen["marks"]) == ("", seen["marks"])  # for a page that draws them itself
    poses = client.get(f"/ask/poses/{found['id']}").content
    length = HEAD.unpack_from(poses)[1]
    assert json.loads(poses[HEAD.size : HEAD.size + length])["frames"] == found["steps"] + 1
    assert client.get("/ask/poses/none").status_code == 404
    judged = client.get(
        "/api/ask/judge", params={"dataset": frame["dataset"], "episode": frame["episode"], "reward": REWARD}
    ).json()
    assert len(judged["worth"]["mean"]) == len(judged["moments"]) == 60
    assert judged["looks"]["words"].endswith(".")
    assert sum(judged["looks"]["shares"].values()) == pytest.approx(1.0)


def test_a_comparison_is_a_question_that_waits_once(client: TestClient, asking: Station, frame: dict[str, Any]) -> None:
    asked = client.post("/api/ask/compare", json={**frame, **AHEAD, "policy": FLOW, "other": PLAIN}).json()
    again = client.post("/api/ask/compare", json={**frame, **AHEAD, "policy": PLAIN, "other": FLOW}).json()
    assert asked["new"]
    assert not again["new"]
    assert again["question"] == asked["question"]
    (question,) = asking.store.questions(run="ask")
    assert (question.id, question.kind, question.task) == (asked["question"], "pairwise", "reach")
    assert {clip.episode_id for clip in question.segments} == set(asked["episodes"])
    assert {(clip.start, clip.length) for clip in question.segments} == {(6, 10)}
    assert question.meta["asked_by"] == "ann"
    assert question.meta["from"] == {**frame}
    assert sorted(question.meta["policies"]) == sorted([FLOW, PLAIN])
    shown = client.post("/api/review/next", json={"run": "ask"}).json()["question"]
    assert shown["question"] == question.id
    for clip in shown["clips"]:
        assert client.get(clip["address"], params={"width": 160}).status_code == 200
    assert "flow" not in str(shown)


def test_what_goes_wrong_is_said_in_words(client: TestClient, frame: dict[str, Any]) -> None:
    look = {**frame, "policy": PLAIN, "width": 160}
    for change, status, words in (
        ({"frame": 999}, 422, "frame of episode"),
        ({"policy": "runs/none.safetensors"}, 404, "No checkpoint"),
        ({"policy": "../../etc/passwd"}, 404, "must lie in the data home"),
        ({"policy": REWARD}, 422, "holds no policy|a policy"),
        ({"episode": "none"}, 404, "No episode"),
        ({"dataset": "../samples/reach"}, 404, "No dataset"),
        ({"width": 161}, 422, "width"),
        ({"camera": "none"}, 404, "camera"),
    ):
        answer = client.get("/api/ask/look", params={**look, **change})
        assert answer.status_code == status, answer.text
        assert any(word in answer.json()["error"] for word in words.split("|")), answer.text
    same = client.post("/api/ask/compare", json={**frame, **AHEAD, "policy": PLAIN, "other": PLAIN})
    assert (same.status_code, "two different" in same.text) == (422, True)


def test_choices_name_policies_and_rewards(client: TestClient, frame: dict[str, Any]) -> None:
    found = client.get("/api/ask/choices").json()
    assert {policy["path"] for policy in found["policies"]} == {FLOW, PLAIN}
    assert found["rewards"] == [{"path": REWARD, "task": "reach"}]
    assert "reach" in [task["name"] for task in found["tasks"]]
