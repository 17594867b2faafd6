from dataclasses import replace

import pytest

from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.feedback.store import Store
from tests.feedback.busy import ask
from tests.feedback.making import QUESTIONS, make_question


def test_right_and_wrong(store: Store) -> None:
    pair = replace(make_question(70), role="gold")
    rating = replace(ask("approval", 1), id="rating", kind="rating", role="gold", meta={})
    ranking = replace(ask("ranking", 4), role="practice")
    store.add_questions([pair, rating, ranking])
    known = store.gold.set(pair.id, {"choice": "A"}, explanation="it is gentler")
    assert known.explanation == "it is gentler"
    assert known.right({"choice": "A"})
    assert not known.right({"choice": "tie"})
    assert not known.right({"choice": "cant_tell"})
    known = store.gold.set("rating", {"ratings": {"overall": 4}})
    assert [known.right({"ratings": {"overall": level}}) for level in range(1, 6)] == [False, False, True, True, True]
    known = store.gold.set(ranking.id, {"ranking": [["A"], ["B"], ["C"], ["D"]]})
    assert known.right({"ranking": [["B"], ["A"], ["C"], ["D"]]})
    assert not known.right({"ranking": [["D"], ["C"], ["B"], ["A"]]})
    assert len(store.gold.list()) == 3
    assert [known.kind for known in store.gold.list("lift")] == ["rating", "ranking"]
    assert store.gold.set(pair.id, {"choice": "B"}).expected == {"choice": "B"}


def test_what_cannot_be_gold(store: Store) -> None:
    gold = replace(make_question(70), role="gold")
    store.add_questions([gold])
    with pytest.raises(ConflictError, match="people are asked this question as work"):
        store.gold.set(QUESTIONS[0].id, {"choice": "A"})
    with pytest.raises(InvalidValueError, match="gold answer: expected one that judges the clips"):
        store.gold.set(gold.id, {"choice": "cant_tell"})
    with pytest.raises(InvalidValueError, match="answer to a pairwise question"):
        store.gold.set(gold.id, {"choice": "left"})
    with pytest.raises(InvalidValueError, match="least agreement"):
        store.gold.set(gold.id, {"choice": "A"}, least=0)
    for act in (lambda: store.gold.set("none", {"choice": "A"}), lambda: store.gold.get(gold.id)):
        with pytest.raises(NotFoundError):
            act()
    with pytest.raises(NotFoundError, match="No gold question 'none'"):
        store.gold.retire("none")
