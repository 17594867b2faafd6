"""Progress of a job of many stages: a line a stage, with a bar and the time left for the one at work."""

import sys
import time
from collections.abc import Mapping
from typing import Any

SHOWN_METRICS = ("loss", "reward", "anchor_kl", "success")
STAGE, BAR, SHORT_BAR, COUNTS = 18, 28, 10, 36  # widths: names of stages, bars, bars in narrow terminals, what counts


class StageBars:
    """A `Watch` for the terminal; on stderr, so that what a command prints can still be piped."""

    def __init__(self, *, quiet: bool = False, note: str = "") -> None:
        """Show `note`, then bars, or with `quiet` only a line for each finished stage: people type meanwhile."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        bar = BAR if console.width >= 100 else SHORT_BAR
        self._room = console.width - STAGE - bar - COUNTS  # for metrics: a line that is too long is cut everywhere
        self._progress = Progress(
            TextColumn(f"{{task.description:<{STAGE}}}"),
            BarColumn(bar_width=bar),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._note = note
        self._plain = quiet or not console.is_terminal
        self._tasks: dict[str, Any] = {}
        self._now: tuple[str, float] = ("", 0.0)

    def __enter__(self) -> "StageBars":
        """Start to show."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what was shown on the screen."""
        self._progress.stop()

    def begin(self, stage: str) -> None:
        """Add the stage's line."""
        self._now = (stage, time.monotonic())
        if self._note:
            self._progress.console.print(self._note, highlight=False, markup=False, soft_wrap=True)
            self._note = ""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=None, metrics="")

    def progress(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        """Move the bar of the stage at work."""
        shown = [f"{name} {metrics[name]:.3g}" for name in SHOWN_METRICS if name in metrics]
        while len(text := "  ".join(shown)) > self._room and shown:
            shown.pop()
        self._progress.update(self._tasks[self._now[0]], completed=done, total=total, metrics=text)

    def end(self, stage: str, result: Mapping[str, Any]) -> None:
        """Fill the stage's bar, print a line in a log, and what the stage has to say."""
        if stage in self._tasks:
            task = self._progress.tasks[self._tasks[stage]]
            self._progress.update(task.id, completed=task.total or 1, total=task.total or 1)
        if self._plain:
            took = f" in {time.monotonic() - self._now[1]:.0f} s" if self._now[0] == stage else " already"
            print(f"{stage}: done{took}", file=sys.stderr, flush=True)
        if "text" in result:
            self._progress.console.print(f"{stage}: {result['text']}", highlight=False, markup=False, soft_wrap=True)
