"""Datasets: episodes, journals, remarks, and the manifest."""

from pathlib import Path
from typing import Any

from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import journal_path
from robo_rlhf.data.recording.remarks import Remark, write_remark
from tests.data.making import append, begin, episode
from tests.mutations.harness import Kind, forge_file, is_part


def _plain(found: Episode) -> Any:
    arrays = [getattr(found, name) for name in ("obs", "action", "state", "reward", "success", "source")]
    arrays += [value for _, value in sorted(found.signals.items())]
    return found.meta, [(str(value.dtype), value.shape, value.tobytes()) for value in arrays]


def _make(folder: Path) -> None:
    Dataset(folder / "set", create=True, task="push").add_many([episode("e1"), episode("e2", seed=1)])


def _read(folder: Path) -> Any:
    dataset = Dataset(folder / "set")
    listed = {info.meta.id: info.length for info in dataset.list()}
    found = {one.meta.id: (listed[one.meta.id], _plain(one)) for one in dataset.load_all(listed)}
    assert "e2" in found, "one that cannot be shown hides another"
    return {**found, "task": dataset.task, "created": dataset.created}


def _make_journal(folder: Path) -> None:
    dataset, like = Dataset(folder / "set", create=True), episode("j1", 30)
    writer = begin(dataset, like)
    for start in range(0, 30, 10):  # pieces of ten steps
        append(writer, like, start, start + 10)
        writer._flush()
    path = journal_path(dataset.path, "j1")
    kept = path.read_bytes()
    writer.discard()
    path.write_bytes(kept)
    write_remark(dataset.path, "j1", Remark("success", "it slipped, then held"))


def _read_journal(folder: Path) -> Any:
    dataset = Dataset(folder / "set")
    if "j1" not in dataset:
        return {}
    found = dataset.load("j1")
    steps = {f"step {t}": _plain(found.slice(t, 1))[1] for t in range(len(found))}
    return {**steps, "said": (found.meta.outcome, found.meta.note)}


def _part_of_journal(found: Any, whole: Any) -> bool:
    unsaid = {name: value for name, value in found.items() if name != "said" or value != ("aborted", "")}
    return is_part(unsaid, whole)


KINDS = [
    Kind("episode", _make, "set/episodes/e1.parquet", _read, part=is_part),
    Kind("dataset manifest", _make, "set/dataset.json", _read, forge=forge_file),
    Kind("journal", _make_journal, "set/journal/*.arrows", _read_journal, part=_part_of_journal),
    Kind("remark", _make_journal, "set/journal/*.json", _read_journal, part=_part_of_journal, forge=forge_file),
]
