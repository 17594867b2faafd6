"""Progress bars with the time left, on stderr, so that what a command prints can still be piped."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

ReportProgress = Callable[[int, int, Mapping[str, float]], None]  # done, of how many, newest metrics


@contextmanager
def progress_bar(label: str, shown: tuple[str, ...] = ("loss",)) -> Iterator[ReportProgress]:
    """Show a bar in the `with` block; call the yielded function with work done, total and metrics (`shown` appear)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None, metrics="")

        def tell(done: int, total: int, metrics: Mapping[str, float]) -> None:
            text = "  ".join(f"{name} {metrics[name]:.4g}" for name in shown if name in metrics)
            progress.update(task, completed=done, total=total, metrics=text)

        yield tell
