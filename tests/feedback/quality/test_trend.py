from dataclasses import replace
from pathlib import Path

from robo_rlhf.feedback.quality.trend import agreement_interval, over_time
from robo_rlhf.feedback.store import Store
from tests.feedback.making import make_question


def test_people_who_begin_to_guess_are_seen(tmp_path: Path) -> None:
    with Store(tmp_path / "feedback.db") as store:
        questions = [replace(make_question(i), overlap=2) for i in range(120)]
        store.add_questions(questions)
        for i, question in enumerate(questions):
            other = "B" if i >= 60 and i % 2 else "A"
            store.answer(question.id, "anna", {"choice": "A"}, key=question.id, response_time=3.0)
            store.answer(question.id, "ben", {"choice": other}, key=question.id, response_time=0.1)
        found = over_time(store, stretches=4)
    assert [stretch.answers for stretch in found] == [60, 60, 60, 60]
    shares = [stretch.agreement.value for stretch in found if stretch.agreement]
    assert shares == [1.0, 1.0, 0.5, 0.5]
    last = found[-1].agreement
    assert last is not None
    assert last.low < 0.5 < last.high < 0.8
    assert found[0].too_fast.value == 0.5
    assert found[0].first <= found[0].last <= found[1].first


def test_few_answers_make_no_trend(tmp_path: Path) -> None:
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions([make_question(0)])
        assert over_time(store) == ()
    assert agreement_interval([]) is None
    assert agreement_interval([(0, 0)]) is None
