"""People who watch a policy practise: what they see, and what their presses do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.store import Store
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms.live import Live
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training_tools.viewers import PRACTICE, Audience, audience, credited
from tests.toy import ToyEnv


def press(step: float, sign: int = 1, episode: str = "e", who: str = "ada", number: int = 1) -> Signal:
    return Signal(who, "r", f"{PRACTICE}/r", episode, sign, step, 20.0, number=number)


def test_a_press_means_what_was_shown_before_it() -> None:
    found = credited([press(20.0)], 40, Live())
    assert found.max() == pytest.approx(1.0)
    assert set(np.flatnonzero(found)) == set(range(4, 16))  # 0.2 to 0.8 s before it, at 20 steps a second
    both = credited([press(20.0), press(20.0, who="ben")], 40, Live())
    np.testing.assert_allclose(both, found)  # a second person may press too; it stays within 1
    assert not credited([press(20.0), press(20.0, -1, who="ben")], 40, Live()).any()
    assert not credited([press(90.0)], 40, Live()).any()  # after the end
    fading = credited([press(20.0)], 40, Live(decay=0.5))
    assert 0 < fading[0] < fading[3] < fading[5]


def test_practice_is_recorded_and_presses_about_it_are_heard(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    env = make_env("reach", 2)
    pressed: list[Signal] = []
    viewers = Audience(run, tmp_path, env, lambda: pressed)
    reward = RewardSum("learned + 0.5 * live(latest=1.0)")
    obs = env.reset(np.arange(2))
    assert viewers.refreshed(reward) is False
    for t in range(env.horizon):
        step = env.step(np.full((2, env.act_dim), 0.3, np.float32))
        viewers.see(env, t, step)
    (name,) = viewers.dataset.ids()
    shown = viewers.dataset.load(name)
    assert (len(shown), shown.meta.operator, shown.meta.task) == (env.horizon - 1, "r", "reach")
    assert not viewers.judge(shown.obs[:-1], shown.action).any()
    pressed.append(press(20.0, episode=name))
    assert viewers.refreshed(reward) is True
    assert viewers.refreshed(reward) is False
    found = viewers.judge(shown.obs[:-1], shown.action)
    assert found[8:14].mean() > 0.3 > abs(found[40:].mean())
    pressed.clear()
    assert viewers.refreshed(reward) is True
    assert not viewers.judge(shown.obs[:-1], shown.action).any()
    assert obs.shape == (2, env.obs_dim)


def test_who_watches_what(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "deep" / "r"
    run.mkdir(parents=True)
    env: Any = make_env("reach", 1)
    with audience("learned", run, tmp_path, env) as nobody:
        assert nobody is None
    with audience("success + live", run, tmp_path, env) as viewers:
        assert viewers is not None
        with Store(tmp_path / "feedback.db") as store:
            store.signals.add(Signal("ada", "deep/r", f"{PRACTICE}/deep/r", "gone", 1, 3.0, 20.0), key="1")
        assert [one.episode_id for one in viewers._presses()] == ["gone"]
        assert viewers.refreshed(RewardSum("success + live")) is False  # nothing can be learned from it
    with pytest.raises(InvalidValueError, match="a task of this program, which can be drawn"):
        Audience(run, tmp_path, ToyEnv(1), list)
