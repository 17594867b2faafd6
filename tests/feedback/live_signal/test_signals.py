from dataclasses import replace
from typing import Any

import pytest

from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.notes import Note, Round
from robo_rlhf.feedback.store import Store

PRESS = Signal("anna", "run", "live", "episode-1", 1, 30.0, 20.0, source="live", session="abc", delay=0.1)


def test_presses_are_rows_that_can_be_taken_back(store: Store) -> None:
    pressed = [PRESS, replace(PRESS, annotator="ben", sign=-1, step=50.0), replace(PRESS, step=45.0)]
    assert [store.signals.add(signal, key=f"k{i}") for i, signal in enumerate(pressed)] == [True] * 3
    assert not store.signals.add(PRESS, key="k0")
    with pytest.raises(ConflictError, match="another signal before"):
        store.signals.add(replace(PRESS, sign=-1), key="k0")
    found = store.signals.list(dataset="live", episode="episode-1")
    assert [replace(signal, pressed="", number=0, key="") for signal in found] == pressed
    assert store.signals.list(run="other") == []
    mark = store.signals.version()
    assert store.signals.take_back("anna", "k2")
    assert not store.signals.take_back("anna", "k2")
    assert store.signals.version() != mark
    with pytest.raises(NotFoundError, match="never sent"):
        store.signals.take_back("anna", "k1")
    assert [s.key for s in store.signals.list()] == ["k0", "k1"]
    assert [bool(s.withdrawn) for s in store.signals.list(withdrawn=True)] == [False, False, True]
    assert not store.signals.add(pressed[2], key="k2"), "sent again after it was taken back, it stays so"
    assert len(store.signals.list()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"sign": 0},
        {"step": -1.0},
        {"rate": 0.0},
        {"step": float("nan")},
        {"annotator": ""},
        {"delay": -1.0},
        {"source": "tv"},
    ],
)
def test_signals_that_cannot_be(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match="live signal"):
        store.signals.add(replace(PRESS, **wrong), key="k")


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
