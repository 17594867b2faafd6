import errno
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core import files
from robo_rlhf.core.errors import ConflictError, DiskFullError, InvalidValueError, ShapeError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording import journal
from robo_rlhf.data.recording.stream import JournalFile, read_journal, step_row
from tests.data.making import SmallDisk, append, begin, check_equal, episode, meta


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", create=True)


def wait_until_flushed(writer: journal.EpisodeWriter) -> None:
    deadline = time.monotonic() + 60
    while writer._encoded <= len(writer) or writer._pending:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_recorded_is_what_is_loaded(dataset: Dataset) -> None:
    like = episode("r1", steps=30, outcome="aborted", tags=("x",), parent="p", parent_step=4)
    with begin(dataset, like) as writer:
        append(writer, like)
        assert len(writer) == 30
        assert writer.close("success", note="fine", tags=("y",)) == "r1"
    loaded = dataset.load("r1")
    check_equal(loaded, like)
    assert (loaded.meta.outcome, loaded.meta.note, loaded.meta.tags) == ("success", "fine", ("x", "y"))
    assert (loaded.meta.parent, loaded.meta.parent_step) == ("p", 4)
    assert loaded.meta.started <= loaded.meta.finished
    assert loaded.meta.started
    timing = dataset.timing("r1")
    assert timing.wall_time.tolist() == [1000.0 + t for t in range(30)]
    np.testing.assert_array_equal(timing.input_age, np.float32(0.01))
    assert not list((dataset.path / "journal").iterdir())


def test_ids_sort_by_time_unless_given(dataset: Dataset) -> None:
    like = episode("", steps=1)
    ids = []
    for _ in range(3):
        writer = begin(dataset, like)
        append(writer, like)
        ids.append(writer.close("failure"))
    assert ids == sorted(set(ids))
    assert dataset.ids() == tuple(ids)


def test_arrays_given_may_be_used_again_by_the_caller(dataset: Dataset) -> None:
    like = episode("r1", steps=2)
    obs, action = like.obs[1].copy(), like.action[0].copy()
    writer = begin(dataset, like)
    writer.append(step_row(obs, like.state[1], action, 0.0, False, 0, {}))
    obs[:], action[:] = 9, 0
    writer.close("success")
    np.testing.assert_array_equal(dataset.load("r1").obs[1], like.obs[1])
    np.testing.assert_array_equal(dataset.load("r1").action[0], like.action[0])


def test_the_clock_is_read_where_no_time_is_given(dataset: Dataset) -> None:
    like = episode("r1", steps=1)
    writer = begin(dataset, like)
    writer.append(step_row(like.obs[1], like.state[1], like.action[0], 0.0, False, 0, {}))
    writer.close("success")
    timing = dataset.timing("r1")
    assert abs(timing.wall_time[0] - time.time()) < 60
    assert np.isnan(timing.input_age[0])


def test_steps_that_do_not_fit_are_refused_and_not_recorded(dataset: Dataset) -> None:
    like = episode("r1", steps=3)
    writer = begin(dataset, like)
    append(writer, like, 0, 1)
    after = (like.obs[2], like.state[2])
    signals = {name: value[1] for name, value in like.signals.items()}
    with pytest.raises(ShapeError, match=r"obs of step 1 of episode r1: expected shape \(6\), got shape \(5,\)"):
        writer.append(step_row(like.obs[2][:5], like.state[2], like.action[1], 0.0, False, 0, signals))
    with pytest.raises(InvalidValueError, match=r"step 1 of episode r1: expected signals/ee_pos as before"):
        writer.append(step_row(*after, like.action[1], 0.0, False, 0, {"contact_force": signals["contact_force"]}))
    with pytest.raises(InvalidValueError, match=r"got also \['signals/new'\]"):
        writer.append(step_row(*after, like.action[1], 0.0, False, 0, {**signals, "new": signals["ee_pos"]}))
    for bad in (np.nan, 1.5):
        with pytest.raises(InvalidValueError, match=r"action: expected finite values within \[-1, 1\]"):
            writer.append(step_row(*after, np.full(3, bad), 0.0, False, 0, signals))
    append(writer, like, 1)
    writer.close("success")
    check_equal(dataset.load("r1"), like)


def test_a_closed_episode_takes_no_more(dataset: Dataset) -> None:
    like = episode("r1")
    writer = begin(dataset, like)
    with pytest.raises(InvalidValueError, match="at least one step, got no step"):
        writer.close("success")
    append(writer, like)
    writer.close("success")
    with pytest.raises(InvalidValueError, match="got a step after it was closed"):
        append(writer, like)
    with pytest.raises(InvalidValueError, match="closed already"):
        writer.close("success")
    writer.discard()  # harmless
    assert "r1" in dataset


def test_a_discarded_episode_leaves_nothing(dataset: Dataset) -> None:
    like = episode("r1")
    writer = begin(dataset, like)
    append(writer, like)
    wait_until_flushed(writer)
    writer.discard()
    assert Dataset(dataset.path).recovery == ((), (), ())
    assert not len(dataset)


def test_an_id_is_recorded_once(dataset: Dataset) -> None:
    like = episode("r1")
    with begin(dataset, like) as writer:
        with pytest.raises(ConflictError, match="holds a journal of it already"):
            begin(dataset, like)
        append(writer, like)
        writer.close("success")
    with pytest.raises(ConflictError, match=r"episode 'r1': .* holds it already"):
        begin(dataset, like)
    with pytest.raises(InvalidValueError, match=r"episode id: expected .* got '\.\./x'"):
        dataset.record(meta("../x"), like.obs[0], like.state[0])


def test_rewinding_branches(dataset: Dataset) -> None:
    like = episode("r1", steps=10)
    writer = begin(dataset, like)
    append(writer, like, 0, 7)
    branch = writer.branch(4, "r2")
    writer.discard()
    append(branch, like, 4, 6)
    branch.close("success")
    loaded = dataset.load("r2")
    check_equal(loaded, like, 6)
    assert (loaded.meta.parent, loaded.meta.parent_step) == ("r1", 4)
    assert dataset.timing("r2").wall_time.tolist() == [1000.0 + t for t in range(6)]


def test_any_frame_of_an_episode_can_be_continued_from(dataset: Dataset) -> None:
    like = episode("r1", steps=10, tags=("old",), note="old")
    dataset.add(like)
    with pytest.raises(InvalidValueError, match="frame of episode r1: expected 0 to 10, got 11"):
        dataset.branch("r1", 11)
    for frame in (0, 10):
        branch = dataset.branch("r1", frame, f"r1-{frame}")
        append(branch, like, 0, 2)
        branch.close("failure")
        loaded = dataset.load(f"r1-{frame}")
        assert len(loaded) == frame + 2
        assert (loaded.meta.parent, loaded.meta.parent_step, loaded.meta.tags) == ("r1", frame, ())


def test_a_branch_is_recovered_whatever_the_order_of_the_columns_it_came_from(dataset: Dataset) -> None:
    like = episode("r1", steps=9)
    with begin(dataset, like) as writer:
        append(writer, like, 0, 5)
        columns = dict(reversed(writer.columns().items()))
    branch = journal.begin_branch(dataset.path, columns, like.meta, 5, "r2")
    wait_until_flushed(branch)  # what follows is a batch of its own
    with branch:
        append(branch, like, 5)
    again = Dataset(dataset.path)
    assert "r2" in again.recovery.recovered
    check_equal(again.load("r2"), like)
    assert again.timing("r2").wall_time.tolist() == [1000.0 + t for t in range(9)]


def test_leaving_without_closing_leaves_all_of_it_for_recovery(dataset: Dataset) -> None:
    like = episode("r1", steps=8)
    with begin(dataset, like) as writer:
        append(writer, like)
    again = Dataset(dataset.path)
    assert again.recovery.recovered == ("r1",)
    check_equal(again.load("r1"), like)
    with begin(dataset, episode("r2")):
        pass
    assert Dataset(dataset.path).recovery.recovered == ()


def test_a_disk_that_stalls_does_not_stall_the_loop_nor_the_journal(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, freed, waits = threading.Event(), threading.Event(), list[bool]()

    def sync(_: JournalFile) -> None:
        stalled.set()
        waits.append(freed.wait(60))

    monkeypatch.setattr(JournalFile, "sync", sync)
    monkeypatch.setattr(journal, "SYNC_INTERVAL", 0.01)
    like = episode("r1", steps=200)
    writer = begin(dataset, like)
    append(writer, like, 0, 100)
    assert stalled.wait(60)
    append(writer, like, 100)
    wait_until_flushed(writer)
    assert waits == []  # the sync that began before all this has not come back
    freed.set()
    writer.close("success")
    check_equal(dataset.load("r1"), like)


def test_a_full_disk_is_told_and_nothing_is_lost(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    like = episode("r1", steps=40)
    writer = begin(dataset, like)
    append(writer, like, 0, 10)
    wait_until_flushed(writer)
    write, full = os.write, True

    def write_on_full_disk(file: int, content: bytes) -> int:
        if full:
            write(file, bytes(content)[:5])  # a torn beginning, to be taken back
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(os, "write", write_on_full_disk)
    append(writer, like, 10, 20)
    wait_for_trouble(writer)
    with pytest.raises(DiskFullError, match=r"almost full: .* Nothing was lost; make room and run the same command"):
        append(writer, like, 20, 21)
    assert len(writer) == 21  # kept all the same
    full = False
    while writer.trouble is not None:
        time.sleep(0.01)
    append(writer, like, 21, 40)
    wait_until_flushed(writer)
    content = writer._file.path.read_bytes()
    recovered = read_journal(writer._file.path, content)
    assert recovered.unread == 0
    assert recovered.columns["state"].tobytes() == like.state.tobytes()
    writer.close("success")
    check_equal(dataset.load("r1"), like)


def test_recording_stops_before_the_disk_is_full(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "DISK_CHECK_INTERVAL", 0.0)
    like = episode("r1", steps=10)
    writer = begin(dataset, like)
    append(writer, like, 0, 5)
    usage = shutil.disk_usage(dataset.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=files.RESERVE // 2))
    wait_for_trouble(writer)
    with pytest.raises(DiskFullError, match=r"67\.1 MB are needed, 33\.6 MB are free"):
        append(writer, like, 5, 6)
    with pytest.raises(DiskFullError):
        begin(dataset, episode("r2"))
    writer.close("success")  # that is what the reserve is for
    check_equal(dataset.load("r1"), like, 6)


def test_other_trouble_of_the_disk_is_told_as_it_is(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: JournalFile, __: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(JournalFile, "append", fail)
    like = episode("r1")
    writer = begin(dataset, like)
    append(writer, like, 0, 1)
    wait_for_trouble(writer)
    with pytest.raises(OSError, match=r"r1\.arrows cannot be written \(input/output error\)"):
        append(writer, like, 1, 2)
    with pytest.raises(OSError, match="input/output error"), writer:
        pass  # left open, with steps that are on no disk


def test_a_disk_that_really_is_full(small_disk: SmallDisk) -> None:
    dataset = Dataset(small_disk.folder / "ds", create=True)
    before, like = episode("r0", steps=40), episode("r1", steps=40)
    dataset.add(before)
    writer = begin(dataset, like)
    append(writer, like, 0, 20)
    wait_until_flushed(writer)
    small_disk.fill()
    append(writer, like, 20, 39)
    wait_for_trouble(writer)
    with pytest.raises(DiskFullError):
        append(writer, like, 39)
    with pytest.raises(DiskFullError):
        writer.close("success")
    with pytest.raises(DiskFullError):
        dataset.add(episode("r2"))
    with pytest.raises(DiskFullError):
        dataset.tag("r0", "x")
    check_equal(dataset.load("r0"), before)
    recovered = read_journal(writer._file.path, writer._file.path.read_bytes())
    assert len(recovered.columns["action"]) >= 20
    small_disk.free()
    writer.close("success")
    dataset.tag("r0", "x")
    check_equal(dataset.load("r1"), like)
    assert {path.name for path in (dataset.path / "episodes").iterdir()} == {"r0.parquet", "r1.parquet"}


def wait_for_trouble(writer: journal.EpisodeWriter) -> None:
    deadline = time.monotonic() + 60
    while writer.trouble is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
