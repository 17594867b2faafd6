from dataclasses import replace
from pathlib import Path

from robo_rlhf.feedback.quality.answer_times import ENOUGH, PRIORS, answer_times
from robo_rlhf.feedback.store import Store
from tests.feedback.making import make_question


def test_a_time_is_assumed_until_enough_people_have_answered(tmp_path: Path) -> None:
    asked = [make_question(i) for i in range(ENOUGH + 2)]
    task = asked[0].task
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions([*asked[:-1], replace(asked[-1], task="another")])
        for number, question in enumerate(asked):
            simulated = number == ENOUGH  # which takes no time that counts
            kind = "simulated" if simulated else "human"
            taken = 900.0 if simulated else 2.0 + number
            if number == ENOUGH - 1:
                assert [time.seconds for time in answer_times(store, task)] == [
                    seconds for seconds, _ in PRIORS.values()
                ]
            store.answer(question.id, kind, {"choice": "A"}, key=question.id, annotator_kind=kind, response_time=taken)
        pairs, orders = answer_times(store, task)
    assert pairs == ("pairwise", 6.5, 1.0, "median of 10 answers")  # of 2 to 11 s
    assert orders.source == "assumed"
