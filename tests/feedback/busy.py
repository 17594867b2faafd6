"""A database with rows of every kind."""

from dataclasses import replace
from itertools import count

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.notes import Note, Round
from robo_rlhf.feedback.store import Question, Store, question_id
from tests.feedback.making import join_team, make_question

PRESS = {"sign": 1, "step": 30.25, "rate": 20.0}
SHOWN = {"choice": "corrected", "dataset": "monday", "episode": "better", "start": 3, "length": 9, "from": 6}
SAID = {  # kind → clips, answers
    "ranking": (4, [{"ranking": [["B"], ["A", "D"], ["C"]]}, {"ranking": [["C"], ["D"], ["B"], ["A"]]}]),
    "rating": (1, [{"ratings": {"gentle": 4, "quick": 1}, "note": 'zögert — 🤖 "so"\n<b>'}, {"choice": "cant_tell"}]),
    "approval": (1, [{"choice": "good"}, {"choice": "bad"}]),
    "moments": (1, [{"presses": [PRESS, {**PRESS, "sign": -1, "step": 41.0}]}, {"presses": []}]),
    "correction": (1, [SHOWN, {"choice": "fine"}]),
}


def ask(kind: str, clips: int, number: int = 0) -> Question:
    shown = tuple(Segment(f"{kind}-{number}-{i}", 5, 50) for i in range(clips))
    meta = {"criteria": ["gentle", "quick"]} if kind == "rating" else {"why": "ü"}
    return Question(
        question_id("all", 0, kind, shown), "all", 0, kind, "lift", shown, "data/lift", meta=meta, overlap=2
    )


def fill(store: Store) -> None:
    """Let people answer questions of every kind, revise their answers, practise, and much else."""
    key = (f"k{i}" for i in count())
    store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    store.tasks.set_sharing("lift", overlap=2, lease=30.0)
    store.tasks.write_guidelines("lift", "# Lift\n- gently", "anna")
    store.tasks.write_guidelines("lift", "# Lift\n- gently & slowly", "anna")
    store.add_questions([replace(make_question(i), overlap=2) for i in range(6)])
    for person, choices in (("anna", "AAB"), ("ben", "AB")):
        for choice in choices:
            handed = store.leases.next(person)
            assert handed is not None
            sent = SubmittedAnswer(
                handed.question.id, person, "human", {"choice": choice}, next(key), 2.5, handed.lease, None
            )
            store.submit(sent)
    store.submit(replace(sent, value=None, key=next(key)))
    for kind, (clips, said) in SAID.items():
        question = ask(kind, clips)
        store.add_questions([question])
        for person, value in zip(("anna", "teacher"), said, strict=True):
            who = "simulated" if person == "teacher" else "human"
            store.answer(question.id, person, value, key=next(key), annotator_kind=who)
    gold = replace(make_question(50), role="gold")
    store.add_questions([gold, replace(make_question(51), role="practice")])
    store.gold.set(gold.id, {"choice": "B"}, explanation="it drops")
    store.answer(gold.id, "ben", {"choice": "A"}, key=next(key))
    join_team(store, "anna", "lab")
    store.clips.mark("quarantined", "runs/run/clips", "episode-5", reason="gone")
    store.signals.add(Signal("ben", "run", "runs/run/clips", "episode-1", -1, 12.5, 20.0), key="s1")
    shown = Signal("ben", "run", "runs/run/clips", "episode-1", 1, 3.0, 40.0, source="replay", session="a1", delay=0.25)
    store.signals.add(shown, key="s2")
    store.signals.take_back("ben", "s2")
    store.notes.add(Note("anna", "run", "run", "=cmd|' /C calc'!A0"), key="n1")
    store.rounds.set(Round("run", 0, "done", {"accuracy": 0.75}))
