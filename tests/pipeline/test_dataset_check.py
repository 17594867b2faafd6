"""What is found of demonstrations, on some that are made to lack it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.stats import wilson
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.pipeline import dataset_check
from robo_rlhf.pipeline.dataset_check import consistency, dataset_findings
from tests.toy import ToyEnv, demonstrations


def driven(action_of: Any, count: int = 6) -> list[Episode]:
    """Demonstrations through random states, acted in by a function of state and chance."""
    rng, found = np.random.default_rng(3), []
    for episode in demonstrations(count, noise=0.0, pause=0.0):
        obs = rng.uniform(-1, 1, episode.obs.shape).astype(np.float32)
        action = np.stack([action_of(o, rng) for o in obs[:-1]]).astype(np.float32)
        found.append(replace(episode, obs=obs, action=action))
    return found


def test_consistency_is_how_well_the_nearest_state_of_another_predicts() -> None:
    size = demonstrations(1)[0].action.shape[1]
    assert consistency(driven(lambda obs, rng: np.tanh(obs[:size]))) > 0.6
    assert consistency(driven(lambda obs, rng: rng.uniform(-1, 1, size))) < 0.2


def test_starts_that_nobody_showed_are_named() -> None:
    shown = demonstrations(4)
    width = shown[0].obs.shape[1]
    for episode in shown:
        episode.obs[0] = 0.5
    starts: Array = np.random.default_rng(0).uniform(0, 1, (100, width))
    starts[:, 1] = 0.3  # the same each time: nothing to show
    found = dataset_check._coverage(shown, starts, [f"place {i}" for i in range(width)])
    assert not found.fine
    assert "they span 0% of where episodes start, the least 0% (place 0)" in found.found
    assert "Record starts where place 0 is between 0.0" in found.advice


@pytest.mark.parametrize(("pauses", "fine"), [(2, True), (20, False)])
def test_pauses_are_counted(pauses: int, fine: bool) -> None:
    (episode,) = demonstrations(1, noise=0.0, pause=0.0)
    action = np.ones_like(episode.action)
    action[:pauses] = 0
    found = dataset_check._idle([replace(episode, action=action)])
    assert found.fine == fine
    assert found.found == f"{pauses / len(episode):.0%}"


def test_more_are_asked_for_while_the_curve_rises() -> None:
    rising = dataset_check._curve([(5, wilson(10, 64)), (10, wilson(30, 64)), (20, wilson(50, 64))])
    assert not rising.fine
    assert rising.found.startswith("5: 16% (")
    assert dataset_check._curve([(10, wilson(60, 64)), (20, wilson(61, 64))]).fine


def test_demonstrations_that_all_fail_are_told_with_what_to_do() -> None:
    failed = [replace(e, meta=replace(e.meta, outcome="failure")) for e in demonstrations(3)]
    found = dataset_findings(failed, ToyEnv(4))
    assert next(found).found == "0"
    assert next(found).found == "3 of 3"
    with pytest.raises(NotFoundError, match="Record some that succeed"):
        next(found)
