"""What a run expects of its last policy."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.files import write_json
from robo_rlhf.core.stats import Interval
from robo_rlhf.pipeline.recipe.forecast import ERROR, GAIN, SPREAD, Forecast, expect
from robo_rlhf.pipeline.report.choices import choices_section


def test_it_holds_as_often_as_it_says_where_runs_are_as_assumed() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(1.5, 1.0, 2000)
    seen = rng.binomial(100, 1 / (1 + np.exp(-odds - rng.normal(0, ERROR, 2000)))) / 100
    for left in (0.0, 0.5):
        final = rng.binomial(200, 1 / (1 + np.exp(-odds - rng.normal(GAIN * left, SPREAD * left, 2000)))) / 200
        expected = [expect(share, 100, left, 200) for share in seen.tolist()]
        held = [one.low <= came <= one.high for one, came in zip(expected, final.tolist(), strict=True)]
        assert 0.86 <= np.mean(held) <= 0.95


def test_more_to_come_means_more_and_less_certain() -> None:
    first, last = expect(0.8, 100, 5 / 6, 200), expect(0.8, 100, 0.0, 200)
    assert first.value > last.value
    assert first.high - first.low > last.high - last.low
    assert last.low < 0.8 < last.high
    for seen in (0.0, 1.0):
        low, high = expect(seen, 100, 0.5, 200)[1:]
        assert 0.0 <= low < high <= 1.0


def test_it_is_a_sentence() -> None:
    made = Forecast(1, 133, Interval(0.86, 0.81, 0.9))
    assert (
        made.text() == "with 133 more answers I expect the last policy to succeed in 81 to 90 % of evaluation episodes"
    )
    assert made._replace(answers=0).text().startswith("with no more answers I expect")


@pytest.mark.parametrize(("came", "verdict"), [(0.85, "as expected"), (0.95, "not as expected")])
def test_the_report_says_whether_it_held(came: float, verdict: str, tmp_path: Path) -> None:
    (tmp_path / "round-1" / "forecast").mkdir(parents=True)
    expected = {"value": 0.86, "low": 0.81, "high": 0.9}
    write_json(tmp_path / "round-1" / "forecast" / "result.json", {"round": 1, "answers": 133, "expected": expected})
    page = choices_section(tmp_path, range(1, 3), 0.35, came)
    assert f"133 answers before the end: it came to {round(100 * came)}\u00a0%, {verdict}" in page


def test_nothing_but_successes_can_be_expected() -> None:
    assert expect(1.0, 100, 1.0, 200).high == 1.0
    assert expect(0.0, 100, 0.0, 200).low == 0.0
    assert expect(0.5, 100, 0.0, 200).high < 0.8
