import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.data.training_arrays.idle import STILL, idle_steps, kept_steps


@given(
    kinds=st.lists(st.sampled_from(["move", "idle", "close", "open"]), max_size=30),
    keep=st.integers(0, 3),
    keep_last=st.integers(0, 5),
)
def test_idle_steps_beyond_those_to_keep_are_trimmed(kinds: list[str], keep: int, keep_last: int) -> None:
    action = np.zeros((len(kinds), 3), dtype=np.float32)
    runs, run, gripper = [], 0, -1.0
    for t, kind in enumerate(kinds):
        before = gripper
        gripper = {"close": 1.0, "open": -1.0}.get(kind, before)
        action[t] = (0.5 if kind == "move" else 0.002, 0.0, gripper)
        run = 0 if kind == "move" or (t and gripper != before) else run + 1
        runs.append(run)
    last = len(kinds) - runs[-1] if kinds else 0  # where the idle stretch that ends the episode begins
    expected = [t for t, run in enumerate(runs) if run <= (keep_last if t >= last else keep)]
    assert kept_steps(action, STILL, keep, keep_last).tolist() == expected


def test_a_column_that_is_also_between_the_ends_is_motion() -> None:
    action = np.array([[0, 1], [0, 1], [0, 0]], dtype=np.float32)
    assert idle_steps(action).tolist() == [False, False, True]
    assert idle_steps(action[:2]).tolist() == [True, True]  # here it is a switch that is held


def test_without_a_threshold_every_step_stays() -> None:
    assert kept_steps(np.zeros((3, 2), np.float32), 0.0, 0, 0).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("keep", "keep_last"), [(-1, 0), (0, -1)])
def test_less_than_no_steps_cannot_stay(keep: int, keep_last: int) -> None:
    with pytest.raises(InvalidValueError, match="idle steps to keep in a row: expected 0 or more, got -1"):
        kept_steps(np.zeros((3, 2), np.float32), STILL, keep, keep_last)
