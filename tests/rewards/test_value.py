from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import (
    CheckpointMismatchError,
    CorruptFileError,
    InvalidValueError,
    NonFiniteError,
    NotFoundError,
    ShapeError,
)
from robo_rlhf.core.runs import write_checkpoint
from robo_rlhf.rewards.value import ValueFunction, fit_value, load_value, save_value
from tests.toy import demonstrations

EPISODES = demonstrations(12)


@pytest.fixture(scope="module")
def value() -> ValueFunction:
    return fit_value(EPISODES, gamma=0.9, updates=300)


def test_it_rises_towards_success(value: ValueFunction) -> None:
    for episode in demonstrations(5, first_seed=50):
        if episode.success[-1] and np.argmax(episode.success) > 12:
            found = value.predict(episode.obs)
            assert found.min() >= 0
            assert found.max() <= 1
            assert found[-1] > 0.7
            assert found[-1] > found[0] + 0.2


def test_the_same_seed_gives_the_same_value(value: ValueFunction) -> None:
    again = fit_value(EPISODES, gamma=0.9, updates=300)
    np.testing.assert_array_equal(again.predict(EPISODES[0].obs), value.predict(EPISODES[0].obs))


def test_round_trip(value: ValueFunction, tmp_path: Path) -> None:
    save_value(value, tmp_path / "v.safetensors", "toy")
    again = load_value(tmp_path / "v.safetensors")
    np.testing.assert_array_equal(again.predict(EPISODES[0].obs), value.predict(EPISODES[0].obs))


def test_episodes_that_nothing_can_be_learned_from() -> None:
    other = replace(EPISODES[0], meta=replace(EPISODES[0].meta, task="lift"))
    with pytest.raises(InvalidValueError, match="at least one step, all of one task and shape, got lift and toy"):
        fit_value([EPISODES[0], other])
    for nothing in ([], [EPISODES[0].slice(0, 0)]):
        with pytest.raises(InvalidValueError, match=r"episodes for a value function: .*got none"):
            fit_value(nothing)
    broken = replace(EPISODES[0], obs=np.full_like(EPISODES[0].obs, np.nan))
    with pytest.raises(NonFiniteError, match="data for a value function"):
        fit_value([broken])


def test_files_that_are_no_value_function(value: ValueFunction, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    with pytest.raises(NotFoundError, match="robo-rlhf train value"):
        load_value(path)
    write_checkpoint(path, {"x": np.zeros(1)}, {"reward": {}})
    with pytest.raises(CheckpointMismatchError, match="expected a value function, it holds reward"):
        load_value(path)
    save_value(value, path, "toy")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CorruptFileError):
        load_value(path)


def test_observations_of_another_size(value: ValueFunction) -> None:
    with pytest.raises(ShapeError, match=r"obs for a value function: expected shape \(4, 6\), got shape \(4, 5\)"):
        value.predict(np.zeros((4, 5)))
