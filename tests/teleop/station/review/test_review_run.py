"""A run with human annotators: the review page assigns its questions, and it continues when they are answered."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.answering import HumanAnnotators, page_for
from robo_rlhf.pipeline.config import preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.rollouts.evaluation import Evaluation
from teleop.station.services import Station
from tests.teleop.station.conftest import Visit

LABELS, LAST = 6, 3  # questions of the round; two pairs and a rating about the last policy
PATIENCE = 120.0  # [s]


@pytest.fixture
def home(home: Path, reach_home: Path) -> Path:
    shutil.copytree(reach_home, home)
    return home


def test_a_run_goes_on_when_people_have_answered(
    home: Path, station: Station, visit: Visit, capsys: pytest.CaptureFixture[str]
) -> None:
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    config = preset("tiny", task="reach", demos=4, labels=LABELS, rounds=1, annotator="human", alarm_questions=2)
    path = home / "runs" / "asked"
    found: list[tuple[Evaluation, Evaluation]] = []
    job = threading.Thread(
        target=lambda: found.append(run_loop(config, path, home, annotators=HumanAnnotators(home, path)))
    )
    job.start()
    client = visit("annotator")
    answered: list[Any] = []
    pause, ended = threading.Event(), threading.Timer(PATIENCE, lambda: None)
    ended.start()
    while len(answered) < LABELS + LAST and ended.is_alive():
        question = client.post("/api/review/next", json={}).json()["question"]
        if question is None:
            pause.wait(0.2)
            continue
        assert question["clips"][0]["frames"] == config.clip_steps + 1
        body = {"question": question["question"], "lease": question["lease"], "seconds": 2.0}
        value = question["controls"][len(answered) % 2]["value"]
        value = {"ratings": {"overall": 3}} if question["kind"] == "rating" else value
        said = client.post("/api/review/answer", json={**body, "value": value, "key": f"k{len(answered)}"})
        assert said.json()["counts"] is True
        answered.append(question["question"])
    ended.cancel()
    job.join(PATIENCE)
    assert not job.is_alive()
    assert found[0][1].episodes == config.episodes
    assert len(set(answered)) == LABELS + LAST
    assert {answer.annotator for answer in station.store.answers()} == {"annotator1"}
    assert page_for("reach") in capsys.readouterr().err
