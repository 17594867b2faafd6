"""The requests of the live signal: presses that come once, are taken back, survive, and train a reward that follows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.runs import Run
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.online_reward import FollowConfig, Follower
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.training import reward
from teleop.station.services import Station
from teleop.station.signal.routes import run_of
from tests.data.making import episode

Visit = Callable[..., TestClient]
PRESS: dict[str, Any] = {
    "dataset": "samples/reach",
    "episode": "reach-0",
    "sign": 1,
    "step": 20,
    "rate": 20.0,
    "source": "live",
    "session": "abc",
    "policy": "runs/clone/checkpoints/policy.safetensors",
    "delay": 0.08,
}


def test_a_press_comes_once_and_is_a_row_with_all_that_is_known(visit: Visit, station: Station) -> None:
    client = visit("annotator")
    assert client.post("/api/signal/press", json={**PRESS, "key": "k1"}).json() == {"new": True}
    assert client.post("/api/signal/press", json={**PRESS, "key": "k1"}).json() == {"new": False}
    assert client.post("/api/signal/press", json={**PRESS, "key": "k1", "sign": -1}).status_code == 409
    (row,) = station.store.signals.list()
    assert (row.annotator, row.run, row.dataset, row.episode_id) == ("annotator1", "clone", "samples/reach", "reach-0")
    assert (row.sign, row.step, row.rate, row.source, row.session, row.delay) == (1, 20.0, 20.0, "live", "abc", 0.08)
    assert row.pressed
    where = {"dataset": "samples/reach", "episode": "reach-0"}
    shown = client.get("/api/signal/list", params=where).json()["presses"]
    assert shown == [{"key": "k1", "sign": 1, "step": 20.0}]
    assert visit("annotator").get("/api/signal/list", params=where).json()["presses"] == [], "of another user"

    assert client.post("/api/signal/undo", json={"press": "k1", "key": "u1"}).json() == {"new": True}
    assert client.post("/api/signal/undo", json={"press": "k1", "key": "u1"}).json() == {"new": False}
    assert client.post("/api/signal/undo", json={"press": "k9", "key": "u2"}).status_code == 404
    assert client.get("/api/signal/list", params=where).json()["presses"] == []
    assert len(station.store.signals.list(withdrawn=True)) == 1


def test_what_another_person_left_in_the_browser_is_not_taken(visit: Visit, station: Station) -> None:
    client = visit("annotator")
    assert client.post("/api/signal/press", json={**PRESS, "key": "k1", "person": "somebody"}).status_code == 401
    assert station.store.signals.list() == []


@pytest.mark.parametrize(
    "wrong", [{"sign": 0}, {"step": -1}, {"rate": 0}, {"source": "tv"}, {"delay": -1}, {"key": ""}, {"more": 1}]
)
def test_a_press_that_cannot_be_is_refused(visit: Visit, station: Station, wrong: dict[str, Any]) -> None:
    assert visit("annotator").post("/api/signal/press", json={**PRESS, "key": "k", **wrong}).status_code == 422
    assert station.store.signals.list() == []


def test_the_run_of_a_press() -> None:
    assert run_of("runs/a/b/checkpoints/policy.safetensors", "live") == "a/b"
    assert run_of("", "runs/main/clips") == "main"
    assert run_of("", "live") == ""


def test_a_reward_that_follows_learns_from_presses(visit: Visit, station: Station, reach_home: Path) -> None:
    """Far from the goal is called bad, near it good: the reward of what is near rises over that of what is far."""
    client = visit("annotator")
    dataset = Dataset(reach_home / "samples" / "reach")
    run = Run(station.home / "runs" / "reward", {})
    config = reward.Config(settings={"width": 32, "members": 2}, fit=FitSettings(updates=60, updates_blind=60))
    load = reward.episodes_of(reach_home)
    follower = Follower(FollowConfig(config, updates=60), run, station.store, load, task="reach")
    assert follower.step() is None

    def gap() -> float:
        model = load_reward(run.checkpoint_path("reward"))
        found = []
        for name in dataset.ids():
            episode = dataset.load(name)
            mean, _ = model.predict(episode.obs[:-1], episode.action, episode.obs[1:])
            found.append(float(mean[25:].mean() - mean[:8].mean()))
        return float(np.mean(found))

    def press(name: str, step: int, sign: int) -> None:
        body = {**PRESS, "episode": name, "step": step, "sign": sign, "key": f"{name} {step} {sign}"}
        assert client.post("/api/signal/press", json=body).status_code == 200

    press(dataset.ids()[0], 20, -1)
    first = follower.step()
    assert first is not None
    before = gap()
    for name in dataset.ids():
        press(name, 16, -1)
        press(name, 50, 1)
    update = follower.step()
    assert update is not None
    assert update.answers > first.answers
    assert gap() > max(before, 0.0)
    assert follower.step() is None, "nothing is new"
    client.post("/api/signal/undo", json={"press": f"{dataset.ids()[0]} 50 1", "key": "u"})
    assert follower.step() is not None, "a press that is taken back is news, too"


def test_what_practises_is_listed_and_presses_after_its_end_are_refused(
    visit: Visit, station: Station, home: Path
) -> None:
    client = visit("annotator")
    assert client.get("/api/signal/practice").json() == {"runs": []}
    Dataset(home / "practice" / "deep" / "run", create=True).add(episode("e1", 12, task="reach"))
    (one,) = client.get("/api/signal/practice").json()["runs"]
    assert one == {"run": "deep/run", "dataset": "practice/deep/run", "episode": "e1"}
    body = {**PRESS, "dataset": one["dataset"], "episode": "e1", "policy": "", "source": "replay", "rate": 10.0}
    assert client.post("/api/signal/press", json={**body, "step": 19.0, "key": "p1"}).status_code == 200
    assert station.store.signals.runs() == ["deep/run"]
    late = client.post("/api/signal/press", json={**body, "step": 21.0, "key": "p2"})
    wanted = "press about episode e1: expected at most 0.8 s after its end, which people need to react, got 0.9 s after"
    assert (late.status_code, late.json()["error"].startswith(wanted)) == (422, True)
