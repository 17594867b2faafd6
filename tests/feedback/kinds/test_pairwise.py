import math

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.pairwise import BOTH_BAD_WEIGHT

PAIRWISE = KINDS["pairwise"]
CLIPS = (Segment("a", 0, 5), Segment("b", 0, 5))


@pytest.mark.parametrize(
    ("choice", "values", "weight"),
    [("A", (1, 0), 1), ("B", (0, 1), 1), ("tie", (0.5, 0.5), 1), ("both_bad", (0.5, 0.5), BOTH_BAD_WEIGHT)],
)
def test_target(choice: str, values: tuple[float, float], weight: float) -> None:
    target = PAIRWISE.target({"choice": choice}, CLIPS)
    assert target is not None
    np.testing.assert_array_equal(target.values, values)
    assert target.values.dtype == np.float32
    assert target.weight == weight


def test_cant_tell_trains_nothing() -> None:
    assert PAIRWISE.target({"choice": "cant_tell"}, CLIPS) is None


def test_likelihood_is_bradley_terry_with_a_tenth_at_random() -> None:
    returns = torch.tensor([[[2.0, 1.0]]])
    meant = 1 / (1 + math.exp(-1.0))
    for flip, expected in ((0.0, meant), (0.1, 0.9 * meant + 0.05)):
        found = PAIRWISE.log_likelihood(returns, torch.tensor([[1.0, 0.0]]), torch.tensor([flip]))
        assert float(found.exp()) == pytest.approx(expected, rel=1e-6)


def test_each_member_may_have_its_own_batch() -> None:
    returns, values = torch.randn(3, 4, 2), torch.rand(3, 4, 2)
    flip = torch.tensor([0.0, 0.1, 0.0, 0.1]).expand(3, 4)
    together = PAIRWISE.log_likelihood(returns, values, flip)
    alone = [PAIRWISE.log_likelihood(returns[i : i + 1], values[i], flip[i])[0] for i in range(3)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_tie_pulls_the_returns_together() -> None:
    returns = torch.tensor([[[3.0, 0.0]]], requires_grad=True)
    PAIRWISE.log_likelihood(returns, torch.tensor([[0.5, 0.5]]), torch.zeros(1)).sum().backward()
    assert returns.grad is not None
    assert returns.grad[0, 0, 0] < 0 < returns.grad[0, 0, 1]


def test_tie_is_neither_right_nor_wrong() -> None:
    confidence, right = PAIRWISE.predict(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[0.5, 0.5]]))
    assert confidence.isnan().all()
    assert right.isnan().all()


def test_note_survives_renaming_of_the_clips() -> None:
    assert PAIRWISE.permute({"choice": "A", "note": "calm"}, [1, 0]) == {"choice": "B", "note": "calm"}
    assert PAIRWISE.permute({"choice": "A"}, [0, 1]) == {"choice": "A"}
    assert PAIRWISE.permute({"choice": "tie"}, [1, 0]) == {"choice": "tie"}


def test_texts_of_errors() -> None:
    with pytest.raises(InvalidValueError) as error:
        PAIRWISE.validate({"choice": "C"}, 2)
    assert str(error.value) == (
        "answer to a pairwise question: expected a choice of A, B, tie, both_bad, cant_tell, got 'C'."
    )
    with pytest.raises(InvalidValueError, match=r"^clips of a pairwise question: expected 2, got 3\.$"):
        PAIRWISE.validate({"choice": "A"}, 3)


def test_a_program_says_how_sure_it_is() -> None:
    for choice, values in (("A", [0.8, 0.2]), ("B", [0.2, 0.8])):
        answer = {"choice": choice, "probability": 0.8}
        PAIRWISE.validate(answer, 2)
        target = PAIRWISE.target(answer, CLIPS)
        assert target is not None
        np.testing.assert_allclose(target.values, values, rtol=1e-6)
        moved = PAIRWISE.permute(answer, (1, 0))
        assert moved == {"choice": {"A": "B", "B": "A"}[choice], "probability": 0.8}


@pytest.mark.parametrize("sure", [0.4, 1.1, True, "0.8", float("nan")])
def test_no_probability(sure: object) -> None:
    with pytest.raises(InvalidValueError, match=r"expected a number from 0\.5 to 1"):
        PAIRWISE.validate({"choice": "A", "probability": sure}, 2)


def test_only_of_a_clip_that_is_better() -> None:
    with pytest.raises(InvalidValueError, match="one of a clip, A or B"):
        PAIRWISE.validate({"choice": "tie", "probability": 0.8}, 2)
