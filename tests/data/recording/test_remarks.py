"""Remarks about an open episode."""

from pathlib import Path

import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import DataWarning, remark_path
from robo_rlhf.data.recording.remarks import Remark, read_remark, write_remark
from tests.data.making import append, begin, episode

LIKE = episode("r1", steps=20)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", create=True)


def test_what_was_said_is_what_is_read(tmp_path: Path) -> None:
    assert read_remark(tmp_path, "a") == Remark()
    write_remark(tmp_path, "a", Remark("failure", "fiel daneben: 12 °"))
    assert read_remark(tmp_path, "a") == Remark("failure", "fiel daneben: 12 °")
    write_remark(tmp_path, "a", Remark())
    assert not remark_path(tmp_path, "a").exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'{"note": 3, "outcome": null}', b'{"note": "", "outcome": "great"}', b"\xff"]
)
def test_what_makes_no_sense_says_nothing_and_is_told(tmp_path: Path, content: bytes) -> None:
    path = remark_path(tmp_path, "a")
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.warns(DataWarning, match="The remarks on the episode are lost"):
        assert read_remark(tmp_path, "a") == Remark()


@pytest.mark.parametrize("close", [True, False])
def test_nothing_is_left_when_the_episode_is_closed(dataset: Dataset, close: bool) -> None:
    writer = begin(dataset, LIKE)
    append(writer, LIKE)
    writer.remark("success", "a note")
    assert remark_path(dataset.path, "r1").exists()
    if close:
        writer.close("failure", note="another")
        assert dataset.info("r1").meta.note == "another"
    else:
        writer.discard()
    writer.remark("success", "too late")
    assert not list((dataset.path / "journal").iterdir())


def test_recovery_closes_an_episode_as_it_was_marked(dataset: Dataset) -> None:
    with begin(dataset, LIKE) as writer:
        append(writer, LIKE)
        writer.remark("failure", "")
        writer.remark("success", "well done")
    found = Dataset(dataset.path)
    assert found.recovery.recovered == ("r1",)
    meta = found.info("r1").meta
    assert (meta.outcome, meta.note) == ("success", "well done")
    assert not list((dataset.path / "journal").iterdir())
