"""Disks that fail under the record: nothing counts as kept that is not on the disk."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robo_rlhf.core.errors import DiskError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import journal_path
from robo_rlhf.data.recording.stream import read_journal
from tests.data.making import append, begin, check_equal, episode

PATIENCE = 20.0  # [s]


def fails(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_episode_is_kept_only_when_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, like = Dataset(tmp_path / "ds", create=True), episode()
    writer = begin(dataset, like)
    append(writer, like)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(DiskError, match="input/output error"):
            writer.close("success")
        assert "e1" not in dataset
        with pytest.raises(DiskError):
            dataset.add(episode("e2"))
    writer.close("success")
    check_equal(dataset.load("e1"), like)


def test_a_journal_without_a_name_on_the_disk_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, like = Dataset(tmp_path / "ds", create=True), episode()
    begin(dataset, episode("first")).discard()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(DiskError):
            begin(dataset, like)
    assert list((tmp_path / "ds" / "journal").iterdir()) == []
    begin(dataset, like).discard()


def test_what_could_not_be_synced_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system forgets what it could not write, and the next sync succeeds: to believe it would lose steps."""
    dataset, like = Dataset(tmp_path / "ds", create=True), episode()
    path = journal_path(dataset.path, "e1")
    with begin(dataset, like) as writer:
        append(writer, like, 0, 5)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fails)
            wait(lambda: writer.trouble is not None)
            with pytest.raises(DiskError, match=r"e1.arrows cannot be written \(input/output error\)"):
                append(writer, like, 5, 6)
            size = path.stat().st_size
            os.truncate(path, 0)  # what was not written is gone
            os.truncate(path, size)
        wait(lambda: writer.trouble is None)
        append(writer, like, 6)
        wait(lambda: len(read_journal(path, path.read_bytes()).columns["action"]) == len(like))
    again = Dataset(dataset.path)
    assert again.recovery.recovered == ("e1",)
    check_equal(again.load("e1"), like)


def test_a_dataset_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    dataset, like = Dataset(tmp_path / "home" / "ds", create=True), episode()
    writer = begin(dataset, like)
    append(writer, like, 0, 5)
    (tmp_path / "home").rename(tmp_path / "away")
    with pytest.raises(DiskError, match="it is gone"):
        writer.close("success")
    wait(lambda: writer.trouble is not None)
    with pytest.raises(DiskError):
        append(writer, like, 5, 6)
    assert not (tmp_path / "home").exists()
    (tmp_path / "away").rename(tmp_path / "home")  # its disk is back
    wait(lambda: writer.trouble is None)
    append(writer, like, 6)
    writer.close("success")
    check_equal(Dataset(tmp_path / "home" / "ds").load("e1"), like)


def test_an_episode_of_a_dataset_that_is_gone_can_be_discarded(tmp_path: Path) -> None:
    dataset, like = Dataset(tmp_path / "ds", create=True), episode()
    writer = begin(dataset, like)
    append(writer, like, 0, 5)
    (tmp_path / "ds").rename(tmp_path / "away")
    writer.discard()
    assert not (tmp_path / "ds").exists()
