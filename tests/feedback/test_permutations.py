"""An opinion about clips means the same in whatever order they were shown, stored and exported."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.assignment.assign import AssignedQuestion
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.feedback.transfer.export import export
from robo_rlhf.feedback.transfer.import_folder import import_all


def as_asked(kind: str, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
    """Return an answer that names clips as they are shown ("A" is the first on the screen), as it is stored."""
    return KINDS[kind].permute(answer, [list(order).index(place) for place in range(len(order))])


def ask(kind: str, clips: int, number: int) -> Question:
    shown = tuple(Segment(f"{number}-{i}", i, 5) for i in range(clips))
    return Question(question_id("run", 0, kind, shown), "run", 0, kind, "reach", shown, "data")


def seen(kind: str, worth: list[int]) -> AnswerValue:
    """Return an annotator's answer about clips of these values, in their order on the screen."""
    if kind == "pairwise":
        return {"choice": "AB"[int(np.argmax(worth))]}
    return {
        "ranking": [["ABCDEF"[i] for i, w in enumerate(worth) if w == w0] for w0 in sorted(set(worth), reverse=True)]
    }


@pytest.mark.parametrize(("kind", "clips"), [("pairwise", 2), ("ranking", 3), ("ranking", 4), ("ranking", 5)])
def test_every_order_teaches_the_same_through_store_and_export(kind: str, clips: int, tmp_path: Path) -> None:
    """For every order on the screen, people judge what they see; what is learned depends on the clips alone."""
    worth = [3, 1, 2, 1, 0][:clips]  # of the clips of the question; two are tied where there are four
    orders = list(itertools.permutations(range(clips)))
    questions = [ask(kind, clips, number) for number in range(len(orders))]
    with Store(tmp_path / "a.db") as store, Store(tmp_path / "b.db") as other:
        store.add_questions(questions)
        for number, (question, order) in enumerate(zip(questions, orders, strict=True)):
            said = as_asked(kind, seen(kind, [worth[place] for place in order]), order)
            shown = "".join("ABCDEF"[place] for place in order)
            store.submit(SubmittedAnswer(question.id, "anna", "human", said, f"k{number}", 1.0, None, shown))
            assert KINDS[kind].permute(said, order) == seen(kind, [worth[place] for place in order])
        export(store, tmp_path / "out")
        assert import_all(other, tmp_path / "out").problems == []
        found = [(answer.question_id, answer.value, answer.shown) for answer in other.answers()]
        assert found == [(answer.question_id, answer.value, answer.shown) for answer in store.answers()]
        asked = other.questions()
    assert {shown for *_, shown in found} == {"".join("ABCDEF"[place] for place in order) for order in orders}
    targets = []
    for question, (_, value, _) in zip(asked, found, strict=True):
        target = KINDS[kind].target(value, question.segments)
        assert target is not None
        targets.append(target.values)
    assert len(targets) == len(orders)
    np.testing.assert_array_equal(targets, [targets[0]] * len(orders))
    direct = KINDS[kind].target(seen(kind, worth), asked[0].segments)
    assert direct is not None
    np.testing.assert_array_equal(targets[0], direct.values)


def test_what_is_handed_out_is_shown_in_the_stored_order(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db", rng=random.Random(3)) as store:
        store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
        store.add_questions([ask("ranking", 4, number) for number in range(8)])
        orders = set()
        for number in range(8):
            handed = store.leases.next("anna")
            assert isinstance(handed, AssignedQuestion)
            orders.add(handed.shown)
            said = as_asked("ranking", {"ranking": [["A"], ["B"], ["C"], ["D"]]}, handed.order)
            store.submit(
                SubmittedAnswer(handed.question.id, "anna", "human", said, f"k{number}", 1.0, handed.lease, None)
            )
        for answer in store.answers():
            assert [group[0] for group in answer.value["ranking"]] == list(answer.shown or "")
        assert len(orders) > 3
