"""What was planned before the run beside what came, where `robo-rlhf plan` was asked."""

import math
from html import escape
from itertools import accumulate
from pathlib import Path

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.pipeline.prediction.plan_file import came_text, plan_before, range_of
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.speed import smoothed


def planned_section(findings: Findings) -> str:
    """Return the section; empty where no plan of the task was made before the run began."""
    config = findings.config
    begun = _begun(findings.path)
    dataset = config["dataset"] or f"{SAMPLES}/{config['task']}"
    plan = None if begun is None else plan_before(findings.home, config["task"], dataset, begun)
    if plan is None:
        return ""
    asked = len(findings.answers())
    took = answers_taken(findings, plan["target"] / 100)
    sentence = came_text(plan, took, asked, findings.after.success.value)
    return (
        f"<h2>Planned and come</h2><p>{escape(sentence)}</p>"
        f'<p class="quiet">The plan of {escape(str(plan["made"]))}: {_success(plan)}, with {plan["demos"]} '
        f"demonstrations; the run had {config['demos']}. Intervals hold {plan['level']:.0%} of what may come.</p>"
    )


def answers_taken(findings: Findings, target: float) -> int | None:
    """Return how many answers there were when success was at a target for good; None where it never was.

    None were needed where the policy before fine-tuning was there already. Else it is counted by the learner's own
    episodes, as its speed is; all answers, where these, which explore, never show it.
    """
    if findings.after.success.value < target:
        return None
    if findings.before.success.value >= target:
        return 0
    labels = list(accumulate(sum(counts.values()) for counts in findings.answers_by_round()))
    rows = [row for row in findings.iterations() if math.isfinite(row.success)]
    curve = smoothed(rows)
    below = [i for i, value in enumerate(curve) if value < target]
    at = below[-1] + 1 if below else 0
    return labels[rows[at].round - 1] if at < len(rows) else labels[-1]


def _begun(path: Path) -> float | None:
    events = read_lines(path / "events.jsonl", lambda row: isinstance(row.get("time"), int | float))
    return float(events[0]["time"]) if events else None


def _success(plan: dict[str, object]) -> str:
    low, high = range_of(plan["success"])[1:]  # type: ignore[arg-type]
    return f"success {100 * low:.0f} to {100 * high:.0f} % with {plan['usual_answers']} answers"
