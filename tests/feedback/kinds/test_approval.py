import math

import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.kinds import KINDS

APPROVAL = KINDS["approval"]


@pytest.mark.parametrize("flip", [0.0, 0.1])
def test_likelihood_is_bernoulli(flip: float) -> None:
    returns, values = torch.tensor([[[1.5], [1.5]]]), torch.tensor([[1.0], [0.0]])
    good = 1 / (1 + math.exp(-1.5))
    found = APPROVAL.log_likelihood(returns, values, torch.full((2,), flip))[0].exp()
    assert found.tolist() == pytest.approx([(1 - flip) * p + flip / 2 for p in (good, 1 - good)], rel=1e-5)


def test_text_of_error() -> None:
    with pytest.raises(InvalidValueError) as error:
        APPROVAL.validate({"choice": "fine"}, 1)
    assert str(error.value) == "answer to an approval question: expected a choice of bad, good, cant_tell, got 'fine'."
