"""Numbers for the speed and stability of a run, beside the curves."""

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from robo_rlhf.pipeline.report.findings import Findings, Iteration
from robo_rlhf.pipeline.report.formatting import value_text

SHARES = (0.5, 0.8, 0.9)  # of the success that the learner's own episodes end with
WINDOW = 5  # iterations that a figure is the mean of


def smoothed(rows: Sequence[Iteration]) -> list[float]:
    """Return the mean success of each iteration and those before it, at most `WINDOW` in all."""
    return [float(np.mean([row.success for row in rows[max(0, i + 1 - WINDOW) : i + 1]])) for i, _ in enumerate(rows)]


def reached(rows: Sequence[Iteration]) -> dict[float, int | None]:
    """Return the first iteration from which a share of the final success is not left any more; None where none is."""
    curve = smoothed(rows)
    found: dict[float, int | None] = {}
    for share in SHARES:
        below = [i for i, value in enumerate(curve) if value < share * curve[-1]]
        at = below[-1] + 1 if below else 0
        found[share] = at if at < len(rows) and curve[-1] > 0 else None
    return found


def worst_drop(rows: Sequence[Iteration]) -> float:
    """Return by how much success fell at most after it was best, of five iterations each."""
    curve = smoothed(rows)
    best = list(accumulate(curve, max))
    return max(high - value for high, value in zip(best, curve, strict=True))


def speed_section(findings: Findings) -> str:
    """Return the section; empty where nothing is marked a success, or nothing was fine-tuned."""
    rows = [row for row in findings.iterations() if math.isfinite(row.success)]
    if not rows or not any(row.success for row in rows):
        return ""
    labels = list(accumulate(sum(counts.values()) for counts in findings.answers_by_round()))
    episodes = list(accumulate(row.episodes for row in rows))
    lines = []
    for share, at in reached(rows).items():
        if at is None:
            continue
        row = rows[at]
        figures = (f"{labels[row.round - 1]:,}", f"{episodes[at]:,}", f"{row.minutes:.1f}", str(row.number))
        cells = "".join(f"<td>{figure}</td>" for figure in figures)
        lines.append(f"<tr><td>{value_text(share, True)}</td>{cells}</tr>")
    final, drop = value_text(smoothed(rows)[-1], True), value_text(worst_drop(rows), True)
    return (
        '<h2>Speed and stability</h2><div class="scroll"><table><thead><tr><th>of final success</th><th>answers</th>'
        f"<th>episodes</th><th>minutes</th><th>iteration</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="quiet">From there on the learner\'s own episodes stay above that share of their final success, '
        f"{final}; means of {WINDOW} iterations. The worst drop after the best: {drop}. One seed: "
        "the spread over seeds takes several runs.</p>"
    )
