"""Cases chosen with chances in proportion to their sizes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.feedback.selection import sample_in_proportion


@given(
    st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40),
    st.integers(0, 50),
    st.integers(0, 2**32 - 1),
)
def test_exactly_as_many_as_were_asked_for_and_none_twice(sizes: list[float], count: int, seed: int) -> None:
    chosen, chance = sample_in_proportion(np.array(sizes), count, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(sizes))
    assert (chance >= 0).all()
    assert (chance <= 1 + 1e-9).all()
    np.testing.assert_allclose(chance.sum(), min(count, len(sizes)), rtol=1e-9)
    assert (chance[chosen] > 0).all()


def test_each_is_chosen_as_often_as_its_chance_says() -> None:
    size, counts = np.array([1.0, 2.0, 3.0, 4.0, 50.0]), np.zeros(5)
    rng = np.random.default_rng(3)
    for _ in range(4000):
        chosen, chance = sample_in_proportion(size, 2, rng)
        counts[chosen] += 1
    np.testing.assert_allclose(chance, [0.1, 0.2, 0.3, 0.4, 1.0])
    np.testing.assert_allclose(counts / 4000, chance, atol=0.03)
