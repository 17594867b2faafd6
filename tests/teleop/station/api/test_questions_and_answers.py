import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from teleop.station.services import Station
from tests.data.making import episode
from tests.teleop.station.api.conftest import DATASET, Program, asked

pytestmark = pytest.mark.usefixtures("episodes")


def test_a_question_is_asked_handed_out_and_answered_once(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator)
    handed = annotator.post("leases", json={}).json()["question"]
    assert (handed["question"], handed["task"], len(handed["clips"])) == (name, "reach", 2)
    assert annotator.get("leases").json()["items"][0]["lease"] == handed["lease"]
    value = handed["controls"][0]["value"]
    body = {"question": name, "lease": handed["lease"], "value": value, "key": "k1", "seconds": 2.5}
    first, again = annotator.post("answers", json=body), annotator.post("answers", json=body)
    assert (first.status_code, first.json()) == (201, {"new": True, "counts": True, "feedback": None})
    assert (again.status_code, again.json()["new"]) == (200, False)
    other = annotator.post("answers", json={**body, "value": {"choice": "tie"}})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    (said,) = operator.get("answers", params={"question": name}).json()["items"]
    assert (said["value"], said["response_time"], said["standing"]) == (value, 2.5, "counted")
    assert annotator.get("answers/mine").json()["items"][0]["value"] == value
    back = annotator.post("answers/take-back", json={"question": name, "lease": handed["lease"], "key": "k2"})
    assert back.status_code == 201
    assert operator.get(f"questions/{name}").json()["given"] == 0


def test_fifty_at_once_with_one_key_are_one_row(program: Program, station: Station) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator)
    lease = annotator.post("leases", json={}).json()["question"]["lease"]
    body = {"question": name, "lease": lease, "value": {"choice": "A"}, "key": "same"}
    with ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(lambda _: annotator.post("answers", json=body), range(50)))
    assert sorted(reply.status_code for reply in replies) == [200] * 49 + [201]
    assert {(reply.json()["counts"], reply.json()["feedback"]) for reply in replies} == {(True, None)}
    assert len(operator.get("answers").json()["items"]) == 1
    assert annotator.post("answers", json={**body, "value": {"choice": "B"}}).status_code == 409


def test_without_a_lease_it_takes_an_operator(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator)
    body = {"question": name, "value": {"choice": "A"}, "key": "k1"}
    assert annotator.post("answers", json=body).status_code == 403
    assert annotator.post("answers/take-back", json={"question": name, "key": "k1"}).status_code == 403
    assert operator.post("answers", json=body).status_code == 201


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_kind_can_be_asked(kind: str, program: Program) -> None:
    operator = program("operator")
    least = KINDS[kind].num_clips.start
    (name,) = asked(operator, kind=kind, clips=least, meta={"from": "a test"}, overlap=3, prompt="Which?")
    found = operator.get(f"questions/{name}").json()
    assert (found["kind"], found["overlap"], len(found["clips"])) == (kind, 3, least)
    assert found["meta"] == {"from": "a test", "prompt": "Which?"}
    assert asked(operator, kind=kind, clips=least, meta={"from": "a test"}, overlap=3, prompt="Which?") == [name]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "pairwize"}, "there is no such kind; one of actions"),
        ({"clips": []}, "clips"),
        ({"clips": [{"episode_id": "e0", "start": 0, "length": 5}]}, "clips of a pairwise question"),
        ({"clips": [{"episode_id": "e0", "start": 0, "length": 5}] * 2}, "the same clip twice"),
        ({"meta": {"criteria": 5}}, "prompt and axes are fields of their own"),
        ({"axes": ["speed"]}, "axes go with questions of axes and rating, not pairwise"),
        ({"kind": "axes", "axes": ["speed", "speed"]}, "different names"),
        ({"run": "a\0b"}, "run"),
        ({"round": -1}, "round"),
        ({"overlap": 0}, "overlap"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_questions_that_make_no_sense(change: dict[str, Any], says: str, program: Program, station: Station) -> None:
    clips = [{"episode_id": f"e{place}", "start": 0, "length": 5} for place in range(2)]
    good = {"kind": "pairwise", "task": "reach", "dataset": DATASET, "run": "one", "clips": clips}
    answer = program("operator").post("questions", json={"questions": [good, {**good, **change}]})
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "code"}
    assert says in answer.json()["error"]
    assert station.store.questions() == []


def test_what_people_cannot_be_shown_is_not_asked(program: Program, episodes: Dataset, station: Station) -> None:
    episodes.add(replace(episode("outside", task="reach"), state=np.zeros((13, 0))))
    clips = [{"episode_id": name, "start": 0, "length": 5} for name in ("e0", "outside")]
    asked = {"kind": "pairwise", "task": "reach", "dataset": DATASET, "run": "one", "clips": clips}
    good = {**asked, "kind": "approval", "clips": clips[:1]}
    answer = program("operator").post("questions", json={"questions": [good, asked]})
    assert answer.status_code == 409
    wanted = f"People cannot judge episode outside of {DATASET}. It holds no simulator states. No question was asked."
    assert answer.json()["error"] == wanted
    assert station.store.questions() == []
    gone = {**asked, "clips": [{**clip, "episode_id": f"{clip['episode_id']}x"} for clip in clips]}
    elsewhere = {**asked, "dataset": "../outside", "run": "two"}
    assert program("operator").post("questions", json={"questions": [good, gone, elsewhere]}).status_code == 201


def test_lists_come_in_pages(program: Program) -> None:
    operator = program("operator")
    names = asked(operator, 7)
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = operator.get("questions", params={"limit": 3, "after": after, "run": "one"}).json()
        seen += [one["id"] for one in page["items"]]
        after = page["next"]
    assert seen == names
    assert operator.get("questions", params={"state": "answered"}).json() == {"items": [], "next": None}
    assert len(operator.get("questions", params={"state": "open", "round": 3}).json()["items"]) == 1


def test_a_withdrawn_question_is_asked_no_more(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator)
    found = operator.post(f"questions/{name}/withdraw", json={"reason": "by mistake"})
    assert (found.status_code, found.json()["withdrawn"]) == (200, "by mistake")
    assert annotator.post("leases", json={}).json() == {"question": None}
    assert operator.get("questions", params={"state": "withdrawn"}).json()["items"][0]["id"] == name
    assert operator.post("questions/none/withdraw", json={}).status_code == 404


def test_leases_are_kept_and_given_back(program: Program) -> None:
    operator, annotator, other = program("operator"), program("annotator"), program("annotator")
    asked(operator)
    lease = annotator.post("leases", json={"run": "one", "task": "reach"}).json()["question"]["lease"]
    assert other.post("leases", json={}).json()["question"] is None
    assert annotator.post(f"leases/{lease}/renew").json()["seconds"] == 600
    assert other.delete(f"leases/{lease}").status_code == 404
    assert annotator.delete(f"leases/{lease}").status_code == 204
    assert other.post("leases", json={}).json()["question"] is not None


def test_gold_and_practice(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator, role="practice", run="known")
    right = {"expected": {"choice": "B"}, "explanation": "It puts the cube down gently."}
    assert operator.put(f"gold/{name}", json=right).json()["least"] == 0.75
    assert operator.put("gold/none", json=right).status_code == 404
    (work,) = asked(operator)
    assert operator.put(f"gold/{work}", json=right).status_code == 409
    assert [one["question"] for one in operator.get("gold", params={"task": "reach"}).json()["items"]] == [name]
    handed = annotator.post("practice", json={}).json()["question"]
    assert handed["practice"] is True
    body = {"question": name, "lease": handed["lease"], "value": {"choice": "A"}, "key": "k"}
    told = annotator.post("answers", json=body).json()
    assert told["feedback"] == {"right": False, "expected": {"choice": "B"}, "why": "It puts the cube down gently."}
    assert operator.post(f"gold/{name}/retire", json={}).json()["retired"] is True
    assert operator.get(f"gold/{name}").json()["retired"] is True


def test_clips_are_put_aside_and_taken_back(program: Program, episodes: Dataset) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name,) = asked(operator)
    clips = operator.get("clips", params={"limit": 1, "dataset": DATASET}).json()
    assert clips["next"] == clips["items"][0]["id"]
    clip = operator.get(f"questions/{name}").json()["clips"][0]["id"]
    found = operator.get(f"clips/{clip}").json()
    assert (found["episode_id"], found["length"], found["address"]) == ("e0", 5, f"/review/clip/{clip}")
    assert operator.get(f"clips/{clip}/questions").json() == [name]
    body = {"state": "quarantined", "reason": "blocked"}
    assert operator.put(f"clips/{clip}/state", json=body).json()["questions"] == [name]
    assert operator.get("clips", params={"state": "quarantined"}).json()["items"][0]["reason"] == "blocked"
    assert operator.put(f"clips/{clip}/state", json={"state": "good"}).json()["questions"] == [name]
    assert operator.get("clips/none").status_code == 404
    assert annotator.get(f"clips/{clip}").status_code == 403  # who judges is not told whose episode it is


def test_a_body_that_is_no_json_or_too_long(program: Program) -> None:
    annotator = program("annotator")
    for content, status in (
        (b'{"a": ', 422),
        (b"[" * 10_000, 422),
        (b"[" * 100_000, 413),
        (b'{"a": "' + b"x" * 9 * 2**20, 413),
    ):
        answer = annotator.post("leases", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error", "code"}


def send(client: TestClient, body: Any) -> Any:
    """Send what a polite client would not: half character pairs, written as JSON escapes."""
    return client.post("answers", content=json.dumps(body), headers={"content-type": "application/json"})


def test_what_no_database_keeps_is_refused(program: Program) -> None:
    operator = program("operator")
    (name,) = asked(operator)
    deep: Any = {"choice": "A"}
    for _ in range(900):
        deep = {"choice": "A", "note": "", "deep": deep}
    for value in ({"choice": "A", "note": "\ud800"}, {"choice": "\ud800"}, {"choice": "A", "note": "\0"}, deep):
        answer = send(operator, {"question": name, "value": value, "key": "k"})
        assert answer.status_code in (400, 422), answer.text
    for field in ("question", "key"):
        body = {"question": name, "value": {"choice": "A"}, "key": "k", field: "a\ud800"}
        assert send(operator, body).status_code == 422
    assert operator.get("answers").json()["items"] == []


def test_a_browser_gets_errors_in_the_same_form(program: Program, visit: Any) -> None:
    nobody: TestClient = visit()
    answer = nobody.get("/api/v1/questions", headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")
    assert nobody.get("/api/v1/nothing", headers={"accept": "text/html"}).json()["code"] == "notfound"
    assert nobody.get("/api/v1/docs", headers={"accept": "text/html"}).status_code == 303


def test_clips_are_compared_along_axes_over_rest(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    own = operator.put("tasks/reach/axes", json={"axes": ["gentleness", "speed"]}).json()
    assert own["axes"] == ["gentleness", "speed"]
    (name,) = asked(operator, kind="axes", clips=2, axes=[])  # the task's own
    assert operator.get(f"questions/{name}").json()["meta"] == {"axes": ["gentleness", "speed"]}
    shown = annotator.post("leases", json={}).json()["question"]
    assert (shown["kind"], shown["axes"], shown["layout"]) == ("axes", ["gentleness", "speed"], "levels")
    first = shown["clips"][0]["name"]  # what stands first on the screen is A there, whatever its name in the question
    assert shown["controls"][0] == {
        **{"label": "A", "key": "1", "part": True, "span": None},
        "value": {"axes": {"overall": first}},
    }
    value = {"axes": {"gentleness": first, "speed": "tie"}}
    sent = annotator.post("answers", json={"question": name, "lease": shown["lease"], "value": value, "key": "one"})
    assert sent.status_code == 201, sent.text
    partly = {"question": name, "lease": shown["lease"], "value": {"axes": {"speed": "A"}}, "key": "two"}
    assert "axes with each of gentleness, speed" in annotator.post("answers", json=partly).json()["error"]
    assert operator.put("tasks/reach/axes", json={"axes": []}).json()["axes"][0] == "task success"


def test_answers_of_a_program_are_marked_everywhere(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    asked(operator, kind="pairwise", clips=2)
    shown = annotator.post("leases", json={}).json()["question"]
    sent = {"question": shown["question"], "lease": shown["lease"], "value": {"choice": "A", "probability": 0.7}}
    assert annotator.post("answers", json={**sent, "key": "one", "program": True}).status_code == 201
    (answer,) = operator.get("answers").json()["items"]
    assert (answer["annotator_kind"], answer["value"]) == ("simulated", {"choice": "A", "probability": 0.7})
    people = operator.get("annotators?kind=simulated").json()["items"]
    assert [person["name"] for person in people] == [answer["annotator"]]
    assert operator.get("annotators?kind=human").json()["items"] == []
