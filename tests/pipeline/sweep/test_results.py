from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.pipeline.sweep.grid import SweepRun
from robo_rlhf.pipeline.sweep.report import write_sweep_report
from robo_rlhf.pipeline.sweep.results import FinishedRun, choices, table, trade_off
from robo_rlhf.rollouts.evaluation import Evaluation

EPISODES = 50


def evaluation(successes: int, returns: float = 0.0) -> Evaluation:
    done = tuple(i < successes for i in range(EPISODES))
    return Evaluation("reach", tuple(range(EPISODES)), done, done, (returns,) * EPISODES, {})


def results(by_setting: dict[str, list[int]]) -> list[FinishedRun]:
    found = []
    for seed in range(max(map(len, by_setting.values()))):
        for setting, counts in by_setting.items():
            if seed < len(counts):
                cell = SweepRun(len(found) + 1, f"s-{len(found) + 1}", seed, (setting,))
                found.append(FinishedRun(cell, evaluation(10), evaluation(counts[seed])))
    return found


def test_the_best_combination_is_first_with_its_worst_seed_and_its_gain() -> None:
    best, first = choices(results({"a=1": [20, 30, 25], "a=2": [40, 45, 35]}))
    assert (best.settings, first.settings) == (("a=2",), ("a=1",))
    assert best.after.value == pytest.approx(0.8)
    assert best.worst == pytest.approx(0.7)
    assert best.gain.value == pytest.approx(0.3)
    assert 0 < best.gain.low < 0.3 < best.gain.high
    assert first.gain.value != first.gain.value, "the first is not compared with itself"
    assert first.before.value == pytest.approx(0.2)


def test_a_gain_is_over_the_seeds_that_both_have() -> None:
    best = choices(results({"a=1": [20, 50], "a=2": [45]}))
    gain = next(choice.gain for choice in best if choice.settings == ("a=2",))
    assert gain.value == pytest.approx((45 - 20) / EPISODES)


def test_the_spread_between_seeds_widens_an_interval() -> None:
    same = choices(results({"a": [25, 25, 25]}))[0].after
    apart = choices(results({"a": [5, 25, 45]}))[0].after
    assert same.value == apart.value
    assert apart.high - apart.low > 2 * (same.high - same.low)


def test_runs_without_any_success_are_compared_by_their_return() -> None:
    done = [
        FinishedRun(SweepRun(i, f"s-{i}", 0, (f"a={i}",)), evaluation(0, 1.0), evaluation(0, value))
        for i, value in enumerate((5.0, 9.0), 1)
    ]
    assert [row["return"] for row in table(done)] == ["9", "5"]
    assert table(done)[0]["against a=1"].startswith("+4")


def test_runs_of_other_episodes_are_not_compared() -> None:
    first, second = results({"a=1": [20], "a=2": [30]})
    other = replace(second.after, seeds=tuple(np.arange(EPISODES) + 1))
    with pytest.raises(CorruptFileError, match="other episodes"):
        choices([first, second._replace(after=other)])


def test_the_report_shows_every_combination_and_what_few_seeds_are_worth(tmp_path: Path) -> None:
    done = results({"a=<b>": [20]})
    text = write_sweep_report(tmp_path, done, 4).read_text()
    assert "1 of 4 runs are finished" in text
    assert "a=&lt;b&gt;" in text
    assert "<b>" not in text
    assert "One seed is an anecdote" in text
    assert "40" in text
    assert "0 of 4 runs" in write_sweep_report(tmp_path, [], 4).read_text()


def styled(successes: int, tilt: float) -> Evaluation:
    return replace(evaluation(successes), style={"tilt": (tilt,) * (EPISODES - 1) + (float("nan"),)})


def test_weights_trade_one_criterion_for_another(tmp_path: Path) -> None:
    policies = {"w=1": (45, 0.3), "w=2": (40, 0.1), "w=3": (38, 0.2), "w=4": (40, 0.1)}
    done = [
        FinishedRun(SweepRun(i, f"s-{i}", 0, (name,)), evaluation(10), styled(*came))
        for i, (name, came) in enumerate(policies.items(), 1)
    ]
    found = trade_off(done)
    assert found.criteria == ("success", "tilt")
    best = {choice.name: kept for (choice, _), kept in zip(found.rows, found.undominated(), strict=True)}
    assert best == {"w=1": True, "w=2": True, "w=3": False, "w=4": True}
    (tilt,) = {means[1].value for choice, means in found.rows if choice.name == "w=3"}
    assert tilt == pytest.approx(0.2), "episodes without the measure do not count"
    page = write_sweep_report(tmp_path, done, 4).read_text()
    assert "What is paid for what" in page
    assert page.count("<td>yes</td>") == 3
    assert "What is paid" not in write_sweep_report(tmp_path, done[:1], 4).read_text()
