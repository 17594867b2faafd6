"""What the policy probe's process does with its questions, one moment after another."""

from collections.abc import Generator
from typing import Any, cast

import pytest

from robo_rlhf.core.errors import NotFoundError, NotNowError
from teleop.policy_probe import worker
from teleop.policy_probe.messages import ActionQuery, FrameRef, RewardQuery, RolloutQuery
from teleop.policy_probe.probe import PolicyProbe
from teleop.policy_probe.worker import Answering

AT = FrameRef("d", "e", 0)
LOOK, ROLL, JUDGE = ActionQuery(AT, "p"), RolloutQuery(AT, "p", 1.0), RewardQuery("d", "e", "r")


class Steps:
    """A probe whose answers take `steps` steps, and which notes what was closed early."""

    def __init__(self, steps: int) -> None:
        self.steps, self.left = steps, 0

    def answer(self, request: object) -> Generator[None, None, Any]:
        try:
            for _ in range(self.steps):
                yield
        except GeneratorExit:
            self.left += 1
            raise
        if isinstance(request, RewardQuery):
            raise NotFoundError("reward", "r", "Train one.")
        return "answer", request


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setattr(worker, "MOMENT", 1e-9)  # one step
    return Steps(2)


def test_a_longer_question_takes_moments_and_looks_come_between(steps: Steps) -> None:
    answer = Answering(cast(PolicyProbe, steps), 9.0)
    assert answer(ROLL) is None
    assert answer(LOOK) == ("answer", LOOK)  # whole, in one go
    assert answer(None) is None
    assert answer(None) == ("answer", ROLL)
    assert steps.left == 0
    with pytest.raises(NotNowError, match=r"ended before it had an answer\. Ask again"):
        answer(None)


def test_another_question_takes_the_place_of_one_that_was_left(steps: Steps) -> None:
    answer = Answering(cast(PolicyProbe, steps), 9.0)
    assert answer(ROLL) is None
    assert answer(JUDGE) is None
    assert steps.left == 1
    assert answer(None) is None
    with pytest.raises(NotFoundError, match="Train one"):
        answer(None)


def test_a_question_that_takes_too_much_of_the_processor_is_refused(steps: Steps) -> None:
    answer = Answering(cast(PolicyProbe, steps), 0.0)
    with pytest.raises(NotNowError, match=r"took more than 0 s\. Ask for less at once"):
        answer(ROLL)
    assert steps.left == 1
