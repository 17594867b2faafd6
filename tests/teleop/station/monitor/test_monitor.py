import json
import os
import time
from pathlib import Path

import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.processes.heartbeat import keep_heartbeat
from teleop.station.monitor.clips import ASKED, EVALUATED
from teleop.station.monitor.label_counts import LabelCounts
from teleop.station.monitor.runs import RunIndex
from teleop.station.monitor.view import run_view
from teleop.station.review.live_reward import LiveReward
from teleop.station.services import Station
from tests.data.making import episode
from tests.feedback.making import make_question
from tests.teleop.station.conftest import Visit


def long_ago(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - 90_000,) * 2)


def test_what_a_run_is_doing(home: Path) -> None:
    book, runs = RunIndex(home), home / "runs"
    assert book.runs() == []
    Run(runs / "done", {"task": "reach"}).finish({"before": {}, "after": {}})
    Run(runs / "gone", {"task": "reach"})
    long_ago(runs / "gone")
    broken = Run(runs / "broken", {})
    with pytest.raises(ValueError, match="no luck"), keep_heartbeat(broken):
        raise ValueError("no luck")
    asking = Run(runs / "asking", {"annotator": "human", "demos": 3})
    asking.child("round-1/answer", {})
    book = RunIndex(home)
    with keep_heartbeat(Run(runs / "busy", {"task": "lift", "algorithm": "ppo"})), keep_heartbeat(asking):
        lines = {line.name: line for line in RunIndex(home).runs()}
        until = time.monotonic() + 20
        while lines["busy"].state != "working" and time.monotonic() < until:
            time.sleep(0.05)
            lines = {line.name: line for line in RunIndex(home).runs()}
    states = {name: line.state for name, line in lines.items()}
    assert states == {
        "done": "finished",
        "gone": "stopped",
        "broken": "failed",
        "busy": "working",
        "asking": "waiting",
    }
    assert lines["broken"].why == "no luck"
    assert (lines["busy"].kind, lines["asking"].kind) == ("ppo", "main")
    assert {line.name: line.state for line in RunIndex(home).runs()}["busy"] == "stopped"


@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl", "config.json", "result.json", "alive.json"])
def test_a_pipe_in_a_run_hides_no_other_and_keeps_nobody_waiting(home: Path, name: str) -> None:
    for run in ("odd", "whole"):
        Run(home / "runs" / run, {"task": "reach"}).log(1, {"loss": 0.5})
    (home / "runs" / "odd" / name).unlink(missing_ok=True)
    os.mkfifo(home / "runs" / "odd" / name)
    book = RunIndex(home)
    lines = {line.name: line for line in book.runs()}
    assert "whole" in lines
    views = {run: run_view(book, line, {}) for run, line in lines.items()}
    assert views["whole"]["curves"]


def test_only_what_is_new_of_a_curve_is_sent(home: Path, visit: Visit) -> None:
    run = Run(home / "runs" / "job", {"task": "reach", "demos": 1})
    tuning = run.child("round-1/finetune", {})
    for step in range(1, 6):
        tuning.log(step, {"reward": step / 10, "odd": float("nan")})
    client = visit("annotator")
    (curve,) = client.get("/api/monitor/run", params={"name": "job"}).json()["curves"]
    assert (curve["track"], curve["round"], curve["from"]) == ("finetune", 1, 0)
    assert curve["step"] == [1, 2, 3, 4, 5]
    assert curve["values"] == {"reward": [0.1, 0.2, 0.3, 0.4, 0.5]}
    tuning.log(6, {"reward": 0.6})
    have = f"round-1/finetune:{curve['epoch']}:5"
    (curve,) = client.get("/api/monitor/run", params={"name": "job", "have": have}).json()["curves"]
    assert (curve["from"], curve["step"], curve["values"]) == (5, [6], {"reward": [0.6]})
    tuning.rewind_metrics(2)
    (curve,) = client.get("/api/monitor/run", params={"name": "job", "have": have}).json()["curves"]
    assert (curve["from"], curve["step"]) == (0, [1, 2])
    for nonsense in ("", ":", "a:b:c", "round-1/finetune:99999999999999999999:1"):
        assert client.get("/api/monitor/run", params={"name": "job", "have": nonsense}).status_code == 200
    for name in ("none", "../runs", "", "."):
        assert client.get("/api/monitor/run", params={"name": name}).status_code == 404


def test_what_is_told_of_a_main_job(home: Path) -> None:
    run = Run(home / "runs" / "job", {"task": "reach", "demos": 1, "gate": True})
    (run.path / "before").mkdir()
    (run.path / "before" / "result.json").write_text(json.dumps({"success_end": [True, True, False, False]}))
    bins = [{"confidence": 0.8, "accuracy": 0.75, "answers": 8}]
    held = {"answers": 10, "sided": 8, "accuracy": 0.75, "log_loss": 0.5, "ece": 0.05, "bins": bins}
    said = {"held_out": held, "trained": {"answers": 40}, "agreement": {"between_people": 0.9, "pairs": 3}}
    learning = run.child("round-1/reward", {})
    learning.log(50, {"loss": 1.0})
    learning.finish(said)
    tuning = run.child("round-1/finetune", {})
    rows = []
    for step in range(1, 21):
        tuning.log(step, {"reward": float(step)})
        rows.append({"step": step, "episodes": 64, "success": 1.0 - step / 25, "return": 5.0, "return_std": 1.0})
    (tuning.path / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run.event("gate", round=1, accepted=False, reason="refused: shown to be worse", difference={"value": -0.5})
    book = RunIndex(home)
    (line,) = book.runs()
    found = run_view(book, line, {})
    assert found["evaluations"][0]["name"] == "cloned"
    assert found["evaluations"][0]["low"] < 0.5 < found["evaluations"][0]["high"]
    (model,) = found["reward"]
    assert (model["answers"], model["held_out"], model["accuracy"]["value"]) == (40, 8, 0.75)
    assert model["bins"][0]["low"] < 0.75 < model["bins"][0]["high"]
    assert found["people_agree"] == 0.9
    assert [gate["accepted"] for gate in found["gates"]] == [False]
    (alarm,) = found["alarms"]
    assert alarm["stage"] == "round-1/finetune"
    assert "the learned reward rose" in alarm["why"]
    truth = found["truth"][0]["rows"]
    assert truth[0]["low"] < truth[0]["success"] < truth[0]["high"]
    assert "refused" in found["events"][0]["text"]
    json.dumps(found, allow_nan=False)


def test_some_episodes_of_every_evaluation_can_be_watched(home: Path, visit: Visit) -> None:
    run = Run(home / "runs" / "job", {"task": "reach", "demos": 1})
    asked = Dataset(run.path / ASKED, create=True)
    asked.add_many([episode(name) for name in ("r0-000", "r2-7", "r1-4", "r1-1", "r1-3", "r1-2", "odd")])
    shown = ("after-1000000", "before-1000000", "round-2-gate-5", "round-1-gate-5", "round-2-begun-5", "round-1-odd-5")
    Dataset(run.path / EVALUATED, create=True).add_many([episode(name, outcome="success") for name in shown])
    (asked.path / "episodes" / "r2-8.parquet").write_bytes(b"broken")
    found = visit("annotator").get("/api/monitor/run", params={"name": "job"}).json()["clips"]
    assert {one["name"]: [shown["episode"] for shown in one["episodes"]] for one in found} == {
        "before fine-tuning": ["before-1000000"],
        "round 1, asked about": ["r1-1", "r1-2", "r1-3"],
        "round 1, fine-tuned": ["round-1-gate-5"],
        "round 2, asked about": ["r2-7", "r2-8"],
        "round 2, fine-tuned": ["round-2-gate-5"],
        "round 2, compared with the first": ["round-2-begun-5"],
        "the result": ["after-1000000"],
    }
    assert [one["name"] for one in found][-1] == "the result"
    assert [one["dataset"] for one in found[:2]] == ["evaluations", "episodes"]
    assert [one["outcome"] for one in found[0]["episodes"]] == ["success"]
    assert found[3]["episodes"][1]["outcome"] == ""
    client = visit("annotator")
    for poster in (True, False):
        refused = client.get("/monitor/clip/job/episodes/r2-8", params={"poster": poster})
        assert (refused.status_code, refused.json()["code"]) == (410, "broken")
    for place in ("job/episodes/r9-1", "job/clone/r1-1", "none/episodes/r1-1", "job/episodes/..%2F..%2Fconfig"):
        assert client.get(f"/monitor/clip/{place}").status_code in (404, 422)


def test_labels_of_people_and_of_teachers_are_counted_apart(home: Path) -> None:
    with Store(home / "feedback.db") as store:
        questions = [make_question(i) for i in range(4)]
        store.add_questions(questions)
        for i, question in enumerate(questions[:3]):
            who, kind = (("anna", "human"), ("ben", "human"), ("teacher", "simulated"))[i]
            sent = SubmittedAnswer(question.id, who, kind, {"choice": "A"}, str(i), 90.0 if i else 5000.0, None, None)  # type: ignore[arg-type]
            store.submit(sent)
        book = LabelCounts(lambda: store)
        assert book.of("run") is None
        until = time.monotonic() + 20
        while (found := book.of("run")) is None and time.monotonic() < until:
            time.sleep(0.02)
        book.close()
        assert found is not None
        assert (found["human"], found["simulated"], found["waiting"]) == (2, 1, 1)
        assert found["minutes"] == pytest.approx((120 + 90) / 60)  # nobody looks at one question for an hour


def test_the_model_that_follows_is_found_by_run_or_task(home: Path) -> None:
    live = LiveReward(RunIndex(home))
    every = Run(home / "runs" / "every", {"algorithm": "reward", "follow": True, "task": "reach", "asked_by": ""})
    own = Run(home / "runs" / "own", {"algorithm": "reward", "follow": True, "task": "reach", "asked_by": "job"})
    for number, run in enumerate((every, own)):
        run.log(1, {"answers": 10 + number, "held_out/accuracy": 0.8, "held_out/sided": 9})

    def newest(run: str | None, task: str | None) -> str | None:
        until = time.monotonic() + 20
        while live.newest(None, "reach") is None and time.monotonic() < until:
            time.sleep(0.02)
        found = live.newest(run, task)
        return found["run"] if found else None

    assert newest("job", "reach") == "own"
    assert newest(None, "reach") == "every"
    assert newest("other", "reach") == "every"
    assert newest(None, "lift") is None


def test_people_are_told_what_their_answers_did(home: Path, station: Station, visit: Visit) -> None:
    """In a run that practises while they answer: theirs alone, of this round."""
    run = Run(home / "runs" / "job", {"demos": 4, "task": "reach", "meanwhile": True})
    run.event("session")
    for number in (1, 2, 10):
        follows = run.child(f"round-{number}/finetune/meanwhile", {})
        follows.log(3, {"answers": 20.0 + number, "held_out/accuracy": 0.75, "held_out/sided": 8.0})
        follows.event("answers taken up", after=2, until=5, changed=3, of=40)
    clips = [Segment(f"e{i}", 0, 5) for i in range(7)]
    asked = [Question(f"q{i}", "job", 1, "pairwise", "reach", (clips[i], clips[i + 1]), "data") for i in range(6)]
    station.store.add_questions(asked)
    client = visit("annotator")
    for i, question in enumerate(asked):
        station.store.answer(question.id, "other" if i == 3 else "annotator1", {"choice": "A"}, key=question.id)
    until, told = time.monotonic() + 20, {"taken": ""}
    while not told["taken"] and time.monotonic() < until:
        told = client.get("/api/monitor/learning", params={"task": "reach"}).json()
        time.sleep(0.02)
    assert told["taken"] == "Your last 2 answers are in: the reward changed its mind about 3 of 40 questions."
    assert told["model"] == {"run": "job", "answers": 30, "accuracy": 0.75, "of": 8}


def test_the_page_waits_for_nothing(station: Station, visit: Visit) -> None:
    client = visit("annotator")
    assert client.get("/monitor").status_code == 200
    assert client.get("/api/monitor/runs").json() == {"runs": []}
    assert client.get("/api/monitor/learning").json() == {"model": None, "rolledBack": "", "taken": ""}
