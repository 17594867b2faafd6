"""What an export of many episodes keeps in memory, and how it divides them into files."""

import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats import statistics
from robo_rlhf.formats.exporting import export
from robo_rlhf.formats.importing import import_place
from robo_rlhf.formats.lerobot import files, writing
from tests.data.making import episode
from tests.formats.making import PLACES

FEW = 5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = Dataset(tmp_path_factory.mktemp("many") / "from", create=True)
    made.add_many(episode(f"e{i:03}", steps=200, seed=i, obs_dim=30) for i in range(3 * FEW))
    return made


@pytest.mark.parametrize("form", sorted(PLACES))
def test_memory_does_not_grow_with_the_episodes(
    form: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SAMPLE", 100)  # what is kept up to a bound keeps less
    monkeypatch.setattr(writing, "EPISODES_EACH", 4)

    def peak(count: int) -> int:
        infos = dataset.list()[:count]
        tracemalloc.start()
        export(dataset, infos, tmp_path / f"{count}-{PLACES[form]}", form)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    export(dataset, dataset.list()[:1], tmp_path / f"1-{PLACES[form]}", form)  # imports and caches on the way
    more = peak(3 * FEW) - peak(FEW)
    assert more < 2 * FEW * 20_000  # [bytes]; each of the episodes is 100 kB


def test_files_of_a_lerobot_set_have_few_pieces(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_PIECES", 100)  # whose places the library keeps in its own memory
    monkeypatch.setattr(writing, "EPISODES_EACH", 4)
    place = tmp_path / "set"
    export(dataset, dataset.list(), place, "lerobot")
    for kind in ("data", "meta/episodes"):
        found = sorted((place / kind).rglob("*.parquet"))
        pieces = [(about.num_row_groups * about.num_columns, about) for about in map(pq.read_metadata, found)]
        assert len(found) > 2
        assert all(some <= 100 or about.num_row_groups == 1 for some, about in pieces)
    for number, path in enumerate(found):
        assert set(pq.read_table(path)["meta/episodes/file_index"].to_pylist()) == {number}
    assert import_place(place, tmp_path / "back") == 3 * FEW
