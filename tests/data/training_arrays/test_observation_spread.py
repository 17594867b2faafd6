import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.data.training_arrays.observation_spread import hidden_spread, widened

RNG = np.random.default_rng(0)
STARTS = RNG.normal([0.0, 5.0, 1.0], [1.0, 0.2, 0.0], (400, 3)).astype(np.float32)


def test_only_columns_that_hardly_vary_are_hidden() -> None:
    obs = RNG.normal([3.0, 5.0, 1.0], [0.8, 0.001, 0.0], (100, 3)).astype(np.float32)
    spread = hidden_spread(obs, STARTS)
    np.testing.assert_allclose(spread, [0.0, STARTS[:, 1].std(), 0.0], rtol=1e-5)
    scales = widened(obs, spread)
    np.testing.assert_allclose(scales.mean(0), obs.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scales.std(0), [obs[:, 0].std(), STARTS[:, 1].std(), 0.0], rtol=1e-4, atol=1e-7)


def test_what_was_shown_stays_as_it_is() -> None:
    obs = STARTS[:100]
    assert widened(obs, hidden_spread(obs, STARTS)) is obs


@pytest.mark.parametrize("starts", [np.zeros((4, 2), np.float32), np.zeros(3, np.float32)])
def test_starts_of_another_size_are_refused(starts: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="starts"):
        hidden_spread(STARTS, starts)
