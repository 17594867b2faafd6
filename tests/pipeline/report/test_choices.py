from pathlib import Path
from typing import Any

from robo_rlhf.core.files import write_json
from robo_rlhf.pipeline.report.choices import choices_section


def store(path: Path, **result: Any) -> None:
    path.mkdir(parents=True)
    write_json(path / "result.json", result)


def test_what_was_chosen_is_told_with_its_figures(tmp_path: Path) -> None:
    store(tmp_path / "pace", execute=12, tried=[6, 12], success=[0.5, 0.75])
    store(tmp_path / "exploration", std=0.05, still=0.75, exploring=[0.25, 0.7])
    store(tmp_path / "round-1" / "success", answers=20, yes=0.4, held_out_accuracy=0.9)
    store(tmp_path / "round-2" / "success", answers=0)
    page = choices_section(tmp_path, range(1, 3), 0.25, 0.9)
    assert "<b>12 steps</b> of each prediction (6 steps: 50\u00a0%, 12 steps: 75\u00a0%)" in page
    assert "<b>deviation 0.05</b> (without noise 75\u00a0%, from most noise down: 25\u00a0%, 70\u00a0%)" in page
    assert "40\u00a0% of 20 episodes" in page
    assert "predicted: 90\u00a0%" in page
    assert "round 2</td><td>nobody could tell" in page
    assert "a success head learned from the answers judges them" in page
    assert "the environment's mark judges them" in choices_section(tmp_path, range(1, 3), 0.0, 0.9)


def test_a_run_that_chose_nothing_says_nothing(tmp_path: Path) -> None:
    assert choices_section(tmp_path, range(1, 3), 0.0, 0.9) == ""
