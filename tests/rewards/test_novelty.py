import numpy as np

from robo_rlhf.rewards.novelty import LEAST, novelty


def test_it_is_the_distance_to_the_fifth_nearest() -> None:
    states = np.random.default_rng(0).normal(size=(60, 3, 4)).astype(np.float32)
    found = novelty(states, states[..., :2], states)
    flat = states.reshape(-1, 4).astype(float)
    apart = np.sort(np.linalg.norm(flat[:, None] - flat, axis=-1), axis=1)[:, 5]
    np.testing.assert_allclose(found.reshape(-1), np.log(apart + LEAST), rtol=1e-5)
    assert found.dtype == np.float32


def test_who_stands_still_finds_nothing_new_and_who_strays_does() -> None:
    still = np.zeros((20, 2, 3), np.float32)
    far = still.copy()
    far[7, 1] = 5.0
    assert np.ptp(novelty(still, still, still)) == 0
    assert np.unravel_index(novelty(far, far, far).argmax(), (20, 2)) == (7, 1)


def test_one_state_alone_is_a_number() -> None:
    assert np.isfinite(novelty(*[np.zeros((1, 1, 2), np.float32)] * 3)).all()
