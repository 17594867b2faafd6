import math

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Question
from robo_rlhf.feedback.teachers import Teacher

SUCCESS = KINDS["success"]


def test_likelihood_is_bernoulli() -> None:
    logits, values = torch.tensor([[[1.5], [1.5]]]), torch.tensor([[1.0], [0.0]])
    yes = 1 / (1 + math.exp(-1.5))
    found = SUCCESS.log_likelihood(logits, values, torch.full((2,), 0.1))[0].exp()
    assert found.tolist() == pytest.approx([0.9 * p + 0.05 for p in (yes, 1 - yes)], rel=1e-5)


def test_the_end_of_the_clip_is_what_counts() -> None:
    question = Question("q", "run", 0, "success", "task", (Segment("e", 0, 3),), "data")
    teacher = Teacher()
    assert teacher.answer(question, [np.array([-1.0, -1.0, 1.0])]) == {"choice": "yes"}
    assert teacher.answer(question, [np.array([1.0, 1.0, -1.0])]) == {"choice": "no"}


def test_text_of_error() -> None:
    with pytest.raises(InvalidValueError) as error:
        SUCCESS.validate({"choice": "good"}, 1)
    assert str(error.value) == "answer to a success question: expected a choice of no, yes, cant_tell, got 'good'."
