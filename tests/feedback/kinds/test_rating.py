import math

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.rating import CUTPOINTS

RATING = KINDS["rating"]
CLIP = (Segment("a", 0, 5),)
LEVELS = torch.eye(5)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("value", [-30.0, -2.0, 0.0, 0.3, 30.0])
def test_levels_are_proportional_odds_and_add_up_to_one(value: float) -> None:
    likely = RATING.log_likelihood(torch.full((1, 5, 1), value), LEVELS, torch.zeros(5))[0]
    assert float(likely.exp().sum()) == pytest.approx(1.0, rel=1e-5)
    above = [1.0, *(sigmoid(value - cut) for cut in CUTPOINTS), 0.0]
    np.testing.assert_allclose(likely.exp().numpy(), -np.diff(above), rtol=1e-4, atol=1e-12)


def test_a_tenth_at_random() -> None:
    meant = RATING.log_likelihood(torch.zeros(1, 5, 1), LEVELS, torch.zeros(5)).exp()
    mixed = RATING.log_likelihood(torch.zeros(1, 5, 1), LEVELS, torch.full((5,), 0.1)).exp()
    torch.testing.assert_close(mixed, 0.9 * meant + 0.02)


def test_axes_share_the_weight_where_they_are_one() -> None:
    target = RATING.target({"ratings": {"overall": 5, "gentle": 1, "quick": 5, "tidy": 3}}, CLIP)
    assert target is not None
    np.testing.assert_allclose(target.values, [0.25, 0, 0.25, 0, 0.5])


def test_each_axis_has_a_target_of_its_own() -> None:
    targets = RATING.targets({"ratings": {"gentle": 1, "quick": 5}}, CLIP)
    assert {axis: target.values.tolist() for axis, target in targets.items()} == {
        "gentle": [1, 0, 0, 0, 0],
        "quick": [0, 0, 0, 0, 1],
    }
    assert not RATING.targets({"choice": "cant_tell"}, CLIP)


@pytest.mark.parametrize("name", ["axes", "criteria"])  # as earlier versions called them
def test_axes_are_those_of_the_question(name: str) -> None:
    asked = {name: ["gentle", "quick"]}
    RATING.validate({"ratings": {"gentle": 1, "quick": 5}}, 1, asked)
    for wrong in ({"gentle": 1}, {"overall": 3}, {"gentle": 1, "quick": 5, "tidy": 3}):
        with pytest.raises(InvalidValueError, match="expected ratings with each of gentle, quick"):
            RATING.validate({"ratings": wrong}, 1, asked)


@pytest.mark.parametrize("level", [0, 6, 2.5, True, "3", None])
def test_levels_outside_the_scale(level: object) -> None:
    with pytest.raises(InvalidValueError, match="rating of overall: expected a whole number from 1 to 5"):
        RATING.validate({"ratings": {"overall": level}}, 1)


def test_a_middling_rating_is_neither_right_nor_wrong() -> None:
    confidence, right = RATING.predict(torch.tensor([[[2.0], [2.0]]]), LEVELS[[2, 4]])
    assert confidence.isnan().tolist() == [True, False]
    assert right[1] == 1


def test_far_returns_have_finite_gradients() -> None:
    returns = torch.tensor([[[-500.0]] * 1, [[500.0]]], requires_grad=True)
    RATING.log_likelihood(returns, LEVELS[[2]], torch.tensor([0.1])).sum().backward()
    assert returns.grad is not None
    assert torch.isfinite(returns.grad).all()
