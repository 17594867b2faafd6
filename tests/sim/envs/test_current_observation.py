from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import FileWarning, InvalidValueError
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.reward_fitting.answers import episodes_of
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.current_observation import CurrentObservations, with_current_observations
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks import TASKS


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    env = make_env("navigate_room", 2, nthread=1)
    return rollout(env, ScriptedOperator(env), np.arange(2))


def as_earlier(episode: Episode) -> Episode:
    return replace(episode, obs=episode.obs[:, :-2])


def test_an_earlier_recording_is_observed_again_from_its_states(episodes: list[Episode]) -> None:
    with pytest.warns(FileWarning, match="recorded with 17 observation columns; the task has 19 now") as told:
        found = list(with_current_observations(as_earlier(episode) for episode in episodes))
    assert len(told) == 1
    for episode, again in zip(episodes, found, strict=True):
        np.testing.assert_array_equal(again.obs, episode.obs)
        assert again.state is episode.state


def test_what_fits_is_not_touched(episodes: list[Episode]) -> None:
    outside = replace(episodes[0], meta=replace(episodes[0].meta, task="Pusher-v5"), obs=episodes[0].obs[:, :3])
    found = list(with_current_observations([episodes[0], outside]))
    assert found[0] is episodes[0]
    assert found[1] is outside


@pytest.mark.filterwarnings("ignore::robo_rlhf.core.errors.FileWarning")
def test_what_cannot_be_observed_again_is_refused(episodes: list[Episode]) -> None:
    earlier, wanted = as_earlier(episodes[0]), "expected the 19 columns of navigate_room.*got 17 observation columns"
    with pytest.raises(InvalidValueError, match=wanted):
        CurrentObservations()(replace(earlier, state=earlier.state[:, :0]))
    with pytest.raises(InvalidValueError, match=wanted):
        CurrentObservations()(replace(earlier, meta=replace(earlier.meta, model_hash="scene 12: of another world")))


def test_answers_about_earlier_recordings_still_train(episodes: list[Episode], tmp_path: Path) -> None:
    name = Dataset(tmp_path / "earlier", create=True).add(as_earlier(episodes[0]))
    load = episodes_of(tmp_path)
    with pytest.warns(FileWarning):
        np.testing.assert_array_equal(load("earlier", name).obs, episodes[0].obs)


def test_push_shows_what_its_operator_steers_by() -> None:
    env = make_env("push", 8, nthread=1)
    obs = env.reset(np.arange(8))
    named = dict(zip(TASKS["push"].obs_names, obs.T, strict=True))
    ahead = np.stack([named["ahead_x"], named["ahead_y"]])
    goal = np.stack([named["goal_dx"], named["goal_dy"]])
    puck = np.stack([named["puck_dx"], named["puck_dy"]])
    np.testing.assert_allclose(ahead, goal / np.linalg.norm(goal, axis=0), atol=1e-6)
    np.testing.assert_allclose(named["along"], -(puck * ahead).sum(0), atol=1e-6)
    np.testing.assert_allclose(named["side"] ** 2 + named["along"] ** 2, (puck**2).sum(0), atol=1e-6)
    behind = np.stack([named["behind_dx"], named["behind_dy"]])
    np.testing.assert_allclose(behind, puck - 0.075 * ahead, atol=1e-6)
