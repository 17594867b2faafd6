"""A minute of cloning: as much as fits, and what cannot be told."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.pipeline.prediction.cloning import CLONE, LEAST_ROLLOUTS, LEAST_UPDATES, PARTS, affordable, clone_parts
from tests.toy import ToyEnv, demonstrations


def test_as_much_as_fits_is_cloned() -> None:
    usual = affordable(60.0, update=0.006, step=1e-5, horizon=200)
    assert (usual.parts, usual.updates, usual.rollouts) == (PARTS[0], CLONE.updates, 64)
    slow = affordable(60.0, update=0.03, step=1e-3, horizon=200)
    assert slow.updates < CLONE.updates
    assert slow.rollouts >= LEAST_ROLLOUTS
    each = slow.updates * 0.03 + slow.rollouts * 200 * 1e-3
    assert len(slow.parts) * each <= 60.0
    assert affordable(12.0, update=0.03, step=1e-4, horizon=200).parts == (1.0,)
    with pytest.raises(InvalidValueError, match=r"--cloning: expected at least 0\.55: a step takes 5 ms here"):
        affordable(20.0, update=0.03, step=5e-3, horizon=200)


def test_too_few_and_no_success_are_refused() -> None:
    shown = demonstrations(5)
    with pytest.raises(InvalidValueError, match="at least 4 successful ones"):
        clone_parts(shown[:3], ToyEnv(8), 1.0)
    silent = [replace(one, success=np.zeros_like(one.success)) for one in shown]
    with pytest.raises(InvalidValueError, match="one whose environment marks success"):
        clone_parts(silent, ToyEnv(8), 1.0)


def test_parts_are_cloned_and_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_rlhf.pipeline.prediction.cloning.LEAST_UPDATES", LEAST_UPDATES // 10)
    monkeypatch.setattr(
        "robo_rlhf.pipeline.prediction.cloning.CLONE", replace(CLONE, updates=30, settings={"width": 32})
    )
    curve, tried = clone_parts(demonstrations(8), ToyEnv(8), 1.0)
    assert [point.demos for point in curve] == [4, 8]
    assert curve[-1].successes == sum(tried.success_end)
    assert curve[-1].episodes == tried.episodes
