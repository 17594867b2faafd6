"""What a LeRobot set says of itself, and its rows, episode by episode."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.errors import VersionError
from robo_rlhf.core.files import open_whole, read_json, read_whole
from robo_rlhf.core.seal import parse_json
from robo_rlhf.data.schema import DECODE_ERRORS
from robo_rlhf.formats.base import broken
from robo_rlhf.formats.lerobot.layout import ADVICE, EPISODES_EACH, READ, first_line


class LeRobotInfo:
    """meta/info.json, checked."""

    def __init__(self, place: Path) -> None:
        """Read the file in the folder `place`.

        Raises:
            CorruptFileError: it is missing, damaged, or lacks what every set has.
            VersionError: the set is of another version than READ.
        """
        self.place, self.path = place, place / "meta" / "info.json"
        self.whole = read_json(self.path, dict, ADVICE)
        try:
            version, self.fps = str(self.whole["codebase_version"]), float(self.whole["fps"])
            self.episodes = int(self.whole["total_episodes"])
            self.features = {str(name): dict(feature) for name, feature in self.whole["features"].items()}
            self.shapes = {name: tuple(int(n) for n in f["shape"]) for name, f in self.features.items()}
            self.types = {name: str(f["dtype"]) for name, f in self.features.items()}
            self.data, self.video = str(self.whole["data_path"]), str(self.whole.get("video_path") or "")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise broken(self.path, f"it lacks {error}" if isinstance(error, KeyError) else str(error)) from error
        if version not in READ:
            raise VersionError(place, version, " or ".join(READ), "Convert it with LeRobot's own script.")
        self.old = version == "v2.1"
        if not 0 < self.fps <= 1000:
            raise broken(self.path, f"fps is {self.fps:g}: expected more than 0 and up to 1000")
        if "action" not in self.features:
            raise broken(self.path, "it has no feature called action")

    def of_type(self, *types: str) -> list[str]:
        """Return the names of the features of these types."""
        return [name for name, kind in self.types.items() if kind in types]

    def file(self, pattern: str, **values: object) -> Path:
        """Return a file of the set; none outside it."""
        try:
            path = self.place / pattern.format(**values)
        except (KeyError, IndexError, ValueError) as error:
            raise broken(self.path, f"the path {pattern!r} cannot be filled in") from error
        try:
            inside = path.resolve().is_relative_to(self.place.resolve())
        except (OSError, RuntimeError, ValueError) as error:  # a link that leads to itself, a name that cannot be
            raise broken(path, "it cannot be followed") from error
        if not inside:
            raise broken(self.path, f"the path {pattern!r} leads out of the set")
        return path

    def instructions(self) -> dict[int, str]:
        """Return the task of each index in a sentence."""
        if self.old:
            lines = _json_lines(self.place / "meta" / "tasks.jsonl")
            return {int(line["task_index"]): str(line["task"]) for line in lines}
        path = self.place / "meta" / "tasks.parquet"
        table = _read_table(path)
        names = [name for name in table.column_names if name != "task_index"]
        if "task_index" not in table.column_names or not names:
            raise broken(path, "it has no columns task and task_index")
        name = "task" if "task" in names else names[0]
        pairs = zip(table["task_index"].to_pylist(), table[name].to_pylist(), strict=True)
        return {int(index): str(text) for index, text in pairs}


def episode_rows(info: LeRobotInfo) -> Iterator[dict[str, Any]]:
    """Iterate over what is known of each episode.

    Raises:
        CorruptFileError: a file is damaged, or an episode has no number.
    """
    for path, row in _episode_rows(info):
        if not isinstance(row.get("episode_index"), int):
            raise broken(
                path, f"episode_index of an episode is {str(row.get('episode_index'))[:40]}: expected a number"
            )
        yield row


def _episode_rows(info: LeRobotInfo) -> Iterator[tuple[Path, dict[str, Any]]]:
    if info.old:
        path = info.place / "meta" / "episodes.jsonl"
        yield from ((path, row) for row in _json_lines(path))
        return
    for path in sorted((info.place / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        for batch in _batches(path, EPISODES_EACH, lambda names: [n for n in names if not n.startswith("stats/")]):
            yield from ((path, row) for row in batch.to_pylist())


def _batches(path: Path, rows: int, wanted: Callable[[list[str]], list[str]]) -> Iterator[pa.RecordBatch]:
    """Iterate over a Parquet file, so many rows at a time, and those of its columns that are wanted.

    Raises:
        CorruptFileError: it is no such file, or damaged.
    """
    with open_whole(path, ADVICE) as content:
        try:
            with pq.ParquetFile(content, page_checksum_verification=True) as file:
                yield from file.iter_batches(rows, columns=wanted(file.schema_arrow.names))
        except DECODE_ERRORS as error:
            raise broken(path, first_line(error)) from error


def tables(info: LeRobotInfo, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Path, pa.Table]]:
    """Iterate over the rows of each episode, in the order of the files: number, file, table (of some columns)."""
    waiting: list[pa.RecordBatch] = []
    index, last = -1, Path()

    def wanted(names: list[str]) -> list[str]:
        if missing := {"episode_index", "action", *columns} - set(names):
            raise ValueError(f"it has no column {min(missing)}")
        return ["episode_index", *columns] if columns else names

    for path in sorted(info.place.glob("data/chunk-*/*.parquet")):
        for batch in _batches(path, 8192, wanted):
            numbers = batch.column(batch.schema.get_field_index("episode_index")).to_pylist()
            start = 0
            for number, run in groupby(numbers):
                stop = start + len(list(run))
                if number != index and waiting:
                    yield index, last, pa.Table.from_batches(waiting)
                    waiting = []
                if not isinstance(number, int) or number < index:
                    raise broken(path, f"episode {number} comes after episode {index}")
                index, last = number, path
                waiting.append(batch.slice(start, stop - start))
                start = stop
    if waiting:
        yield index, last, pa.Table.from_batches(waiting)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    content = read_whole(path, ADVICE)
    try:
        lines = [parse_json(line) for line in content.splitlines() if line.strip()]
        if all(isinstance(line, dict) for line in lines):
            return lines
        raise ValueError("a line holds no JSON object")
    except ValueError as error:
        raise broken(path, str(error)) from error


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(read_whole(path, ADVICE)))
    except DECODE_ERRORS as error:
        raise broken(path, first_line(error)) from error
