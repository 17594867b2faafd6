"""What a tracker is, and the thread that feeds it from a run folder while the run works.

A run does not know of trackers: what it writes into its folder is read there and passed on. So tracking changes no bit
of a run, and a run that is killed and continued goes on where the tracker was.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.files import read_if_whole, write_json
from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.trackers import TRACKERS

EVERY = 5.0  # [s] between two looks into the folder
CLIPS = "clips/before-after"  # in the folder of a run


class Tracker(ABC):
    """A service that shows metrics of many runs. One object tracks one run."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def check(cls) -> None:
        """Refuse to begin where it cannot work, before anything is made.

        Raises:
            MissingDependencyError: its library is not installed.
            InvalidValueError: it is not set up.
        """

    @abstractmethod
    def begin(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Begin to track the run in a folder, or go on with it."""

    @abstractmethod
    def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of a step of a stage of the run, "" for the run itself."""

    @abstractmethod
    def finish(self, report: Path | None, clips: list[Path], result: Mapping[str, Any]) -> None:
        """Take the report, the clips and the result of a finished run, where there are any, and end."""


@contextmanager
def tracking(name: str, folder: Path) -> Iterator[None]:
    """Track the run in `folder` while the block works; nothing where `name` is empty.

    A tracker that fails later on does not end the run: a sentence says so at the end.
    """
    if not name:
        yield
        return
    feed = _Feed(TRACKERS[name](), folder)
    thread, stop = threading.Thread(target=feed.follow, name=f"track {name}", daemon=True), feed.stop
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if feed.trouble:
            print(f"{name}: not everything was tracked: {feed.trouble}", flush=True)


class _Feed:
    """What was passed on of a run; how far is remembered in its folder."""

    def __init__(self, tracker: Tracker, folder: Path) -> None:
        self.tracker, self.folder = tracker, folder
        self.stop, self.trouble, self.begun = threading.Event(), "", False
        self.sizes: dict[Path, int] = {}
        self.state = folder / f"tracked-{tracker.name}.json"

    def follow(self) -> None:
        """Pass on what is new, until the run ends, and then what it leaves."""
        try:
            while not self.stop.wait(EVERY):
                self.look()
            self.look()
            if self.begun:
                report = self.folder / "report.html"
                clips = sorted((self.folder / CLIPS).glob("*.mp4"))
                result = read_if_whole(self.folder / "result.json")
                self.tracker.finish(report if report.is_file() else None, clips, result)
        except Exception as error:  # of a library that is not ours: the run goes on without it
            self.trouble = " ".join(str(error).split())[:300] or type(error).__name__

    def look(self) -> None:
        """Pass on new rows of all stages."""
        if not (self.folder / "config.json").is_file():
            return
        if not self.begun:
            self.tracker.begin(self.folder, read_if_whole(self.folder / "config.json"))
            self.begun = True
        done = read_if_whole(self.state).get("steps", {})
        before = dict(done)
        for path in sorted(self.folder.rglob("metrics.jsonl")):
            stage = path.parent.relative_to(self.folder).as_posix().removeprefix(".")
            size = path.stat().st_size
            if self.sizes.get(path) == size:
                continue
            self.sizes[path] = size
            try:
                rows = read_lines(path, lambda row: isinstance(row.get("step"), int))
            except (RoboRlhfError, OSError):
                continue
            for row in rows:
                if row["step"] > done.get(stage, -1):
                    metrics = {k: float(v) for k, v in row.items() if k != "step" and isinstance(v, int | float)}
                    self.tracker.log(stage, row["step"], metrics)
                    done[stage] = row["step"]
        if done != before:
            write_json(self.state, {"steps": done})
