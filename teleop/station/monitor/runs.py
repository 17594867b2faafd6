"""The runs of a data home as the monitor shows them: a line for each, and for chosen ones their curves.

Everything is read from the run folders. Files that grow are read from where reading stopped, so looking again costs
only the new part. New runs appear automatically.
"""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cachetools import LRUCache

from robo_rlhf.core.errors import NotFoundError, RoboRlhfError
from robo_rlhf.core.files import read_if_whole, run_folder, write_json
from robo_rlhf.core.tensorboard import PATTERN, step_times
from robo_rlhf.data.layout import EPISODE_SUFFIX, names
from robo_rlhf.data.schema import read_header
from teleop.station.home.summary import RUNS, folders_in, mtime, stage_of, success_of
from teleop.station.monitor.run_state import State, run_state
from teleop.station.monitor.tail import Tail, numbers

FRESH = 0.5  # [s] that the list is not made again
SPARK, SPARK_ROWS = ("reward", "held_out/accuracy", "held_out_loss", "score", "loss"), 48
TIMES, MOST_TIMES = 200, 8 * 2**20  # times of a stage that are kept; bytes of event files that are read for them
ABOUT = "about.json"  # in the folder of a run: what people call it and wrote about it; training never reads it
LONGEST_TITLE, LONGEST_NOTES = 100, 10_000  # [characters]
OPEN_RUNS, CURVE_ROWS, EVENT_ROWS = 16, 400, 600  # runs whose curves are remembered; rows that are kept of each file
FOLLOWING = "round-*/finetune/meanwhile"  # of a run that practises while people answer
TAKEN = "answers taken up"  # the event that says what they did
Have = Mapping[str, tuple[int, int]]  # stage → (epoch, rows) that a page has already


class RunLine(NamedTuple):
    """A run in the list."""

    name: str
    task: str
    kind: str  # what it does: main, reward, ppo, ...
    follows: bool  # answers, as they come
    state: State
    why: str  # it failed
    stage: str
    changed: float  # [s since 1970]
    before: dict[str, Any] | None  # success of the cloned policy, with its interval
    after: dict[str, Any] | None
    newest: dict[str, float]  # newest metrics of the stage at work
    spark: tuple[str, list[float]]  # name and values of one metric, over time
    asked_by: str = ""  # a reward run that learns from the answers to this run alone
    title: str = ""  # what people call it; empty: its name


class RunStage(NamedTuple):
    """Where one stage of a run keeps its files."""

    name: str  # path within the run; "" is the run itself
    track: str  # stages of one track continue each other, such as the rounds of fine-tuning
    round: int
    folder: Path


class RunIndex:
    """The runs of a data home; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Nothing is read yet."""
        self.home = home / RUNS
        self._lock = threading.Lock()
        self._listed: tuple[float, list[RunLine]] = (-FRESH, [])
        self._json: dict[Path, tuple[tuple[float, int], dict[str, Any]]] = {}
        self._sparks: dict[Path, Tail] = {}
        self._last: dict[Path, str] = {}  # run → its last stage with metrics
        self._times: dict[Path, tuple[object, list[tuple[int, float]]]] = {}
        self._steps: dict[Path, int | None] = {}
        self._open: LRUCache[str, dict[Path, Tail]] = LRUCache(OPEN_RUNS)

    def runs(self) -> list[RunLine]:
        """Return a line for each run, those at work first, then the newest."""
        with self._lock:
            made, lines = self._listed
            if time.monotonic() - made < FRESH:
                return lines
            lines = [self._line(Path(entry.path)) for entry in folders_in(self.home)]
            lines.sort(key=lambda line: (line.state not in ("working", "waiting"), -line.changed, line.name))
            names = {line.name for line in lines}
            for path in [path for path in self._sparks if path.relative_to(self.home).parts[0] not in names]:
                del self._sparks[path]
            self._listed = (time.monotonic(), lines)
            return lines

    def forget(self) -> None:
        """Make the list again when it is next asked for, however fresh it is."""
        with self._lock:
            self._listed = (-FRESH, [])

    def describe(self, name: str, *, title: str | None = None, notes: str | None = None) -> None:
        """Give a run a title or notes; its folder keeps its name, by which answers, clips and checkpoints refer to it.

        Raises:
            NotFoundError: there is no such run.
            DiskFullError, DiskError: it was not written.
        """
        folder = run_folder(self.home.parent, name)
        if not (folder / "config.json").exists():
            raise NotFoundError("run", name, "It may have been deleted, or not have begun yet.")
        with self._lock:
            known = read_if_whole(folder / ABOUT)
            changes = {"title": title, "notes": notes}
            write_json(folder / ABOUT, {**known, **{key: text for key, text in changes.items() if text is not None}})
        self.forget()

    def stages(self, name: str) -> list[RunStage]:
        """Return the stages of a run that log metrics, in the order in which they happen."""
        found = []
        top = self.home / name
        inside = [Path(entry.path) for entry in folders_in(top)]
        inside += [Path(entry.path) for parent in inside for entry in folders_in(parent)]
        for path in [top, *inside]:
            if (path / "metrics.jsonl").exists():
                found.append(_stage(path.relative_to(top).as_posix(), path))
        return sorted(found, key=lambda stage: (stage.round, _ORDER.get(stage.track, 9), stage.name))

    def following(self, name: str) -> tuple[dict[str, float], dict[str, Any]] | None:
        """Return the figures of the reward that follows answers while a run practises, and what they did last.

        None where none follows, or none has yet.
        """
        folder = self.home / name
        if not self.json(folder / "config.json").get("meanwhile"):
            return None
        found = {_stage(path.relative_to(folder).as_posix(), path).round: path for path in folder.glob(FOLLOWING)}
        path = found.get(max(found, default=0))
        newest = numbers(self.rows(name, path / "metrics.jsonl").last or {}) if path is not None else {}
        if path is None or not newest:
            return None
        events = self.rows(name, path / "events.jsonl", EVENT_ROWS).newest()
        return newest, next((row for row in reversed(list(events)) if row.get("event") == TAKEN), {})

    def rows(self, name: str, path: Path, most: int = CURVE_ROWS) -> Tail:
        """Return the kept rows of a run's file, up to date."""
        with self._lock:
            tails = self._open.setdefault(name, {})
            tail = tails.setdefault(path, Tail(path, most))
            tail.refresh()
            return tail

    def times(self, stage: Path) -> list[tuple[int, float]]:
        """Return when a stage wrote some of its steps [s since 1970]; none where that was not kept, or is much."""
        sizes = tuple((path.name, path.stat().st_size) for path in sorted(stage.glob(PATTERN)))
        if not sizes or sum(size for _, size in sizes) > MOST_TIMES:
            return []
        known = self._times.get(stage)
        if known is None or known[0] != sizes:
            every = list(step_times(stage))
            stride = -(-len(every) // TIMES)
            known = self._times[stage] = (sizes, [*every[::stride], every[-1]] if every else [])
        return known[1]

    def episode_steps(self, folder: Path) -> int | None:
        """Return how many steps an episode of a run's task has, by the first of its rollouts; None where none is."""
        if folder not in self._steps:
            found = (entry for entry in names(folder / "episodes" / "episodes", EPISODE_SUFFIX))
            rollouts = min((entry.path for entry in found if not entry.name.startswith("r0-")), default="")
            if not rollouts:
                return None
            try:
                self._steps[folder] = read_header(Path(rollouts)).steps
            except (RoboRlhfError, OSError):
                self._steps[folder] = None
        return self._steps[folder]

    def json(self, path: Path) -> dict[str, Any]:
        """Return a JSON object, read again only when its file has changed; an empty one where there is none."""
        try:
            status = os.stat(path)
        except OSError:
            return {}
        seen = (status.st_mtime, status.st_size)
        known = self._json.get(path)
        if known is None or known[0] != seen:
            known = self._json[path] = (seen, read_if_whole(path))
        return known[1]

    def _line(self, folder: Path) -> RunLine:
        config, result = self.json(folder / "config.json"), self.json(folder / "result.json")
        about = self.json(folder / ABOUT)
        stage, changed = stage_of(folder)
        names = ("", "events.jsonl", "result.json", "metrics.jsonl")
        changed = max(changed, *(mtime(str(folder / name)) for name in names))
        if result:
            changed, stage = mtime(str(folder / "result.json")), ""
        now = run_state(folder, config, finished=bool(result), stage=stage, changed=changed)
        path = folder / (stage or self._last_stage(folder)) / "metrics.jsonl"
        tail = self._sparks.setdefault(path, Tail(path, SPARK_ROWS))
        tail.refresh()
        newest = numbers(tail.last or {})
        name = next((name for name in SPARK if name in newest), "")
        values = [row[name] for row in map(numbers, tail.newest()) if name in row] if name else []
        return RunLine(
            folder.name,
            _text(config.get("task")),
            _text(config.get("algorithm") or config.get("kind")) or ("main" if "demos" in config else ""),
            bool(config.get("follow")),
            now.state,
            now.why,
            stage,
            changed,
            _success(result, "before"),
            _success(result, "after"),
            newest,
            (name, values),
            _text(config.get("asked_by")),
            _text(about.get("title")),
        )

    def _last_stage(self, folder: Path) -> str:
        """Return the last stage of a finished run that logged metrics."""
        if (folder / "metrics.jsonl").exists():
            return ""
        if folder not in self._last:
            stages = self.stages(folder.name)
            self._last[folder] = stages[-1].name if stages else ""
        return self._last[folder]


_ORDER = {"clone": 0, "reward": 1, "finetune": 2}  # of the stages of a round


def _stage(name: str, path: Path) -> RunStage:
    name = "" if name == "." else name
    head, _, rest = name.partition("/")
    number = head.removeprefix("round-")
    if rest and number != head and number.isdigit():
        return RunStage(name, rest, int(number), path)
    return RunStage(name, name, 0, path)


def _success(result: dict[str, Any], when: str) -> dict[str, Any] | None:
    value = success_of(result, when)
    if value is None:
        return None
    found = result[when]["success"]
    return {"value": value, "low": found.get("low", value), "high": found.get("high", value)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
