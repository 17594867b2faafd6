"""The requests of the review page: questions with clips by name, answers that come once, and what cannot be shown."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.records import order_of
from robo_rlhf.feedback.store import Question, question_id
from robo_rlhf.feedback.tables import leases
from teleop.station.services import Station
from tests.data.making import episode, flip
from tests.teleop.station.conftest import Visit

STEPS = 12
NEXT, ANSWER, UNDO = "/api/review/next", "/api/review/answer", "/api/review/undo"


@pytest.fixture(autouse=True)
def episodes(home: Path, station: Station) -> Dataset:
    dataset = Dataset(home / "runs" / "one" / "episodes", create=True, task="reach")
    for number in range(6):
        dataset.add(episode(f"e{number}", steps=STEPS, seed=number, task="reach"))
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    return dataset


@pytest.fixture
def client(visit: Visit) -> Iterator[TestClient]:
    return visit("annotator")


def add(station: Station, kind: str = "pairwise", count: int = 1, **fields: Any) -> list[Question]:
    clips = KINDS[kind].num_clips.start if "clips" not in fields else fields.pop("clips")
    asked = []
    for number in range(count):
        chosen = tuple(Segment(f"e{place}", number, 5) for place in range(clips))
        name = question_id("one", number, kind, chosen)
        given = {"dataset": "runs/one/episodes", **fields}
        asked.append(Question(name, "one", number, kind, "reach", chosen, **given))
    station.store.add_questions(asked)
    return asked


def ask(client: TestClient, **body: Any) -> Any:
    answer = client.post(NEXT, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["question"]


def say(client: TestClient, question: Any, value: Any, key: str = "k1", **more: Any) -> Any:
    body = {"question": question["question"], "lease": question["lease"], "value": value, "key": key, **more}
    return client.post(ANSWER, json=body)


def take_back(client: TestClient, question: Any, key: str) -> Any:
    return client.post(UNDO, json={"question": question["question"], "lease": question["lease"], "key": key})


def show(station: Station, lease: int, order: str) -> None:
    """Have a person see the clips in this order."""
    change = leases.update().where(leases.c.number == lease).values(shown=order)
    station.store.database.write(lambda connection: connection.execute(change))


def test_a_question_is_drawn_from_what_its_kind_declares(client: TestClient, station: Station) -> None:
    add(station)
    question = ask(client)
    assert (question["prompt"], question["layout"], question["task"]) == (KINDS["pairwise"].prompt, "choice", "reach")
    assert [clip["label"] for clip in question["clips"]] == ["A", "B"]
    assert sorted(clip["name"] for clip in question["clips"]) == ["A", "B"]
    assert [(clip["frames"], clip["fps"]) for clip in question["clips"]] == [(6, 20.0)] * 2
    assert "purpose" not in question
    assert ask(client, have=[question["lease"]]) is None


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_answers_name_clips_and_not_sides(order: str, client: TestClient, station: Station) -> None:
    add(station)
    lease = ask(client)["lease"]
    show(station, lease, order)
    question = ask(client)  # loaded anew
    assert [clip["name"] for clip in question["clips"]] == list(order)
    left = question["controls"][0]
    assert left["label"] == "A is better"  # on the screen A stands on the left
    assert left["value"] == {"choice": order[0]}
    assert say(client, question, left["value"]).json() == {"new": True, "counts": True, "feedback": None}
    (stored,) = station.store.answers()
    assert (stored.value, stored.shown) == ({"choice": order[0]}, order)


@pytest.mark.parametrize("clips", [3, 4])
def test_every_order_on_the_screen_gives_the_same_ranking(clips: int, client: TestClient, station: Station) -> None:
    orders = ["".join(order) for order in itertools.permutations(CLIP_NAMES[:clips])]
    (asked,) = add(station, "ranking", clips=clips)
    question = ask(client)
    for number, order in enumerate(orders):
        show(station, question["lease"], order)
        question = ask(client)
        assert "".join(clip["name"] for clip in question["clips"]) == order
        best_first = sorted(question["clips"], key=lambda clip: asked.segments[CLIP_NAMES.index(clip["name"])])
        value = {"ranking": [[clip["name"]] for clip in best_first]}
        assert say(client, question, value, f"k{number}").status_code == 200
        (answer,) = station.store.answers()
        target = KINDS["ranking"].target(answer.value, asked.segments)
        assert answer.shown == order
        assert target is not None
        np.testing.assert_array_equal(target.values, np.arange(clips))
        take_back(client, question, f"u{number}")


def test_the_order_is_drawn_anew_for_each_question(client: TestClient, station: Station) -> None:
    add(station, count=7)
    have: list[int] = []
    orders = set()
    for _ in range(7):
        question = ask(client, have=have)
        have.append(question["lease"])
        orders.add("".join(clip["name"] for clip in question["clips"]))
    assert orders <= {"AB", "BA"}
    held = station.store.leases.held_by("annotator1")
    assert {handed.lease: handed.shown for handed in held}.keys() == set(have)
    assert all(handed.order == order_of(handed.shown) for handed in held)


def test_an_answer_comes_once_and_another_with_its_key_is_refused(client: TestClient, station: Station) -> None:
    add(station)
    question = ask(client)
    value = {"choice": "A", "note": "smoother"}
    assert say(client, question, value, seconds=3.5).json()["new"] is True
    assert say(client, question, value, seconds=3.5).json()["new"] is False
    refused = say(client, question, {"choice": "B"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    (stored,) = station.store.answers()
    assert (stored.value, stored.response_time, stored.annotator) == (value, 3.5, "annotator1")


def test_an_answer_that_is_taken_back_leaves_the_question_open(client: TestClient, station: Station) -> None:
    add(station)
    question = ask(client)
    say(client, question, {"choice": "A"})
    assert take_back(client, question, "k2").json()["new"] is True
    assert station.store.answers() == []
    again = ask(client)
    assert (again["lease"], again["clips"]) == (question["lease"], question["clips"])
    assert say(client, again, {"choice": "B"}, "k3").json()["counts"] is True
    assert [answer.value["choice"] for answer in station.store.answers()] == ["B"]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: flip(path, 4000)])
def test_a_clip_that_cannot_be_shown_is_put_aside_and_the_next_comes(
    spoil: Callable[[Path], None], client: TestClient, station: Station, home: Path
) -> None:
    add(station, count=2)
    chosen = (Segment("e4", 0, 5), Segment("e5", 0, 5))
    good = Question("good", "one", 9, "pairwise", "reach", chosen, "runs/one/episodes")
    station.store.add_questions([good])
    spoil(home / "runs/one/episodes/episodes/e0.parquet")
    assert ask(client)["question"] == "good"
    aside = station.store.clips.list("quarantined")
    assert [clip.segment.episode_id for clip in aside] == ["e0", "e0"]
    assert all(clip.reason for clip in aside)
    assert [question.id for question in station.store.questions(unanswered=True)] == ["good"]


@pytest.mark.parametrize("dataset", ["../elsewhere", "/etc", "", "runs/none"])
def test_clips_lie_in_the_data_home(dataset: str, client: TestClient, station: Station) -> None:
    add(station, dataset=dataset)
    assert ask(client) is None
    (first, *_) = station.store.clips.list("quarantined")
    answer = client.get(f"/review/clip/{first.id}?width=320")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


def test_a_report_of_a_good_clip_withdraws_nothing(client: TestClient, station: Station) -> None:
    add(station)
    question = ask(client)
    body = {"lease": question["lease"], "clip": question["clips"][0]["id"]}
    assert client.post("/api/review/broken", json=body).json() == {"withdrawn": False}
    assert client.post("/api/review/broken", json={**body, "clip": "none"}).status_code == 404
    assert len(station.store.questions(unanswered=True)) == 1


def test_nothing_tells_a_known_question_from_another(client: TestClient, station: Station, home: Path) -> None:
    apart = Dataset(home / "known" / "easy", create=True, task="reach")  # as a team would keep them
    for number in range(2):
        apart.add(episode(f"known{number}", steps=STEPS, seed=number, task="reach"))
    (work,) = add(station)
    chosen = (Segment("known0", 3, 5), Segment("known1", 3, 5))
    gold = Question(question_id("known", 0, "pairwise", chosen), "known", 0, "pairwise", "reach", chosen, "known/easy")
    station.store.add_questions([replace(gold, role="gold")])
    station.store.gold.set(gold.id, {"choice": "A"})
    station.store.tasks.set_sharing(gold_share=0.5)
    replies: dict[str, list[Any]] = {}
    have: list[int] = []
    while len(replies) < 2:  # which comes first is left to chance, and it takes a few requests until both have come
        question = ask(client, have=have)
        if question is not None:
            show(station, question["lease"], "AB")
            replies[question["question"]] = everything(client, ask(client, have=have))
            have.append(question["lease"])
    for one, other in zip(replies[work.id], replies[gold.id], strict=True):
        assert one == other
    told = str(replies) + client.get("/review").text + client.get("/api/v1/leases").text
    words = ("known", "easy", "gold", "runs/one", r"e0\b", "purpose", "standing")
    assert not [word for word in words if re.search(rf"\b{word}", told)]  # tokens hold any two letters somewhere
    standings = {answer.question_id: answer.standing for answer in station.store.answers(standing=("counted", "gold"))}
    assert standings == {work.id: "counted", gold.id: "gold"}


def everything(client: TestClient, question: Any) -> list[Any]:
    """Do all that can be done with a question; return the replies, with neutral words for what names it."""
    name, lease = question["question"], question["lease"]
    choice = {"choice": "A"}
    replies = [
        say(client, question, choice, f"1{name}"),
        say(client, question, choice, f"1{name}"),
        take_back(client, question, f"2{name}"),
        client.post("/api/review/renew", json={"lease": lease}),
        client.post("/api/review/note", json={"question": name, "text": "hm", "key": name}),
        say(client, question, {**choice, "note": "hm"}, f"3{name}"),
        client.post("/api/review/renew", json={"lease": lease}),
        client.get(f"/api/review/correction?lease={lease}"),
    ]
    neutral = json.dumps([question, *((reply.status_code, reply.json()) for reply in replies)])
    for word, plain in [(name, "question"), *((clip["id"], clip["label"]) for clip in question["clips"])]:
        neutral = neutral.replace(word, plain)
    neutral = re.sub(r"\?v=[0-9a-f]+", "", neutral)
    neutral = re.sub(r'"seconds": 59\d\.\d+', '"seconds": 600', neutral)
    found: list[Any] = json.loads(neutral.replace(f'"lease": {lease},', '"lease": 0,'))
    return found


@pytest.mark.parametrize(
    ("role", "told"), [("annotator", {("", "", 0)}), ("operator", {("runs/one/episodes", "e0", 0)})]
)
def test_only_who_may_drive_is_told_where_a_clip_is_from(role: Any, told: Any, visit: Visit, station: Station) -> None:
    add(station, "approval")
    client = visit(role)
    for question in (ask(client), client.post("/api/v1/leases", json={}).json()["question"]):
        assert {(clip["source"], clip["episode"], clip["start"]) for clip in question["clips"]} == told


def test_practice_says_what_was_right(client: TestClient, station: Station) -> None:
    chosen = (Segment("e2", 0, 5), Segment("e3", 0, 5))
    question = Question("p1", "practice", 0, "pairwise", "reach", chosen, "runs/one/episodes", role="practice")
    station.store.add_questions([question])
    station.store.gold.set("p1", {"choice": "B"}, explanation="It puts the cube down gently.")
    shown = ask(client, practice=True)
    assert shown["practice"] is True
    told = say(client, shown, {"choice": "A"}).json()["feedback"]
    assert told == {"right": False, "expected": {"choice": "B"}, "why": "It puts the cube down gently."}
    assert station.store.answers() == []


def test_how_the_work_goes(client: TestClient, station: Station) -> None:
    asked = add(station, count=4)
    for number, choice in enumerate(["A", "B", "A"]):
        question = ask(client)
        say(client, question, {"choice": choice}, f"k{number}", seconds=2.0 + number)
        same = asked[number].id
        station.store.answer(same, "grace", {"choice": "A"}, key=f"g{number}")

    def pace_since(hours: float, zone: timezone) -> Any:
        since = (datetime.now(zone) + timedelta(hours=hours)).isoformat()
        return client.get("/api/review/pace", params={"since": since}).json()

    pace = pace_since(-0.5, timezone(timedelta(hours=5)))  # an hour of its own clock is none of UTC
    assert (pace["waiting"], pace["today"], pace["seconds"]) == (1, 3, 3.0)
    assert pace_since(0.5, timezone(-timedelta(hours=5)))["today"] == 0
    assert client.get("/api/review/pace?since=0001-01-01T00:00:00%2B14:00").status_code == 422
    assert pace["agreement"] == {"hits": 2.0, "of": 3}
    assert pace["self_agreement"] == {"hits": 0, "of": 0}
    assert "1 question waits" in client.get("/", headers={"accept": "text/html"}).text
    lease = ask(client)["lease"]
    now = client.get("/api/review/pace", params={"since": datetime.now(UTC).isoformat(), "task": "reach"}).json()
    assert (now["waiting"], now["held"]) == (0, 1)  # handed out, and no answer yet
    client.post("/api/review/release", json={"lease": lease})
    assert client.get("/api/review/pace", params={"since": datetime.now(UTC).isoformat()}).json()["held"] == 1
    assert (
        client.get("/api/review/pace", params={"since": datetime.now(UTC).isoformat(), "run": "x"}).json()["held"] == 0
    )


def test_notes_and_time(client: TestClient, station: Station) -> None:
    add(station)
    question = ask(client)
    note = {"question": question["question"], "text": "<b>odd</b>", "key": "n1"}
    assert client.post("/api/review/note", json=note).json() == {"new": True}
    assert client.post("/api/review/note", json=note).json() == {"new": False}
    assert [found.text for found in station.store.notes.list("question", question["question"])] == ["<b>odd</b>"]
    assert client.post("/api/review/renew", json={"lease": question["lease"]}).json()["seconds"] == 600
    assert client.post("/api/review/release", json={"lease": question["lease"]}).json() == {"released": True}
    assert client.post("/api/review/renew", json={"lease": question["lease"]}).json()["seconds"] == 0
    assert client.post("/api/review/release", json={"lease": 999}).status_code == 404


def test_only_who_is_signed_in_is_asked(visit: Visit, station: Station) -> None:
    add(station)
    nobody = visit()
    assert nobody.post(NEXT, json={}).status_code == 401
    assert nobody.get("/review/clip/x").status_code == 401
    assert nobody.get("/review", headers={"accept": "text/html"}).status_code == 303
    one, other = visit("annotator"), visit("annotator")
    question = ask(one)
    assert say(other, question, {"choice": "A"}).status_code == 404  # the lease is not theirs
    assert station.store.answers() == []


def test_an_answer_that_waited_is_not_taken_from_somebody_else(visit: Visit, station: Station) -> None:
    add(station)
    one, other = visit("annotator"), visit("annotator")
    question = ask(one)
    refused = say(other, question, {"choice": "A"}, person="annotator1")
    assert (refused.status_code, refused.json()["code"]) == (401, "signed_out")
    assert say(one, question, {"choice": "A"}, person="annotator1").json()["new"] is True


def test_what_was_recorded_from_inside_the_clip_is_the_answer(client: TestClient, station: Station, home: Path) -> None:
    add(station, "correction")
    question = ask(client)
    address = f"/api/review/correction?lease={question['lease']}"
    assert client.get(address).json() == {"value": None}
    shown = episode("mine", steps=9, parent="e0", parent_step=3, operator="annotator1")
    Dataset(home / "reach", create=True).add(shown)
    value = client.get(address).json()["value"]
    wanted = {"choice": "corrected", "dataset": "reach", "episode": "mine", "start": 3, "length": 6, "from": 3}
    assert value == wanted
    assert say(client, question, value).json()["counts"] is True
