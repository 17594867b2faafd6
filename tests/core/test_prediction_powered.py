"""A share that a model predicts in many cases, corrected by the few in which it is known."""

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.stats import prediction_powered


def test_a_model_that_is_too_kind_is_corrected_and_its_interval_covers_the_truth() -> None:
    """A head sees 95 % where 75 % are true; 20 of 64 cases are known, chosen where it is unsure."""
    rng, covered, values = np.random.default_rng(0), 0, []
    for _ in range(400):
        kind = rng.random(64)
        predicted = np.where(kind < 0.75, 0.98, np.where(kind < 0.95, 0.85, 0.02))
        true = kind < 0.75
        chance = np.clip(20 * (size := 0.2 + np.sqrt(predicted * (1 - predicted))) / size.sum(), 0, 1)
        known = rng.random(64) < chance
        found = prediction_powered(predicted, true[known] - predicted[known], 1 / chance[known])
        covered += found.low <= 0.75 <= found.high
        values.append(found.value)
    assert np.mean(values) == pytest.approx(0.75, abs=0.03)  # two residuals that are added leave a tenth of the error
    assert covered / 400 >= 0.93


def test_a_few_answers_without_an_error_prove_no_perfection() -> None:
    found = prediction_powered(np.ones(100), np.zeros(7), np.ones(7))
    assert found.value == 1.0
    assert found.low == pytest.approx(1 - 1.96 * (2 / 81) ** 0.5, abs=1e-3)
    nobody = prediction_powered(np.full(100, 0.5), np.zeros(0), np.zeros(0))
    assert (nobody.value, nobody.low, nobody.high) == (0.5, 0.0, 1.0)


def test_what_cannot_be_estimated_is_refused() -> None:
    with pytest.raises(ShapeError, match="weights of residuals"):
        prediction_powered(np.ones(3), np.zeros(2), np.ones(3))
    with pytest.raises(InvalidValueError, match="at least one"):
        prediction_powered(np.zeros(0), np.zeros(2), np.ones(2))
