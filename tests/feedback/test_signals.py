from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.errors import ConflictError, InvalidValueError
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.notes import Note, Round
from robo_rlhf.feedback.signals import Signal, as_moments
from robo_rlhf.feedback.store import Store

PRESS = Signal("anna", "run", "live", "episode-1", 1, 30.0, 20.0)


def test_presses_are_rows_that_train(store: Store) -> None:
    pressed = [PRESS, replace(PRESS, annotator="ben", sign=-1, step=50.0), replace(PRESS, step=45.0)]
    assert [store.signals.add(signal, key=f"k{i}") for i, signal in enumerate(pressed)] == [True] * 3
    assert not store.signals.add(PRESS, key="k0")
    with pytest.raises(ConflictError, match="another signal before"):
        store.signals.add(replace(PRESS, sign=-1), key="k0")
    found = store.signals.list(dataset="live", episode="episode-1")
    assert [replace(signal, pressed="") for signal in found] == pressed
    assert store.signals.list(run="other") == []
    question, said = as_moments(found, "reach", 60)
    assert store.add_questions([question]) == 1
    for person, value in said.items():
        assert store.answer(question.id, person, value, key=f"live {question.id}")
    answers = store.answers("run")
    targets = {a.annotator: KINDS["moments"].target(a.value, question.segments) for a in answers}
    assert targets["anna"] is not None
    np.testing.assert_allclose(targets["anna"].values.sum(1), [2, 0], rtol=1e-5)
    assert as_moments(found, "reach", 60) == (question, said), "done again, it is the same"


@pytest.mark.parametrize(
    "wrong", [{"sign": 0}, {"step": -1.0}, {"rate": 0.0}, {"step": float("nan")}, {"annotator": ""}]
)
def test_signals_that_cannot_be(store: Store, wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="live signal"):
        store.signals.add(replace(PRESS, **wrong), key="k")  # type: ignore[arg-type]


def test_notes_and_rounds(store: Store) -> None:
    note = Note("anna", "question", "q1", "it hesitates\n<script>")
    assert store.notes.add(note, key="1")
    assert not store.notes.add(note, key="1")
    with pytest.raises(ConflictError):
        store.notes.add(replace(note, text="other"), key="1")
    for text in ("", "  ", "x" * 5000):
        with pytest.raises(InvalidValueError, match="note"):
            store.notes.add(replace(note, text=text), key="2")
    assert [found.text for found in store.notes.list("question", "q1")] == [note.text]
    assert store.notes.list("run") == []
    store.rounds.set(Round("run", 0, "asking"))
    store.rounds.set(Round("run", 0, "done", {"accuracy": 0.9}))
    assert [(r.state, r.meta) for r in store.rounds.list("run")] == [("done", {"accuracy": 0.9})]
    assert store.rounds.list("other") == []
