"""Every format that can be written: what was exported comes back bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats.exporting import export
from robo_rlhf.formats.importing import import_place, recognise
from robo_rlhf.formats.kinds import FORMATS
from tests.data.making import episode
from tests.formats.making import PLACES, recorded, round_trip

WRITTEN = sorted(PLACES)


def check_same(found: Dataset, wanted: Dataset) -> None:
    assert found.ids() == wanted.ids()
    for episode_id in wanted.ids():
        (columns, header), (expected, head) = found.read(episode_id), wanted.read(episode_id)
        assert header.meta == head.meta
        assert columns.keys() == expected.keys()
        for name, value in expected.items():
            assert (columns[name].dtype, columns[name].shape) == (value.dtype, value.shape), name
            assert columns[name].tobytes() == value.tobytes(), name


def test_those_with_pictures_are_those_that_are_written() -> None:
    assert [name for name in FORMATS if FORMATS[name].pictures] == WRITTEN


@pytest.mark.parametrize("form", WRITTEN)
def test_an_import_of_an_export_is_equal_bit_for_bit(form: str, tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "from")
    check_same(round_trip(dataset, form, tmp_path), dataset)
    assert recognise(tmp_path / PLACES[form]) == form
    assert not list(tmp_path.glob(".*"))  # what they were made in is gone


@pytest.mark.parametrize("form", WRITTEN)
def test_episodes_without_states_come_back_too(form: str, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "from", create=True)
    like = episode("e1", task="Pusher-v5")
    dataset.add(type(like)(**{**vars(like), "state": np.zeros((13, 0)), "signals": {}}))
    check_same(round_trip(dataset, form, tmp_path), dataset)


def test_filters_choose_what_comes_in(tmp_path: Path) -> None:
    dataset, place = recorded(tmp_path / "from"), tmp_path / "set"
    export(dataset, dataset.list(outcome="success"), place, "lerobot")
    assert import_place(place, tmp_path / "back", keep=lambda e: len(e) > 5) == 1
    assert Dataset(tmp_path / "back").ids() == ("e1",)
    with pytest.raises(InvalidValueError, match="none that fits"):
        import_place(place, tmp_path / "none", keep=lambda e: False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("form", WRITTEN)
def test_what_cannot_be_exported_is_refused_before_anything_is_made(form: str, tmp_path: Path) -> None:
    dataset, place = recorded(tmp_path / "from"), tmp_path / PLACES[form]
    dataset.add(episode("other", obs_dim=7))
    with pytest.raises(InvalidValueError, match="episode other of task push differs from e0"):
        export(dataset, dataset.list(), place, form)
    with pytest.raises(InvalidValueError, match="expected at least one"):
        export(dataset, (), place, form)
    outside = Dataset(tmp_path / "outside", create=True)
    outside.add(episode("o1", task="Pusher-v5"))
    with pytest.raises(InvalidValueError, match="no pictures at all"):
        export(outside, outside.list(), place, form, cameras=("front",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "outside"]
    place.mkdir()
    with pytest.raises(ConflictError, match="something at that place already"):
        export(dataset, dataset.list(), place, form)


def test_an_import_that_was_stopped_leaves_nothing_visible_and_goes_on(tmp_path: Path) -> None:
    dataset, place, target = recorded(tmp_path / "from", 4), tmp_path / "set", tmp_path / "home" / "back"
    export(dataset, dataset.list(), place, "lerobot")

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        import_place(place, target, tell=stop)
    assert not target.exists()
    assert import_place(place, target) == 4
    check_same(Dataset(target), dataset)
    with pytest.raises(ConflictError, match="episodes merge"):
        import_place(place, target)
