import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core import files
from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import PARTIAL_AGE, DataWarning
from robo_rlhf.data.recording.stream import Encoder, read_journal
from tests.data.making import append, begin, check_equal, episode, flip

LIKE = episode("r1", steps=20, tags=("x",))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", create=True)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """The bytes of a journal of 20 steps in batches of 4 rows, and where each batch ends."""
    dataset = Dataset(tmp_path_factory.mktemp("journal") / "ds", create=True)
    with begin(dataset, LIKE) as writer:
        append(writer, LIKE)
        rows = list(writer._rows)
    encoder = Encoder(LIKE.meta, rows[0])
    pieces = [encoder.encode(rows[first : first + 4]) for first in range(0, 21, 4)]
    return b"".join(pieces), [sum(map(len, pieces[: k + 1])) for k in range(len(pieces))]


def leave(dataset: Dataset, content: bytes, episode_id: str = "r1") -> Path:
    path = dataset.path / "journal" / f"{episode_id}.arrows"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_whole_journal_becomes_an_episode(dataset: Dataset, content: tuple[bytes, list[int]]) -> None:
    leave(dataset, content[0])
    again = Dataset(dataset.path)
    assert again.recovery == (("r1",), (), ())
    loaded = again.load("r1")
    check_equal(loaded, LIKE)
    assert (loaded.meta.outcome, loaded.meta.tags) == ("aborted", ("x", "recovered"))
    assert loaded.meta.finished == "1970-01-01T00:16:59.000+00:00"
    assert Dataset(dataset.path).recovery == ((), (), ())


@settings(max_examples=40)
@given(data=st.data())
def test_all_whole_batches_of_a_torn_journal_are_recovered(
    content: tuple[bytes, list[int]], data: st.DataObject
) -> None:
    whole, ends = content
    cut = data.draw(st.integers(0, len(whole)) | st.sampled_from(ends))
    read = [end for end in ends if end <= cut]
    if not read:
        with pytest.raises(CorruptFileError, match=r"^r1\.arrows cannot be read \("):
            read_journal(Path("r1.arrows"), whole[:cut])
        return
    journal = read_journal(Path("r1.arrows"), whole[:cut])
    rows = min(4 * len(read), 21)
    assert journal.columns["state"].tobytes() == LIKE.state[:rows].tobytes()
    assert journal.unread == cut - read[-1]


@settings(max_examples=300)
@given(bit=st.integers(0, 2**20))
def test_a_flipped_bit_in_a_journal_costs_the_steps_from_it_on_and_spoils_none(
    content: tuple[bytes, list[int]], bit: int
) -> None:
    flipped = bytearray(content[0])
    bit %= 8 * len(flipped)
    flipped[bit // 8] ^= 1 << bit % 8
    rows = 4 * sum(end <= bit // 8 for end in content[1])
    if not rows:
        with pytest.raises(CorruptFileError):
            read_journal(Path("r1.arrows"), bytes(flipped))
        return
    journal = read_journal(Path("r1.arrows"), bytes(flipped))
    assert journal.columns["state"].tobytes() == LIKE.state[:rows].tobytes()
    assert journal.columns["action"].tobytes() == LIKE.action[: rows - 1].tobytes()


def test_what_could_not_be_read_of_a_journal_is_kept(dataset: Dataset, content: tuple[bytes, list[int]]) -> None:
    leave(dataset, content[0][: content[1][1] + 50])
    with pytest.warns(DataWarning, match=r"r1\.arrows: 7 steps were recovered, the last 50 bytes not .* moved to"):
        again = Dataset(dataset.path)
    check_equal(again.load("r1"), LIKE, 7)
    assert (dataset.path / "quarantine" / "r1.arrows").exists()
    assert "7 steps were recovered" in (dataset.path / "quarantine" / "r1.arrows.reason.txt").read_text()


def test_a_journal_without_sense_is_moved_aside_and_the_rest_recovered(
    dataset: Dataset, content: tuple[bytes, list[int]]
) -> None:
    leave(dataset, b"nonsense" * 100, "r0")
    leave(dataset, content[0][:300], "r2")
    leave(dataset, content[0], "r1")
    with pytest.warns(DataWarning) as caught:
        again = Dataset(dataset.path)
    assert again.recovery.recovered == ("r1",)
    assert [str(w.message).split(": no step can be read")[0] for w in caught] == [
        str(dataset.path / "journal" / f"{name}.arrows") for name in ("r0", "r2")
    ]
    assert len(list((dataset.path / "quarantine").glob("*.arrows"))) == 2
    leave(dataset, b"more nonsense", "r0")
    with pytest.warns(DataWarning, match=r"moved to .*r0~2\.arrows"):
        Dataset(dataset.path)


def test_journals_without_a_step_are_forgotten(dataset: Dataset, content: tuple[bytes, list[int]]) -> None:
    leave(dataset, b"")
    assert Dataset(dataset.path).recovery == ((), (), ())
    assert not list((dataset.path / "journal").iterdir())
    assert not (dataset.path / "quarantine").exists()


def test_a_live_journal_is_left_alone(dataset: Dataset) -> None:
    with begin(dataset, LIKE) as writer:
        append(writer, LIKE)
        assert Dataset(dataset.path).recovery == ((), ("r1",), ())
        time.sleep(0.25)
        assert Dataset(dataset.path).recovery == ((), ("r1",), ())
        writer.close("success")
    assert Dataset(dataset.path).load("r1").meta.outcome == "success"


def test_a_crash_between_closing_and_removing_the_journal(dataset: Dataset, content: tuple[bytes, list[int]]) -> None:
    dataset.add(LIKE)
    leave(dataset, content[0][: content[1][0]])
    again = Dataset(dataset.path)
    assert again.recovery == ((), (), ())
    check_equal(again.load("r1"), LIKE)
    assert not list((dataset.path / "journal").iterdir())


def test_a_damaged_file_is_made_again_from_its_journal(dataset: Dataset, content: tuple[bytes, list[int]]) -> None:
    dataset.add(LIKE)
    flip(dataset.path / "episodes" / "r1.parquet", 4000)
    leave(dataset, content[0])
    with pytest.warns(DataWarning, match="It is made again from its journal"):
        again = Dataset(dataset.path)
    check_equal(again.load("r1"), LIKE)


def test_a_full_disk_leaves_the_journal_for_later(
    dataset: Dataset, content: tuple[bytes, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave(dataset, content[0])
    usage = shutil.disk_usage(dataset.path)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.warns(DataWarning, match=r"r1\.arrows stays as it is: The disk of .* is almost full"):
            Dataset(dataset.path)
    assert path.read_bytes() == content[0]
    assert Dataset(dataset.path).recovery.recovered == ("r1",)


def test_a_journal_that_may_not_be_changed_is_left(
    dataset: Dataset, content: tuple[bytes, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    leave(dataset, content[0])
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.warns(DataWarning, match=r"r1\.arrows stays as it is: Permission denied"):
        assert Dataset(dataset.path).recovery.recovered == ()


def test_unfinished_files_of_a_crash_are_swept_when_old(dataset: Dataset) -> None:
    dataset.add(LIKE)
    old, young = (dataset.path / "episodes" / f".{name}.parquet.1.partial" for name in ("old", "young"))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - PARTIAL_AGE - 1,) * 2)
    assert Dataset(dataset.path).ids() == ("r1",)
    assert not old.exists()
    assert young.exists()


def test_a_crash_while_a_file_is_written_leaves_the_old_one(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset.add(LIKE)

    def crash(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "sync", crash)
        with pytest.raises(KeyboardInterrupt):
            dataset.tag("r1", "new")
    again = Dataset(dataset.path)
    check_equal(again.load("r1"), LIKE)
    assert again.load("r1").meta.tags == ("x",)
