"""The report of a sweep: one HTML file, with a row and an interval for each combination of settings."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.stats import Interval
from robo_rlhf.pipeline.report.charts import Axis, scatter_chart
from robo_rlhf.pipeline.report.formatting import humanize, interval_text, value_text
from robo_rlhf.pipeline.sweep.results import FinishedRun, by_success, choices, table, trade_off
from robo_rlhf.sim.task_tools.style_measures import MEASURES

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
    parts = f"{_results(done)}{_trade_off(done)}" if done else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main><h1>{escape(name)}{task}</h1>"
        f'<p class="quiet">{len(done)} of {runs} runs are finished.</p>{parts}</main></body></html>\n'
    )


def _results(done: Sequence[FinishedRun]) -> str:
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


def _trade_off(done: Sequence[FinishedRun]) -> str:
    """Return what is paid in one criterion for another; empty where one combination is finished, or none has style."""
    found = trade_off(done)
    if len(found.rows) < 2 or len(found.criteria) < 2:
        return ""
    share, kept = found.criteria[0] == "success", found.undominated()
    charts = []
    for k, name in enumerate(found.criteria[1:], 1):
        points = [(means[k].value, means[0].value, best) for (_, means), best in zip(found.rows, kept, strict=True)]
        points = [point for point in points if all(map(math.isfinite, point[:2]))]
        if len({point[0] for point in points}) > 1:
            x, y = Axis(_label(name)), Axis(found.criteria[0], percent=share)
            charts.append(f"<figure>{scatter_chart(f'{found.criteria[0]} against {name}', points, x, y)}</figure>")
    heads = "".join(f"<th>{escape(_label(name))}</th>" for name in found.criteria[1:])
    rows = [
        f"<tr><td>{escape(choice.name)}</td><td>{'yes' if best else ''}</td>"
        + "".join(f"<td>{value_text(one.value)} <small>{interval_text(one)}</small></td>" for one in means[1:])
        + "</tr>"
        for (choice, means), best in zip(found.rows, kept, strict=True)
    ]
    return (
        "<h2>What is paid for what</h2>"
        f'<div class="scroll"><table><thead><tr><th>settings</th><th>undominated</th>{heads}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><div class="grid">{"".join(charts)}</div>'
        '<p class="quiet">Undominated (green discs): no other combination is at least as good in every criterion and '
        "better in one, by means over seeds; neighbours whose intervals overlap may change places.</p>"
    )


def _label(name: str) -> str:
    return f"{humanize(name)} [{MEASURES[name].unit}], {MEASURES[name].better} is better"


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
