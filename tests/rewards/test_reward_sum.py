import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, ShapeError, UnknownNameError
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms.base import Steps

ONES = np.ones((4, 2))
STEPS = Steps(
    obs=np.zeros((5, 2, 3), np.float32),
    action=np.zeros((4, 2, 1), np.float32),
    active=ONES.astype(bool),
    control_dt=0.1,
    learned=ONES,
    axes={"speed": 3 * ONES, "care with it": 5 * ONES},
    task=10 * ONES,
    success=np.eye(4, 2, dtype=bool),
    terms={"near": 100 * ONES},
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("learned", 1),
        (" learned ", 1),
        ("0.5 * learned", 0.5),
        ("learned * 0.5", 0.5),
        ("learned + 2 * task", 21),
        ("learned - 2 * task", -19),
        ("-task + learned", -9),
        ("2 * learned(axis='speed') + learned(axis='care with it')", 11),
        ("learned - -0.5 * task", None),
        ("learned + 0.01 * term(which='near') + 0 * success", 2),
        ("learned + (task - term(which='near'))", -89),
        ("learned - (task - term(which='near'))", 91),
    ],
)
def test_sums_mean_what_they_say(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(InvalidValueError, match="objective: expected a sum of terms such as"):
            RewardSum(text)
    else:
        np.testing.assert_allclose(RewardSum(text)(STEPS)[0], value)


def test_each_term_is_told_by_its_name() -> None:
    total, means = RewardSum("learned + 0.5 * success - term(which='near')")(STEPS)
    assert means == {"learned": 1.0, "success": 0.125, "term(which='near')": -100.0}
    assert total.dtype == np.float32
    assert total.mean() == pytest.approx(sum(means.values()))


def test_what_is_needed_and_what_is_plain() -> None:
    assert RewardSum("learned").needs == {"learned"}
    assert RewardSum("learned + term(which='near') - 0.1 * success").needs == {"learned", "terms", "success"}
    assert RewardSum("distance(of=[0])").needs == frozenset()
    assert RewardSum("1.0 * learned").plain
    named = RewardSum("learned(axis='speed') + 2 * learned(axis='care') + learned")
    assert named.axes == ("speed", "care")
    assert named.needs == {"learned"}
    assert not RewardSum("learned(axis='speed')").plain
    assert not RewardSum("0.5 * learned").plain
    assert not RewardSum("learned + task").plain


@pytest.mark.parametrize(
    "text",
    ["", "learned +", "learned / 2", "2", "2 * 3", "learned ** 2", "inf * learned", "1e999 * learned", "True * task",
     "learned * task", "distance([0])", "a.b", "x[0]", "lambda: 1", "distance(of=open('x'))",
     "__import__('os')", "learned; task", "\x00", "distance(of=learned)"],
)  # fmt: skip
def test_what_is_no_sum_is_refused_with_an_example(text: str) -> None:
    with pytest.raises((InvalidValueError, UnknownNameError)) as error:
        RewardSum(text)
    assert "learned" in str(error.value)


def test_unknown_terms_and_settings() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown reward term 'lerned'\. Did you mean 'learned'"):
        RewardSum("lerned")
    with pytest.raises(
        InvalidValueError, match=r"settings of reward term distance: expected those of distance\(of.*, got colour"
    ):
        RewardSum("distance(colour=3)")
    with pytest.raises(InvalidValueError, match=r"settings of reward term distance: .*, got none"):
        RewardSum("distance()")
    with pytest.raises(InvalidValueError, match="settings of reward term learned"):
        RewardSum("learned(scale=3)")
    with pytest.raises(InvalidValueError, match="expected each term once; add up its weights, got task twice"):
        RewardSum("task + 0.5 * task")
    with pytest.raises(UnknownNameError, match=r"Unknown term of the task 'nere'\. Did you mean 'near'"):
        RewardSum("term(which='nere')")(STEPS)


@given(st.text(max_size=30))
def test_any_text_is_a_sum_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidValueError, UnknownNameError):
        RewardSum(text)


def test_numbers_that_are_none_and_shapes_that_do_not_fit() -> None:
    with pytest.raises(NonFiniteError, match="The reward term task is not finite"):
        RewardSum("task")(Steps(STEPS.obs, STEPS.action, STEPS.active, 0.1, task=np.nan * ONES))
    with pytest.raises(ShapeError, match=r"reward term task: expected shape \(4, 2\), got shape \(4,\)"):
        RewardSum("task")(Steps(STEPS.obs, STEPS.action, STEPS.active, 0.1, task=np.zeros(4)))
