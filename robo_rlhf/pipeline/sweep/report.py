"""The report of a sweep: one HTML file, with a row and an interval for each combination of settings."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.stats import Interval
from robo_rlhf.pipeline.sweep.results import FinishedRun, by_success, choices, table

WIDTH, HEIGHT = 240, 24  # [units] of the drawing of an interval


def write_sweep_report(folder: Path, done: Sequence[FinishedRun], runs: int) -> Path:
    """Write report.html into the folder of a sweep of so many runs, and return its path."""
    out = folder / "report.html"
    write_atomic(out, page(folder.name, done, runs).encode())
    return out


def page(name: str, done: Sequence[FinishedRun], runs: int) -> str:
    """Return the whole page."""
    style = (files("robo_rlhf.pipeline.report") / "report.css").read_text()
    task = f" · {escape(done[0].after.task)}" if done else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main><h1>{escape(name)}{task}</h1>"
        f'<p class="quiet">{len(done)} of {runs} runs are finished.</p>{_results(done)}</main></body></html>\n'
    )


def _results(done: Sequence[FinishedRun]) -> str:
    if not done:
        return ""
    found, share = choices(done), by_success(done)
    ends = [v for choice in found for v in (choice.after.low, choice.after.high) if math.isfinite(v)]
    span = (0.0, 1.0) if share else (min(ends, default=0.0), max(ends, default=1.0))
    rows = table(done)
    heads = "".join(f"<th>{escape(name)}</th>" for name in (*list(rows[0])[:1], "", *list(rows[0])[1:]))
    lines = []
    for choice, row in zip(found, rows, strict=True):
        cells = [f"<td>{escape(str(value))}</td>" for value in row.values()]
        lines.append(f"<tr>{cells[0]}<td>{_drawn(choice.name, choice.after, span)}</td>{''.join(cells[1:])}</tr>")
    seeds = max(len(choice.seeds) for choice in found)
    few = {1: "One seed is an anecdote.", 2: "Two seeds give intervals that are too narrow."}.get(seeds, "")
    names = ", ".join(escape(one.cell.run) for one in done)
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
        f'<p class="quiet">{done[0].after.episodes} evaluation episodes a run, the same in all. Intervals are '
        f"bootstraps over seeds and the episodes of each. {few} The best of many is partly lucky: measure it once "
        f'more from seeds that chose nothing.</p><p class="quiet">Runs: {names}.</p>'
    )


def _drawn(name: str, interval: Interval, span: tuple[float, float]) -> str:
    """Return an interval as a picture, from one end of `span` to the other."""
    low, high = span
    scale = (WIDTH - 16) / ((high - low) or 1.0)
    value, start, end = (8 + (min(max(v, low), high) - low) * scale for v in interval)
    middle = HEIGHT / 2
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(name)}">'
        f'<line class="grid" x1="8" x2="{WIDTH - 8}" y1="{middle}" y2="{middle}"/>'
        f'<line class="whisker" x1="{start:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="dot" cx="{value:.1f}" cy="{middle}" r="4"/></svg>'
    )
