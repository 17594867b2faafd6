"""A simulated person records enough in ten minutes, and a policy can be cloned from the recordings."""

import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training.bc import Config, train
from tests.browser.conftest import SAMPLES, OpenPage, Served
from tests.browser.operating import sign_in
from tests.browser.person import NAME, record

WANTED, LIMIT = 10, 600.0  # episodes that are kept within so many seconds
EPISODES = 50


@pytest.mark.slow
def test_a_person_at_the_keys_records_ten_successes_in_ten_minutes(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, NAME)
    begun = time.monotonic()
    kept = record(page, station, WANTED, "hour", seed=3_200_000, limit=LIMIT)
    print(f"\n{kept} kept after {time.monotonic() - begun:.0f} s (bar: {WANTED} within {LIMIT:.0f} s)")
    assert kept >= WANTED
    dataset = Dataset(station.home / "hour")
    infos = dataset.list(outcome="success")
    assert len(infos) == kept
    for info in infos:
        assert (info.meta.device, info.meta.operator) == ("browser", NAME)
        assert (dataset.load(info.meta.id).source == Source.HUMAN).all()


@pytest.mark.slow
def test_cloning_what_was_driven_by_hand_beats_chance(tmp_path: Path) -> None:
    """Chance is what a policy without training does from the same seeds."""
    episodes = list(Reader(SAMPLES / "pick_place_browser").load_all())
    found = {}
    for name, updates in (("untrained", 1), ("cloned", 3000)):
        config = Config(updates=updates)
        policy = train(config, Run(tmp_path / name, config), episodes)
        env = make_env("pick_place", EPISODES, nthread=1)
        found[name] = evaluate(env, policy, np.arange(EPISODES))
    cloned, untrained = (sum(found[name].success_end) for name in ("cloned", "untrained"))
    print(f"\n{len(episodes)} episodes by hand: {cloned} of {EPISODES} succeed, untrained {untrained}")
    assert cloned >= untrained + 5
