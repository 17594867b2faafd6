"""What was planned beside what came, in the report."""

import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robo_rlhf.core.files import read_json, write_json
from robo_rlhf.pipeline.prediction.plan_file import store_plan
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.planned import answers_taken, planned_section
from tests.pipeline.prediction.test_plan_file import a_plan
from tests.pipeline.report.test_speed import rows


def findings(before: float, after: float, curve: list[Any]) -> Any:
    labels = [Counter(A=30), Counter(A=40), Counter(B=26)]
    both = (SimpleNamespace(success=SimpleNamespace(value=value)) for value in (before, after))
    return SimpleNamespace(
        **dict(zip(("before", "after"), both, strict=True)), answers_by_round=lambda: labels, iterations=lambda: curve
    )


@pytest.mark.parametrize(
    ("before", "after", "took"), [(0.92, 0.95, 0), (0.5, 0.85, None), (0.5, 0.95, 70)], ids=["at once", "never", "then"]
)
def test_answers_are_counted_until_the_target_is_kept(before: float, after: float, took: int | None) -> None:
    curve = [row._replace(round=1 + i // 10) for i, row in enumerate(rows(*[0.5] * 10, *[1.0] * 20))]
    assert answers_taken(findings(before, after, curve), 0.9) == took


def test_what_exploring_episodes_never_show_took_all_answers() -> None:
    assert answers_taken(findings(0.5, 0.95, rows(0.5, 0.6, 0.7)), 0.9) == 96


def test_the_report_says_what_came_of_a_plan_made_before(finished: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(finished.parents[1], home)
    run = home / "runs" / finished.name
    found = Findings.of(run, home)
    assert planned_section(found) == "", "there was no plan"
    config = read_json(run / "config.json", dict)
    dataset = config["dataset"] or "samples/reach"
    store_plan(home, a_plan(dataset=dataset, made="2099-01-01T00:00:00+00:00"))
    assert planned_section(found) == "", "it was made after the run began"
    store_plan(home, a_plan(dataset=dataset, made="2001-01-01T00:00:00+00:00"))
    section = planned_section(found)
    assert "For 90 % planned 60 to 140 answers, " in section
    assert f"it ends at {100 * found.after.success.value:.1f} %" in section
    write_json(run / "config.json", {**config, "task": "push"})
    assert planned_section(Findings.of(run, home)) == "", "the plan is about another task"
