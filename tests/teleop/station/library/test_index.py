import json
import time
from pathlib import Path

import pytest

from robo_rlhf.core.errors import CorruptFileError, NotFoundError
from robo_rlhf.data.dataset import Dataset
from teleop.station.library import index as index_module
from teleop.station.library.entry import EpisodeKey
from teleop.station.library.index import Index, IndexProgress
from tests.data.making import episode, flip
from tests.teleop.station.making import many


@pytest.fixture
def index(home: Path) -> Index:
    many(home, 6)
    found = Index(home)
    assert found.refresh(10) == IndexProgress(6, 6)
    return found


def ids(index: Index) -> list[str]:
    index.refresh(10)
    return [entry.key.episode for entry in index.entries()]


def test_everything_known_of_an_episode_comes_from_its_footer(index: Index) -> None:
    entry = index.entries()[5]
    assert entry.key == EpisodeKey("demos", "e00005")
    assert (entry.meta.task, entry.meta.operator, entry.steps) == ("reach", "", 12)
    assert entry.seconds == pytest.approx(0.6)
    assert entry.sources == ("scripted",)
    assert entry.facets == (
        ("demos",),
        ("reach",),
        ("success",),
        ("scripted",),
        ("(none)",),
        ("scripted",),
        ("good", "slow"),
    )
    assert "dropped it" in entry.text


def test_edits_additions_and_deletions_are_seen(index: Index, home: Path) -> None:
    before, number = index.entries()[0].version, index.number
    dataset = Dataset(home / "demos")
    dataset.tag("e00000", "new")
    dataset.delete("e00001")
    dataset.add(episode("zz"))
    assert ids(index) == ["e00000", "e00002", "e00003", "e00004", "e00005", "zz"]
    assert "new" in index.entries()[0].meta.tags
    assert index.entries()[0].version != before
    assert index.number > number
    number = index.number
    index.refresh()
    assert index.number == number


def test_one_episode_is_looked_at_without_a_refresh(index: Index, home: Path) -> None:
    key = EpisodeKey("demos", "e00003")
    Dataset(home / "demos").note("e00003", "look")
    assert index.get(key).meta.note == "look"
    Dataset(home / "demos").delete("e00003")
    with pytest.raises(NotFoundError, match=r"in demos 'e00003'. Another user may have deleted it meanwhile"):
        index.get(key)
    for key in (EpisodeKey("demos", "../dataset"), EpisodeKey("demos", ""), EpisodeKey("nowhere", "e00001")):
        with pytest.raises(NotFoundError):
            index.get(key)


def test_damaged_files_are_moved_aside_and_the_rest_is_listed(index: Index, home: Path) -> None:
    broken = home / "demos" / "episodes" / "e00002.parquet"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(CorruptFileError):
        index.get(EpisodeKey("demos", "e00002"))
    (home / "demos" / "episodes" / "e00004.parquet").write_bytes(b"")
    (home / "demos" / "episodes" / "e00009.parquet").write_bytes(b"nothing")
    assert ids(index) == ["e00000", "e00001", "e00003", "e00005"]
    assert len(list((home / "demos" / "quarantine").glob("*.parquet"))) == 3
    assert len(index.problems) == 3


def test_damage_that_the_footer_does_not_show_does_not_change_the_list(index: Index, home: Path) -> None:
    flip(home / "demos" / "episodes" / "e00002.parquet", 8 * 40)
    assert len(ids(index)) == 6


def test_a_foreign_file_is_passed_over(index: Index, home: Path) -> None:
    (home / "demos" / "episodes" / "a name with spaces.parquet").write_bytes(b"nothing")
    assert len(ids(index)) == 6


def test_a_first_look_goes_on_where_it_stopped(home: Path) -> None:
    many(home, 30)
    index, looks = Index(home), 1
    assert index.refresh(0) == IndexProgress(0, 30)
    while (progress := index.refresh(0.002)).done < progress.total:
        looks += 1
    assert looks > 1
    assert len(index.entries()) == 30


def test_what_was_learned_serves_the_next_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "SAVE_AFTER", 3)
    many(home, 6)
    first = Index(home)
    first.refresh(10)
    Dataset(home / "demos").tag("e00001", "later")
    read: list[Path] = []

    def note(path: Path) -> object:
        read.append(path)
        return read_header(path)

    read_header = index_module.read_header
    monkeypatch.setattr(index_module, "read_header", note)
    later = Index(home)
    later.refresh(10)
    first.refresh(10)
    assert {path.name for path in read} == {"e00001.parquet"}
    assert later.entries() == first.entries()
    assert [entry.facets for entry in later.entries()] == [entry.facets for entry in first.entries()]


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"version": 1, "episodes": 5}), "\0"])
def test_a_damaged_memory_is_no_memory(home: Path, content: str) -> None:
    many(home, 3)
    (home / "cache").mkdir()
    (home / "cache" / "library.json").write_text(content)
    assert len(ids(Index(home))) == 3


def test_older_files_are_asked_who_chose_their_steps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = index_module.read_header
    monkeypatch.setattr(index_module, "read_header", lambda path: header(path)._replace(sources=None))
    many(home, 6)
    index = Index(home)
    index.refresh(10)
    assert [entry.sources for entry in index.entries()][:4] == [
        ("human",),
        ("scripted",),
        ("policy",),
        ("policy", "correction"),
    ]
    assert index.entries()[0].facets[3] == ("human",)


def test_datasets_come_and_go(index: Index, home: Path) -> None:
    many(home, 2, "samples/more")
    Dataset(home / "empty", create=True)
    index.refresh(10)
    assert index.datasets() == {"demos": 6, "empty": 0, "samples/more": 2}
    (home / "demos").rename(home / "moved")
    index.refresh(10)
    assert index.datasets() == {"empty": 0, "moved": 6, "samples/more": 2}
    assert index.folder("moved") == home / "moved"
    with pytest.raises(NotFoundError, match="No dataset 'demos'"):
        index.folder("demos")


def test_samples_that_ship_are_listed_and_marked(index: Index, tmp_path: Path) -> None:
    many(tmp_path / "shipped", 2, "samples/reach")
    many(tmp_path / "shipped", 2, "runs")
    index.refresh(10)
    assert index.datasets() == {"demos": 6, "samples/reach": 2}
    assert index.ships("samples/reach")
    assert not index.ships("demos")


def test_an_empty_home_holds_nothing(home: Path) -> None:
    assert Index(home).refresh() == IndexProgress(0, 0)
    assert Index(home).datasets() == {}


@pytest.fixture
def settled(index: Index) -> Index:
    """An index of a folder that did not change for a while."""
    time.sleep(index_module.SETTLED + 0.1)
    index.refresh(10)
    return index


@pytest.mark.slow
def test_a_folder_that_rests_is_not_listed_again(settled: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "names", lambda *_: pytest.fail("the folder was listed"))
    settled.refresh()
