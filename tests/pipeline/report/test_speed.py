"""Numbers for speed and stability."""

from pathlib import Path

import pytest

from robo_rlhf.pipeline.report.findings import Iteration
from robo_rlhf.pipeline.report.speed import reached, smoothed, worst_drop


def rows(*success: float) -> list[Iteration]:
    return [Iteration(i, 1, float(i), 0.0, 10, value, 0.0, 0.0) for i, value in enumerate(success, start=1)]


def test_a_share_counts_from_where_it_is_not_left_any_more() -> None:
    curve = rows(*[0.0] * 5, *[1.0] * 5, *[0.0] * 5, *[1.0] * 10)
    assert smoothed(curve)[4:10] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert reached(curve) == {0.5: 17, 0.8: 18, 0.9: 19}
    assert worst_drop(curve) == pytest.approx(1.0)
    assert worst_drop(rows(0.1, 0.5, 0.9)) == 0.0
    assert reached(rows(0.0, 0.0)) == {0.5: None, 0.8: None, 0.9: None}


def test_the_report_says_it(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert ("Speed and stability" in page) == ("The worst drop after the best" in page)
