from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import DataWarning
from tests.data.making import episode


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "ds", create=True)
    made.add_many([episode("a", steps=5, seed=1), episode("b", steps=3, seed=2), episode("c", steps=4, seed=3)])
    return made


def test_arrays_are_the_episodes_one_after_another(dataset: Dataset) -> None:
    data = dataset.arrays()
    episodes = [dataset.load(episode_id) for episode_id in ("a", "b", "c")]
    assert data.ids == ("a", "b", "c")
    assert data.starts.tolist() == [0, 5, 8, 12]
    assert len(data) == 12
    np.testing.assert_array_equal(data.obs, np.concatenate([e.obs[:-1] for e in episodes]))
    np.testing.assert_array_equal(data.next_obs, np.concatenate([e.obs[1:] for e in episodes]))
    np.testing.assert_array_equal(data.action, np.concatenate([e.action for e in episodes]))
    np.testing.assert_array_equal(data.source, np.concatenate([e.source for e in episodes]))
    assert data.frame.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3]


def test_arrays_of_chosen_episodes_and_sources(dataset: Dataset) -> None:
    chosen = dataset.arrays(("c", "a"))
    assert chosen.ids == ("c", "a")
    assert chosen.starts.tolist() == [0, 4, 9]
    corrections = dataset.arrays(sources=(Source.CORRECTION,))
    everything = dataset.arrays()
    np.testing.assert_array_equal(corrections.obs, everything.obs[everything.source == Source.CORRECTION])
    assert corrections.starts[-1] == len(corrections)


def test_next_observations_survive_trimming(dataset: Dataset) -> None:
    waiting = episode("d", steps=6, seed=4)
    action = waiting.action.copy()
    action[:, 2] = 1.0  # a gripper that stays closed
    action[1:5, :2] = 0.0
    dataset.add(type(waiting)(**{**vars(waiting), "action": action}))
    data = dataset.arrays(("d",), idle=1)
    assert data.frame.tolist() == [0, 1, 5]
    np.testing.assert_array_equal(data.next_obs, waiting.obs[[1, 2, 6]])


def test_episodes_of_different_shapes_are_refused(dataset: Dataset) -> None:
    dataset.add(episode("wide", obs_dim=8))
    with pytest.raises(ShapeError, match=r"obs of episode wide: expected shape \(T, 6\), got shape \(13, 8\)"):
        dataset.arrays()
    with pytest.raises(InvalidValueError, match="training arrays: expected at least one"):
        dataset.arrays(())


def test_damaged_episodes_are_left_out_with_a_warning(dataset: Dataset) -> None:
    path = dataset.path / "episodes" / "b.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(DataWarning, match=r"b\.parquet.*moved to"):
        data = dataset.arrays()
    assert data.ids == ("a", "c")
    assert dataset.ids() == ("a", "c")
