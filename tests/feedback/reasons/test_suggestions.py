"""Suggestions for reasons out of the notes of people."""

from pathlib import Path

import numpy as np

from robo_rlhf.feedback.notes import Note
from robo_rlhf.feedback.reasons.listed import LONGEST, Reason, check_reasons
from robo_rlhf.feedback.reasons.suggestions import PersonNote, group, notes_about, suggestions_for
from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS

NEAR = ("too close to the glass", "nearly touched the glass", "very near the glass", "close to glass!")
SLOW = ("too slow", "slow motion", "moves slowly", "sloow", "it is so slow here")
SPILLED = ("spilled the water", "spilling", "the cup spilled some")
ALONE = ("nice", "froze at the end", "gripper opened late")


def remarks(*groups: tuple[str, ...]) -> list[PersonNote]:
    return [PersonNote(f"p{i % 3}", text) for i, text in enumerate(text for some in groups for text in some)]


def test_notes_that_say_alike_are_one_suggestion_each_and_the_rest_none() -> None:
    found = group(remarks(NEAR, SLOW, SPILLED, ALONE))
    assert sorted(one.notes for one in found) == [3, 4, 5]
    members = [set(one.examples) for one in found]
    for texts in (NEAR, SLOW, SPILLED):
        assert any(some <= set(texts) for some in members)
    names = {text.rstrip("!") for text in (*NEAR, *SLOW, *SPILLED)}
    assert all(one.name in names and one.people == 3 for one in found)
    order = np.random.default_rng(0).permutation(len(NEAR + SLOW + SPILLED + ALONE))
    mixed = remarks(NEAR, SLOW, SPILLED, ALONE)
    assert {one.notes for one in group([mixed[i] for i in order])} == {3, 4, 5}


def test_what_is_on_the_list_is_not_suggested() -> None:
    names = [one.name for one in group(remarks(NEAR, SLOW, SPILLED), [Reason("too slow", "speed")])]
    assert len(names) == 2
    assert not any("slow" in name for name in names)


def test_other_languages_and_nothing_at_all() -> None:
    (one,) = group(remarks(("zu langsam", "sehr langsam", "langsame Bewegung"), ("schön",)))
    assert "langsam" in one.name
    assert group([]) == []
    assert group(remarks(("...", "1 2 3", "!"))) == []


def test_a_name_can_be_listed_as_it_is() -> None:
    long = "it is far too slow / slow @ the glass; and slow again " * 3
    for one in group(remarks((long, long + "x", long + "y"))):
        assert len(one.name) <= LONGEST
        check_reasons([Reason(one.name)])


def test_notes_beside_answers_and_about_questions_are_read_once_each(tmp_path: Path) -> None:
    with Store(tmp_path / "f.db") as store:
        store.add_questions(QUESTIONS)
        for number, text in enumerate(SLOW[:2]):
            store.answer(QUESTIONS[number].id, "ann", {"choice": "A", "note": text}, key=f"{number}")
        store.answer(QUESTIONS[1].id, "ann", {"choice": "B", "note": "moves slowly"}, key="again")
        store.notes.add(Note("bo", "question", QUESTIONS[2].id, "so slow"), key="n")
        store.notes.add(Note("bo", "run", "run", "elsewhere"), key="m")
        found = notes_about(store, QUESTIONS[0].task)
        assert sorted(found) == [("ann", "moves slowly"), ("ann", "too slow"), ("bo", "so slow")]
        assert notes_about(store, "push") == []
        assert suggestions_for(store, QUESTIONS[0].task)[0].people == 2
