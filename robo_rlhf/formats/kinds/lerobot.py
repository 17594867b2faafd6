"""LeRobotDataset: version 3.0 written and read, 2.1 read.

A row is a step: what was observed, and the action that followed. What a row has no place for (the observation after
the last step, what is known of the episode) is in further columns of `meta/episodes`, all called robo_rlhf/NAME, which
LeRobot passes over. So what was exported here comes back bit for bit.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.formats.base import Export, Format, Imported, ImportOptions, broken
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.lerobot.info import LeRobotInfo, episode_rows, tables
from robo_rlhf.formats.lerobot.layout import OWN
from robo_rlhf.formats.lerobot.reading import exact_episode, foreign_episode, foreign_set
from robo_rlhf.formats.lerobot.writing import LeRobotWriter


@FORMATS.register("lerobot")
class LeRobot(Format):
    """LeRobotDataset, a folder of Parquet and videos."""

    title = "LeRobotDataset v3.0 (2.1 is read too)"
    pictures = ".mp4"

    def recognises(self, place: Path) -> bool:
        """Whether there is meta/info.json."""
        return (place / "meta" / "info.json").is_file()

    def count(self, place: Path, options: ImportOptions) -> int:
        """Return what meta/info.json says."""
        return LeRobotInfo(place).episodes

    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the episodes, those of this program exact, others as `ForeignSet` makes them."""
        info = LeRobotInfo(place)
        rows = {row["episode_index"]: row for row in episode_rows(info)}
        own = bool(rows) and all(f"{OWN}id" in row for row in rows.values())
        made = None if own else foreign_set(info, options, notes)
        seen = 0
        for index, path, table in tables(info):
            if index not in rows:
                raise broken(path, "meta/episodes does not list it", index)
            row = rows[index]
            if row.get("length", table.num_rows) != table.num_rows:
                raise broken(path, f"{table.num_rows} rows, meta/episodes says {row['length']}", index)
            if made is None:
                yield exact_episode(info, row, path, table)
            else:
                yield foreign_episode(info, made, row, path, table)
            seen += 1
        if seen != len(rows):
            raise broken(info.path, f"{len(rows)} episodes are listed, the data files hold {seen}")

    def check(self, place: Path, export: Export) -> None:
        """Refuse cameras whose names no feature of LeRobot can have."""
        for camera in export.cameras:
            if "/" in camera:
                raise InvalidValueError("camera of a LeRobot set", repr(camera), "a name without a slash")

    def write(self, export: Export, folder: Path, place: Path) -> Path:
        """Write version 3.0."""
        LeRobotWriter(export, folder).write()
        return folder
