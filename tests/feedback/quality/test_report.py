import random
from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.quality.report import PersonQuality, as_json, gold_of, report, weights, weights_among
from robo_rlhf.feedback.store import Store
from tests.feedback.making import join_team, make_question

COUNT = 24


@pytest.fixture
def team(where: str) -> Store:  # type: ignore[misc]
    with Store(where, rng=random.Random(1)) as store:
        store.tasks.set_sharing(gold_share=0.3, repeat_share=0.2, repeat_gap=5)
        store.add_questions([replace(make_question(i), overlap=4) for i in range(COUNT)])
        known = [replace(make_question(500 + i), role="gold") for i in range(12)]
        store.add_questions(known)
        for question in known:
            store.gold.set(question.id, {"choice": "A"})
        yield store


def work(
    store: Store,
    person: str,
    skill: float,
    seconds: float = 3.0,
    *,
    left: bool = False,
    ties: float = 0.0,
    most: int = 10**6,
) -> None:
    """Answer everything, or the next `most`: the truth is A, which is said with a probability of `skill`."""
    rng = np.random.default_rng(sum(map(ord, person)) + len(store.answers()))
    while most > 0 and (handed := store.leases.next(person)) is not None:
        most -= 1
        choice = "A" if rng.random() < skill else "B"
        choice = handed.shown[0] if left else "tie" if rng.random() < ties else choice
        sent = SubmittedAnswer(
            handed.question.id, person, "human", {"choice": choice}, str(handed.lease), seconds, handed.lease, None
        )
        store.submit(sent)


def by_name(store: Store) -> dict[str, PersonQuality]:
    return {person.name: person for person in report(store).people}


def test_a_careful_person_and_those_who_are_not(team: Store) -> None:
    work(team, "anna", 0.97)
    work(team, "ben", 0.92)
    work(team, "carl", 0.5)
    work(team, "lefty", 0.9, seconds=0.3, left=True)
    people = by_name(team)
    anna, carl, lefty = people["anna"], people["carl"], people["lefty"]
    assert anna.warnings == people["ben"].warnings == ()
    assert anna.answers == COUNT
    assert anna.seconds == 3.0
    assert anna.skill is not None
    assert anna.skill > 0.85
    assert anna.weight > 0.7 > people["carl"].weight
    assert anna.gold.interval is not None
    assert anna.gold.interval.low < (anna.gold.value or 0) <= anna.gold.interval.high
    assert anna.consistency.of > 3
    assert (anna.consistency.value or 0) > 0.8
    assert anna.left.interval is not None
    assert anna.left.interval.low < 0.5 < anna.left.interval.high
    assert "misses gold questions" in carl.warnings
    assert "disagrees with the others" in carl.warnings
    assert lefty.left.value == 1.0
    assert {"favours the left", "answers too fast to have seen the clips"} <= set(lefty.warnings)
    found = report(team)
    assert found.agreement is not None
    assert 0.5 < found.agreement < 0.9
    assert found.alpha["pairwise"] is not None
    assert weights(team) == found.weights == {name: person.weight for name, person in people.items()}


def test_who_hardly_ever_decides(team: Store) -> None:
    work(team, "anna", 1.0, ties=0.9)
    person = by_name(team)["anna"]
    assert person.warnings == ("misses gold questions", "hardly ever decides")
    assert person.ties.value is not None
    assert person.ties.value > 0.7


def test_alone_nobody_is_judged_by_others(team: Store) -> None:
    for known in team.gold.list():
        team.gold.retire(known.question)
    work(team, "anna", 1.0)
    found = report(team)
    assert found.agreement is None
    assert found.alpha == {"pairwise": None}
    assert found.people[0].skill is None
    assert found.weights == {"anna": 1.0}


def test_gold_tells_whom_to_trust_where_nobody_is_asked_the_same(team: Store) -> None:
    team.set_overlap(1, run="run")
    places = {"anna": 1.0, "carl": 0.0}  # which of their questions are gold is left to chance in PostgreSQL
    for _ in range(COUNT):
        for person, skill in places.items():
            work(team, person, skill, most=1)
    found = report(team)
    assert found.agreement is None
    anna, carl = found.people
    assert (anna.skill or 0) > 0.8 > 0.65 > (carl.skill or 1)
    assert "disagrees with the others" not in carl.warnings
    asked = team.questions("run")
    given = [answer for answer in team.answers() if answer.question_id in {question.id for question in asked}]
    assert weights_among(asked, given) == {}
    weighed = weights_among(asked, given, gold_of(team, task="reach"))
    assert weighed["anna"] > 0.6 > 0.3 > weighed["carl"]
    assert weights(team) == pytest.approx(weighed)
    assert gold_of(team, task="other") == gold_of(team, until=0) == []


def test_teams_are_compared(team: Store) -> None:
    for person, name in (("anna", "lab"), ("ada", "lab"), ("ben", "shop"), ("bob", "shop")):
        join_team(team, person, name)
        work(team, person, 0.95 if name == "lab" else 0.05)
    found = report(team)
    assert set(found.teams) == {"lab", "shop"}
    (pair,) = found.differences
    assert (pair.first, pair.second) == ("lab", "shop")
    assert pair.difference is not None
    assert pair.difference.low > 0.5


def test_what_was_taken_back_or_belongs_to_another_run_is_left_out(team: Store) -> None:
    first = team.questions("run")[0]
    team.answer(first.id, "anna", {"choice": "A"}, key="1")
    team.answer(first.id, "anna", None, key="2")
    team.add_questions([make_question(0, run="other")])
    team.answer(team.questions("other")[0].id, "anna", {"choice": "A"}, key="3")
    assert report(team).answers == 1
    assert report(team, run="run").answers == 0
    assert report(team, task="nothing").people == ()


def test_a_report_is_json(team: Store) -> None:
    work(team, "anna", 1.0)
    found = as_json(report(team))
    assert found["people"][0]["name"] == "anna"  # type: ignore[index]


def test_nobody(team: Store) -> None:
    assert report(team).people == ()
    assert weights(team) == {}


def test_a_group_of_one_is_compared_with_the_others(where: str) -> None:
    with Store(where) as store:
        questions = [replace(make_question(i), overlap=3) for i in range(10)]
        store.add_questions(questions)
        for question in questions:
            for person, choice in (("ann", "A"), ("bo", "A"), ("zed", "B")):
                store.answer(question.id, person, {"choice": choice}, key=f"{person}/{question.id}")
        join_team(store, "zed", "left-handed")
        (one,) = report(store).differences
        assert (one.first, one.second) == ("left-handed", "the others")
        assert one.difference is not None
        assert one.difference.low > 0.9
