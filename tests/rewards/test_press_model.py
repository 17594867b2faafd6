"""What viewers would press about steps that nobody watched."""

import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.rewards.press_model import PressModel


def test_it_speaks_for_what_is_like_what_was_judged_and_for_nothing_else() -> None:
    rng = np.random.default_rng(0)
    obs, action = rng.uniform(-1, 1, (400, 2)), rng.uniform(-1, 1, (400, 1))
    model = PressModel()
    assert not model(obs, action).any()
    model.fit(obs, action, np.sign(obs[:, 0]))
    new, done = rng.uniform(-1, 1, (5, 40, 2)), rng.uniform(-1, 1, (5, 40, 1))
    found = model(new, done)
    assert found.shape == (5, 40)
    clear = np.abs(new[..., 0]) > 0.3
    assert (np.sign(found) == np.sign(new[..., 0]))[clear].mean() > 0.97
    assert np.abs(model(new + 50.0, done)).mean() < 0.5 * np.abs(found).mean()
    with pytest.raises(ShapeError):
        model.fit(obs, action, np.zeros(3))


def test_it_learns_what_an_action_does_there_where_a_fifth_is_pressed_about() -> None:
    rng = np.random.default_rng(0)
    obs, action = rng.uniform(-1, 1, (480, 13)), rng.uniform(-1, 1, (480, 5))
    nearer = (obs[:, :3] * action[:, :3]).sum(1)  # the offset of a goal, and a velocity
    model = PressModel()
    model.fit(obs[:400], action[:400], np.sign(nearer[:400]) * (rng.uniform(size=400) < 0.2))
    assert np.corrcoef(model(obs[400:], action[400:]), nearer[400:])[0, 1] > 0.4
