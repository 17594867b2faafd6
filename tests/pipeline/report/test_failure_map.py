"""Where a policy fails, on starts that are made up."""

import numpy as np

from robo_rlhf.pipeline.report.failure_map import map_failures

SEEDS = np.arange(900, 1000)


def test_the_columns_that_tell_failures_apart_are_found_and_starts_like_them_offered() -> None:
    rng = np.random.default_rng(0)
    starts, new = rng.uniform(-1, 1, (200, 5)), rng.uniform(-1, 1, (100, 5))
    starts[:, 2], new[:, 2] = 7.0, 7.0  # always alike
    failed = (starts[:, 3] > 0.3) & (starts[:, 1] < 0)
    found = map_failures(starts, failed, new, SEEDS)
    assert found is not None
    assert set(found.columns) == {1, 3}
    for seed, failing in zip(found.seeds, found.failing, strict=True):
        assert failing >= 3
        place = new[seed - 900]
        assert place[3] > 0
        assert place[1] < 0.3
    assert list(found.failing) == sorted(found.failing, reverse=True)


def test_where_all_starts_are_alike_there_is_no_map() -> None:
    assert map_failures(np.ones((20, 3)), np.arange(20) < 5, np.ones((100, 3)), SEEDS) is None


def test_where_all_fail_no_place_stands_out() -> None:
    starts = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    found = map_failures(starts, np.ones(20, bool), starts[:10], SEEDS[:10])
    assert found is not None
    assert found.seeds == ()
