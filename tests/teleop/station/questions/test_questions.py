"""Questions made from pages, disputed ones settled, gold made of answers, and one's own answers changed."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.quality.predictions import keep_predictions
from robo_rlhf.feedback.store import Question, question_id
from teleop.station.questions.making import make_questions
from teleop.station.services import Station
from tests.data.making import episode
from tests.teleop.station.conftest import Visit

ASKED: dict[str, Any] = {"place": "runs/one", "task": "reach", "kind": "pairwise", "count": 3, "seconds": 0.3}


@pytest.fixture(autouse=True)
def episodes(home: Path, station: Station) -> None:
    dataset = Dataset(home / "runs" / "one" / "episodes", create=True, task="reach")
    dataset.add_many(episode(f"e{number}", steps=12, seed=number, task="reach") for number in range(4))
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)


def settle(client: TestClient, question: str, act: str, value: dict[str, Any] | None = None) -> int:
    body = {"question": question, "act": act, "value": value or {}}
    return client.post("/api/questions/settle", json=body).status_code


@pytest.mark.parametrize("kind", sorted(name for name in KINDS if KINDS[name].of_recordings))
def test_questions_of_every_kind_are_made_once_and_the_same_each_time(home: Path, kind: str) -> None:
    def make() -> list[Question]:
        return make_questions(home, "runs/one", "reach", kind, 4, seconds=0.3, overlap=2, run="asked-1")

    made = make()
    assert made == make()
    assert len({question.id for question in made}) == 4
    for question in made:
        assert len(question.segments) in KINDS[kind].num_clips
        assert len({clip.episode_id for clip in question.segments}) == len(question.segments)
        assert all(clip.start >= 0 and clip.start + clip.length <= 12 for clip in question.segments)
        assert kind != "success" or question.segments[0].start + question.segments[0].length == 12


def test_people_are_asked_what_a_page_made(visit: Visit, station: Station) -> None:
    client = visit("operator")
    answer = client.post("/api/questions", json=ASKED)
    assert answer.json() == {"run": "asked-1", "count": 3}, answer.text
    assert client.post("/api/questions", json={**ASKED, "kind": "rating", "people": 2}).json()["run"] == "asked-2"
    assert {(q.kind, q.overlap) for q in station.store.questions("asked-2")} == {("rating", 2)}
    assert visit("annotator").post("/api/review/next", json={"run": "asked-1"}).json()["question"]["kind"] == "pairwise"
    for wrong in (
        {"kind": "none"},
        {"kind": "actions"},
        {"place": "runs/../x"},
        {"place": "nowhere"},
        {"task": "push"},
        {"count": 501},
    ):
        assert client.post("/api/questions", json={**ASKED, **wrong}).status_code in (404, 422)
    assert len(station.store.questions()) == 6


def test_a_disputed_question_is_settled_or_asked_on_and_becomes_gold(visit: Visit, station: Station) -> None:
    clips = (Segment("e0", 0, 5), Segment("e1", 0, 5))
    name = question_id("one", 0, "pairwise", clips)
    asked = Question(name, "one", 0, "pairwise", "reach", clips, "runs/one/episodes", overlap=2)
    other = Question("other", "one", 0, "pairwise", "reach", clips, "runs/one/episodes", overlap=2)
    station.store.add_questions([asked, other])
    for person, choice in (("anna", "A"), ("ben", "B")):
        value = {"choice": choice}
        station.store.submit(SubmittedAnswer(name, person, "human", value, person, 3.0, None, None))
        value = {"choice": "A"}
        station.store.submit(SubmittedAnswer("other", person, "human", value, f"{person} 2", 3.0, None, None))
    client = visit("operator")
    (row,) = client.get("/api/questions/answered?disputed=1").json()["questions"]
    assert (row["id"], row["agree"], row["prompt"]) == (name, 0.0, KINDS["pairwise"].prompt)
    given = {one["annotator"]: one["words"] for one in row["answers"]}
    assert given == {"ben": "B is better", "anna": "A is better"}
    assert len(client.get("/api/questions/answered").json()["questions"]) == 2
    assert settle(client, name, "more") == 200
    assert [question.overlap for question in station.store.questions() if question.id == name] == [4]
    assert settle(client, name, "accept", {"choice": "A"}) == 200
    accepted = {a.annotator: dict(a.value) for a in station.store.answers() if a.question_id == name}
    assert accepted["operator1"] == {"choice": "A"}
    assert settle(client, name, "gold", {"choice": "A", "note": "clear"}) == 200
    assert settle(client, name, "practice", {"choice": "A"}) == 200
    known = {one.question: one.expected for one in station.store.gold.list()}
    roles = {question.id: question.role for question in station.store.questions()}
    assert sorted(roles[one] for one in known) == ["gold", "practice"]
    assert all(expected == {"choice": "A"} for expected in known.values())
    assert roles[name] == "work"
    assert settle(client, name, "gold") == 422
    assert settle(client, "none", "gold", {"choice": "A"}) == 404


def test_own_answers_are_listed_and_asked_again(visit: Visit, station: Station) -> None:
    visit("operator").post("/api/questions", json=ASKED)
    client = visit("annotator")
    question = client.post("/api/review/next", json={}).json()["question"]
    sent = {"question": question["question"], "lease": question["lease"], "value": {"choice": "A"}, "key": "first key"}
    assert client.post("/api/review/answer", json=sent).status_code == 200
    (mine,) = client.get("/api/questions/mine").json()["answers"]
    assert (mine["words"], mine["question_id"], len(mine["clips"])) == ("A is better", question["question"], 2)
    assert mine["chance"] is None
    assert visit("annotator").get("/api/questions/mine").json()["answers"] == []
    again = {"question": mine["question_id"], "lease": mine["lease"], "key": "taken back key"}
    assert client.post("/api/review/undo", json=again).status_code == 200
    assert client.post("/api/review/next", json={}).json()["question"]["question"] == question["question"]
    assert client.get("/api/questions/mine").json()["answers"] == []


def test_people_see_where_a_reward_expects_otherwise_and_the_lead_sees_it_of_all(
    visit: Visit, station: Station, home: Path
) -> None:
    visit("operator").post("/api/questions", json=ASKED)
    client, given = visit("annotator"), dict[str, float]()
    for number, chance in enumerate((0.2, 0.9)):
        question = client.post("/api/review/next", json={}).json()["question"]
        about = {"question": question["question"], "lease": question["lease"]}
        sent = {**about, "value": {"choice": "A"}, "key": f"key number {number}"}
        assert client.post("/api/review/answer", json=sent).status_code == 200
        given[about["question"]] = chance
    person, newest = station.store.answers()[0].annotator, max(answer.number for answer in station.store.answers())
    keep_predictions(home / "runs" / "one", {person: given}, newest)
    mine = client.get("/api/questions/mine").json()["answers"]
    assert {one["question_id"]: one["chance"] for one in mine} == given
    assert client.get("/api/questions/surprises").status_code == 403
    found = visit("operator").get("/api/questions/surprises?task=reach").json()
    assert found["people"] == {person: {"right": 1, "of": 2}}
    (row,) = found["otherwise"]
    assert (given[row["id"]], row["words"], len(row["clips"])) == (0.2, "A is better", 2)
    assert visit("operator").get("/api/questions/surprises?task=push").json() == {"people": {}, "otherwise": []}
    keep_predictions(home / "runs" / "one", {person: given}, newest - 1)  # the last answer is newer than the reward
    chances = [one["chance"] for one in client.get("/api/questions/mine").json()["answers"]]
    assert chances == [None, 0.2]
