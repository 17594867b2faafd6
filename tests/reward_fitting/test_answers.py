from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.implicit.pairs import datasets_in
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.reward_fitting.answers import ClipLoader, episodes_of, gather, oddities, people_agree
from teleop.station.library.index import Index
from tests.training.test_reward import ANSWERS, QUESTIONS, ask, load, say, teach


def rate(question: Question, level: int, annotator: str) -> Answer:
    return Answer(question.id, annotator, "human", {"ratings": {"overall": level}}, "", 1.0)


def test_agreement_is_over_pairs_of_people_at_the_same_question() -> None:
    some = QUESTIONS[:4]
    answers = [*say(some, ["A", "A", "B", "tie"]), *say(some, ["A", "B", "B", "cant_tell"], "ben")]
    assert people_agree(some, answers) == (pytest.approx(2 / 3), 3)
    assert people_agree(some, say(some, ["A"] * 4)) == (None, 0)
    assert people_agree([], answers) == (None, 0)


def test_levels_that_are_near_agree_in_part() -> None:
    clips = (Segment("e0", 0, 10),)
    question = Question(question_id("run", 0, "rating", clips), "run", 0, "rating", "toy", clips, "data")
    assert people_agree([question], [rate(question, 4, "anna"), rate(question, 3, "ben")])[0] == pytest.approx(0.75)
    assert oddities([question], [rate(question, 4, "anna"), rate(question, 3, "ben")]) == []


def test_nothing_is_odd_about_plain_answers() -> None:
    assert oddities(QUESTIONS, ANSWERS) == []


def test_who_always_takes_the_same_side_is_named() -> None:
    answers = [*say(QUESTIONS[:20], ["A"] * 20, "ben"), *say(QUESTIONS, ["A", "B"] * 30, "carol")]
    found = oddities(QUESTIONS, answers)
    sentence = "ben prefers the first clip in 20 of 20 questions; such answers may say nothing about the clips."
    assert sentence in found
    assert not any("carol" in sentence for sentence in found)
    few = say(QUESTIONS[:9], ["B"] * 9)
    assert oddities(QUESTIONS, few) == []


def test_the_side_is_that_of_the_screen_where_it_is_known() -> None:
    sides = [replace(a, shown="AB" if i % 2 else "BA") for i, a in enumerate(say(QUESTIONS[:12], ["B", "A"] * 6))]
    assert [a.shown.index(a.value["choice"]) for a in sides if a.shown] == [0] * 6 + [0] * 6
    (sentence,) = oddities(QUESTIONS, sides)
    assert sentence.startswith("anna prefers the first clip in 12 of 12 questions")


def test_one_answer_ties_alone_and_contradictions_are_told() -> None:
    one = "There is one answer only; the reward explains that one and may say anything elsewhere."
    assert oddities(QUESTIONS, say(QUESTIONS[:1], ["A"])) == [one]
    ties = "All 12 answers are ties; the reward is about the same everywhere."
    assert oddities(QUESTIONS, say(QUESTIONS[:12], ["tie", "both_bad"] * 6)) == [ties]
    against = [*say(QUESTIONS[:3], ["A", "B", "tie"]), *say(QUESTIONS[:3], ["B", "B", "A"], "ben")]
    assert oddities(QUESTIONS, against) == ["Answers to 1 of 3 questions contradict each other and cancel out."]


def test_annotators_and_rounds_go_with_their_answers() -> None:
    later = [replace(question, id=f"later {i}", round=2) for i, question in enumerate(ask(5, 9))]
    answers = [*teach(QUESTIONS), *[replace(a, annotator="ben") for a in say(later, ["A"] * 5)]]
    judged = gather([*QUESTIONS, *later], answers, load)
    (examples,) = judged.examples
    assert judged.annotators == ("anna", "ben")
    assert examples.annotator is not None
    assert examples.annotator.tolist() == [0] * 60 + [1] * 5
    assert examples.round is not None
    assert examples.round.tolist() == [0] * 60 + [2] * 5


def test_a_loader_that_is_kept_gives_the_same_clips_and_loads_nothing_twice() -> None:
    loaded: list[str] = []

    def count(dataset: str, name: str) -> object:
        loaded.append(name)
        return load(dataset, name)

    loader = ClipLoader(count)  # type: ignore[arg-type]
    gather(QUESTIONS, ANSWERS[:20], load, loader=loader)
    before = len(loaded)
    assert gather(QUESTIONS, ANSWERS[:20], load, loader=loader).clips is loader.clips()
    assert len(loaded) == before
    kept, anew = gather(QUESTIONS, ANSWERS, load, loader=loader), gather(QUESTIONS, ANSWERS, load)
    for first, second in zip(vars(kept.clips).values(), vars(anew.clips).values(), strict=True):
        assert first.equal(second)
    assert kept.examples[0].clips.equal(anew.examples[0].clips)


def test_answers_about_samples_train_in_any_home(home: Path, reach_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They ship with a checkout, and the station shows them from every home."""
    monkeypatch.setattr("robo_rlhf.core.files.SHIPPED", reach_home)
    index = Index(home)
    index.refresh()
    shown = [entry.key for entry in index.entries()]
    assert {key.dataset for key in shown} == {"samples/reach"}
    pairs = list(zip(shown[::2], shown[1::2], strict=True))
    clips = [tuple(Segment(key.episode, 0, 10) for key in pair) for pair in pairs]
    asked = [
        Question(question_id("run", 0, "pairwise", pair), "run", 0, "pairwise", "reach", pair, "samples/reach")
        for pair in clips
    ]
    judged = gather(asked, say(asked, ["A"] * len(asked)), episodes_of(home))
    assert (len(judged.clips), judged.skipped) == (len(shown), {})
    with Store(home / "feedback.db") as store:
        store.add_questions(asked)
        assert set(datasets_in(home, store)) == {"samples/reach"}, "originals of corrections are looked for there"
