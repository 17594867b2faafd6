"""The demonstrations that ship with the project."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.types import Source
from robo_rlhf.data.reader import Reader
from robo_rlhf.rollouts.deviation import measure_deviation
from robo_rlhf.sim.envs.task_env import TaskEnv, is_made_here
from robo_rlhf.sim.tasks import TASKS

SAMPLES = Path(__file__).parents[1] / "recordings" / "samples"
SIZE = 15e6  # [bytes]
LEAST = {"pick_place": 50}
AT_LEAST, REPLAYED = 20, 2
STRAYS = 5e-3  # [m, rad] of ten steps where another machine recorded; where this one did, every bit is the same
BROWSER = "pick_place_browser"  # recorded through the operate page: make samples-browser


@pytest.mark.parametrize("task", list(TASKS))
def test_every_sample_is_whole_and_says_what_it_is(task: str) -> None:
    samples = Reader(SAMPLES / task)
    episodes = [samples.load(episode_id) for episode_id in samples]  # each byte is checked
    assert len(episodes) >= LEAST.get(task, AT_LEAST)
    assert len({episode.meta.seed for episode in episodes}) == len(episodes)
    for episode in episodes:
        meta = episode.meta
        found = (meta.task, meta.operator, meta.device, meta.outcome, meta.tags)
        assert found == (task, "scripted", "scripted", "success", ("sample",))
        assert (episode.source == Source.SCRIPTED).all()
        assert episode.success[-1]
        assert len(episode) <= 1.6 * TASKS[task].horizon
        assert np.isfinite(samples.timing(meta.id).wall_time).all()


def test_the_samples_of_the_browser_were_driven_by_hand() -> None:
    samples = Reader(SAMPLES / BROWSER)
    episodes = [samples.load(episode_id) for episode_id in samples]
    assert len(episodes) == AT_LEAST
    assert len({episode.meta.seed for episode in episodes}) == len(episodes)
    for episode in episodes:
        meta = episode.meta
        found = (meta.task, meta.device, meta.outcome, meta.tags)
        assert found == ("pick_place", "browser", "success", ("sample",))
        assert (episode.source == Source.HUMAN).all()
        assert episode.success[-1]
        timing = samples.timing(meta.id)
        assert np.isfinite(timing.wall_time).all()
        assert np.isfinite(timing.input_age).any()


@pytest.mark.parametrize("folder", [*TASKS, BROWSER])
def test_the_samples_are_of_the_task_as_it_is(folder: str) -> None:
    task = folder.removesuffix("_browser")
    env = TaskEnv(TASKS[task](), REPLAYED, nthread=1)
    samples = Reader(SAMPLES / folder)
    episodes = [samples.load(episode_id) for episode_id in samples.ids()[:REPLAYED]]
    if any(episode.meta.versions["mujoco"] != mujoco.__version__ for episode in episodes):
        pytest.skip("recorded with another version of MuJoCo")
    for episode in episodes:
        command = "make samples-browser" if folder == BROWSER else f"robo-rlhf samples --tasks {task}"
        advice = f"Record them anew: {command}"
        assert env.is_scene_of(episode.meta.model_hash), advice
        assert episode.obs.shape[1] == env.obs_dim, advice
    if not all(is_made_here(episode.meta.versions) for episode in episodes):
        seen = env.set_state(np.stack([episode.state[0] for episode in episodes]))
        np.testing.assert_allclose(seen, np.stack([episode.obs[0] for episode in episodes]), atol=1e-6, err_msg=advice)
        for episode in episodes:
            assert measure_deviation(env, episode.state[:11], episode.action[:10]) <= STRAYS, episode.meta.id
        return
    steps = min(len(episode) for episode in episodes)
    first = env.set_state(np.stack([episode.state[0] for episode in episodes]))
    np.testing.assert_array_equal(first, np.stack([episode.obs[0] for episode in episodes]))
    for t in range(steps):
        step = env.step(np.stack([episode.action[t] for episode in episodes]))
        for i, episode in enumerate(episodes):
            assert env.get_state()[i].tobytes() == episode.state[t + 1].tobytes(), f"{episode.meta.id}, step {t}"
            assert step.obs[i].tobytes() == episode.obs[t + 1].tobytes()
            assert step.reward[i] == episode.reward[t]


def test_the_samples_are_small_and_nothing_else_lies_there() -> None:
    files = [file for file in SAMPLES.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < SIZE
    assert {path.name for path in SAMPLES.iterdir()} == {*TASKS, BROWSER}
