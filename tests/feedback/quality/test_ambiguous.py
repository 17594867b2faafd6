"""Questions that are ambiguous are told from people that are careless."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.feedback.quality.ambiguous import ambiguous
from robo_rlhf.feedback.quality.report import report
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.records import clip_id
from robo_rlhf.feedback.store import Store
from tests.feedback.making import make_question

CAREFUL = ("ann", "bo", "cleo", "dan")
QUESTIONS = [replace(make_question(i), overlap=5) for i in range(40)]
SPLIT, UNSEEN, REASONED = QUESTIONS[3].id, QUESTIONS[7].id, QUESTIONS[11].id
REASONS = {"ann": "leans", "bo": "slow"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Four careful people who agree but for three questions, and one who answers at random."""
    with Store(tmp_path / "f.db") as store:
        store.add_questions(QUESTIONS)
        store.tasks.set_reasons("reach", [Reason("leans", "tilt"), Reason("slow", "speed")])
        for number, question in enumerate(QUESTIONS):
            for place, person in enumerate(CAREFUL):
                value: dict[str, object] = {"choice": "AB"[number % 2]}
                if question.id in (SPLIT, REASONED):
                    value = {"choice": "AB"[place % 2]}
                if question.id == REASONED and person in REASONS:
                    value["reasons"] = [{"reason": REASONS[person]}]
                if question.id == UNSEEN and place:
                    value = {"choice": "tie"}
                store.answer(question.id, person, value, key=f"{person}{number}")
            store.answer(question.id, "eve", {"choice": "AB"[number * 7 % 5 % 2]}, key=f"eve{number}")
        yield store


def test_where_reliable_people_disagree_it_is_the_question(store: Store) -> None:
    found = {one.id: one for one in ambiguous(store, report(store))}
    assert set(found) == {SPLIT, UNSEEN, REASONED}
    split = found[SPLIT]
    assert (split.people.hits, split.people.of) == (4, 6)
    assert split.answers == {"A is better": 2, "B is better": 2}
    question = QUESTIONS[3]
    assert split.clips == tuple(clip_id(question.dataset, clip) for clip in question.segments)
    assert "say in the guidelines what counts here" in split.advice
    assert "another camera, or longer" in found[UNSEEN].advice
    assert "weigh speed and tilt differently" in found[REASONED].advice
    assert next(iter(found)) in (SPLIT, REASONED)
    assert report(store).reasons == {"leans": 1, "slow": 1}


def test_who_contradicts_themselves_is_told_of_too(store: Store) -> None:
    question = QUESTIONS[0].id
    store.database.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO answers (question_id, annotator, annotator_kind, value, idempotency_key, answered, standing) "
            f"VALUES ('{question}', 'ann', 'human', '{{\"choice\": \"B\"}}', 'again', '2026-01-01', 'repeat')"
        )
    )
    (one,) = [one for one in ambiguous(store, report(store)) if one.id == question]
    assert (one.same_person.hits, one.same_person.of, one.people.hits) == (1, 1, 0)
    assert "The same person answers it both ways" in one.advice


def test_nothing_is_ambiguous_where_nobody_disagrees(tmp_path: Path) -> None:
    with Store(tmp_path / "g.db") as store:
        store.add_questions(QUESTIONS)
        assert ambiguous(store, report(store)) == []
        for person in CAREFUL:
            store.answer(QUESTIONS[0].id, person, {"choice": "A"}, key=person)
        assert ambiguous(store, report(store)) == []
