"""Presses of the live signal as answers: credit goes to the intended steps, in every piece."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.live_signal.as_answers import PIECE, SignalCutoff, SignalReader, pieces
from robo_rlhf.feedback.live_signal.credit import credit
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.store import Store
from tests.data.making import episode as make_episode

PRESS = Signal("anna", "run", "live", "e1", 1, 30.0, 20.0)


def total(pressed: list[Signal], steps: int) -> Array:
    """Return the credit (2, steps) that pieces give, put together."""
    found = np.zeros((2, steps), np.float32)
    for question, answers in pieces(pressed, "live", "e1", "run", "reach", steps):
        (clip,) = question.segments
        for answer in answers:
            KINDS["moments"].validate(answer.value, 1)
            target = KINDS["moments"].target(answer.value, question.segments)
            if target is not None:
                found[:, clip.start : clip.start + clip.length] += target.values
    return found


@given(
    st.lists(st.tuples(st.sampled_from([1, -1]), st.floats(0, 300), st.sampled_from([5.0, 20.0, 80.0])), max_size=5),
    st.integers(1, 220),
)
def test_pieces_give_the_credit_that_the_whole_episode_would(
    presses: list[tuple[int, float, float]], steps: int
) -> None:
    pressed = [replace(PRESS, sign=sign, step=step, rate=rate) for sign, step, rate in presses]
    whole = np.zeros((2, steps), np.float32)
    for signal in pressed:
        whole[int(signal.sign < 0)] += credit(signal.step, signal.rate, steps)
    np.testing.assert_allclose(total(pressed, steps), whole, atol=1e-5)


def test_a_press_between_two_pieces_counts_in_both() -> None:
    found = list(pieces([replace(PRESS, step=PIECE + 8.0)], "live", "e1", "run", "reach", 120))
    assert [question.segments[0].start for question, _ in found] == [0, PIECE]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "feedback.db")


def test_presses_train_once_their_episode_is_closed_and_not_when_taken_back(store: Store) -> None:
    closed: dict[str, Episode] = {}

    def load(dataset: str, name: str) -> Episode:
        if name not in closed:
            raise NotFoundError("episode", name, "Not yet.")
        return closed[name]

    pressed = SignalReader(store.signals, load)
    assert pressed.read() == ([], [])
    nothing = pressed.version()
    store.signals.add(PRESS, key="k1")
    assert pressed.version() != nothing
    assert pressed.read() == ([], []), "the episode goes on"
    mark = pressed.version()
    closed["e1"] = make_episode(steps=60)
    pressed._looked = 0.0
    assert pressed.version() != mark
    questions, answers = pressed.read()
    assert [question.kind for question in questions] == ["moments"]
    assert [answer.annotator for answer in answers] == ["anna"]
    assert questions[0].task == closed["e1"].meta.task
    assert pressed.read(task="another") == pressed.read("another") == ([], [])
    until = SignalCutoff(store.signals.version().number, timestamp())
    store.signals.take_back("anna", "k1")
    store.signals.add(replace(PRESS, sign=-1), key="k2")
    assert pressed.read(until=until) == (questions, answers), "a run that is continued learns from the same"
    assert [answer.value["presses"][0]["sign"] for answer in pressed.read()[1]] == [-1]
