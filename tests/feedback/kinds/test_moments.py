import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.live_signal.credit import DELAY, credit
from robo_rlhf.feedback.store import Question
from robo_rlhf.feedback.teachers import Teacher

MOMENTS = KINDS["moments"]
CLIP = (Segment("a", 7, 60),)


def press(sign: int, step: float, rate: float = 20.0) -> dict[str, float]:
    return {"sign": sign, "step": step, "rate": rate}


def test_credit_goes_to_what_was_shown_before_the_press() -> None:
    found = credit(30.0, 20.0, 60)
    assert found.sum() == pytest.approx(1.0)
    assert np.flatnonzero(found).tolist() == list(range(14, 26))  # 0.8 s to 0.2 s before step 30, at 20 steps a second
    np.testing.assert_allclose(found[14:26], 1 / 12, rtol=1e-5)


@given(step=st.floats(0, 200), rate=st.floats(0.5, 200), length=st.integers(1, 100))
def test_credit_is_a_share_and_all_of_it_where_the_window_is_inside(step: float, rate: float, length: int) -> None:
    found = credit(step, rate, length)
    assert found.shape == (length,)
    assert (found >= 0).all()
    inside = step - DELAY[1] * rate >= 0 and step - DELAY[0] * rate <= length
    assert found.sum() == pytest.approx(1.0, abs=1e-4) if inside else found.sum() <= 1.0001


def test_slow_motion_means_fewer_steps_of_delay() -> None:
    assert np.flatnonzero(credit(30.0, 5.0, 60)).tolist() == [26, 27, 28]
    assert np.flatnonzero(credit(50.0, 80.0, 60))[0] == 0


def test_target_keeps_good_and_bad_apart() -> None:
    target = MOMENTS.target({"presses": [press(1, 20), press(-1, 50), press(-1, 50)]}, CLIP)
    assert target is not None
    assert target.values.shape == (2, 60)
    assert target.values.sum(1).tolist() == pytest.approx([1, 2])
    assert target.values[0, :16].sum() == pytest.approx(1)
    assert target.values[1, 34:46].sum() == pytest.approx(2)


def test_a_press_too_early_to_mean_anything_trains_nothing() -> None:
    assert MOMENTS.target({"presses": [press(1, 2.0)]}, CLIP) is None
    assert MOMENTS.target({"presses": []}, CLIP) is None


def test_gradient_goes_to_the_steps_that_were_meant() -> None:
    target = MOMENTS.target({"presses": [press(1, 20), press(-1, 50)]}, CLIP)
    assert target is not None
    steps = torch.zeros(2, 1, 1, 60, requires_grad=True)
    MOMENTS.log_likelihood(steps, torch.from_numpy(target.values)[None], torch.tensor([0.1])).sum().backward()
    assert steps.grad is not None
    assert (steps.grad[..., 4:16] > 0).all()
    assert (steps.grad[..., 34:46] < 0).all()
    assert (steps.grad[..., 17:33] == 0).all()


def test_a_simulated_person_presses_about_what_stands_out() -> None:
    utility = np.zeros(60)
    utility[20:30], utility[40:50] = 3.0, -3.0
    question = Question("q", "run", 0, "moments", "task", CLIP, "data")
    answer = Teacher().answer(question, [utility])
    MOMENTS.validate(answer, 1)
    target = MOMENTS.target(answer, CLIP)
    assert target is not None
    meant = target.values[0] - target.values[1]
    assert [p["sign"] for p in answer["presses"]] == [1, -1]
    assert meant[20:30].sum() > 0.7
    assert meant[40:50].sum() < -0.7


@pytest.mark.parametrize(
    "wrong",
    [
        1,
        {},
        press(0, 1),
        press(2, 1),
        press(1, -1),
        press(1, float("nan")),
        press(1, 1, 0),
        press(True, 1),
        {"sign": 1},
    ],
)
def test_presses_that_are_none(wrong: object) -> None:
    with pytest.raises(InvalidValueError, match="press of a moments answer: expected an object with a sign"):
        MOMENTS.validate({"presses": [wrong]}, 1)


def test_too_many_presses() -> None:
    with pytest.raises(InvalidValueError, match="at most 1000 presses"):
        MOMENTS.validate({"presses": [press(1, 1)] * 1001}, 1)
