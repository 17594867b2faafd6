"""A file never chooses code: no page imports a module that a checkpoint, run, dataset or database names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.records import Question, clip_id
from teleop.station.operate import launch_options
from teleop.station.services import Station
from tests.data.making import episode
from tests.feedback.making import QUESTIONS
from tests.guesting import at_home
from tests.naming_code import THING, fill
from tests.teleop.station.conftest import Visit
from tests.teleop.station.web.test_roles import call, routes_of

VALUES = {"dataset": "named", "episode": "native", "run": "named", "task": THING}


@pytest.fixture
def written(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the module would write; it lies in the current folder, and on the path."""
    fill(station.home)
    with at_home(tmp_path / "code") as folder:
        monkeypatch.setenv("WRITES_A_FILE", str(tmp_path / "written"))
        monkeypatch.chdir(folder)
        yield tmp_path / "written"


def test_no_page_imports_what_files_name(written: Path, app: FastAPI, visit: Visit) -> None:
    client = visit("administrator")
    client.get("/api/library/episodes")
    for name in (name for name in routes_of(app) if name.startswith("GET ")):
        call(client, name)
        parts = [VALUES.get(part.strip("{}"), "1") if part.startswith("{") else part for part in name[4:].split("/")]
        client.get("/".join(parts), params={"task": THING, "dataset": "named"}, headers={"accept": "text/html"})
        assert not written.exists(), name
    assert "writes_a_file" not in sys.modules


def test_a_question_of_a_kind_that_nothing_allows_is_told_and_stays(
    written: Path, visit: Visit, station: Station
) -> None:
    client = visit("annotator")
    for _ in range(2):
        answer = client.post("/api/review/next", json={"have": []})
        assert answer.status_code >= 400
        assert "add --allow writes_a_file" in answer.text
    assert not written.exists()
    clip = QUESTIONS[0].segments[0]
    assert station.store.clips.get(clip_id(QUESTIONS[0].dataset, clip)).state == "good"  # not put aside


def test_a_question_that_is_allowed_comes_before_those_that_are_not(
    written: Path, visit: Visit, station: Station
) -> None:
    Dataset(station.home / "mine", create=True, task="reach").add_many([episode(name, task="reach") for name in "ab"])
    clips = (Segment("a", 0, 3), Segment("b", 0, 3))
    station.store.add_questions([Question("mine", "run", 1, "pairwise", "reach", clips, dataset="mine")])
    client = visit("annotator")
    first = client.post("/api/review/next", json={"have": []})
    assert first.json()["question"]["question"] == "mine"  # the newest of all: others name what nothing allows
    lease = first.json()["question"]["lease"]
    reloaded = client.post("/api/review/next", json={"have": []})
    assert reloaded.json()["question"]["lease"] == lease
    body = {"question": "mine", "lease": lease, "value": {"choice": "A"}, "key": "k"}
    assert client.post("/api/review/answer", json=body).json()["new"]
    assert "add --allow writes_a_file" in client.post("/api/review/next", json={"have": []}).text
    assert not written.exists()


def test_tasks_of_an_allowed_module_are_choices(tmp_path: Path) -> None:
    launch_options.tasks.cache_clear()
    with at_home(tmp_path / "code", ["my_tasks"]):
        found = {choice.name: choice.about for choice in launch_options.tasks()}
    launch_options.tasks.cache_clear()
    assert found["my_tasks:PressButton"] == "Slide a finger along a rail onto a button."
    assert "my_tasks" not in sys.modules
    assert "my_tasks:PressButton" not in {choice.name for choice in launch_options.tasks()}
