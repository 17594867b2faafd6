"""What a reward predicts of answers that it did not learn from, kept beside it."""

import os
from pathlib import Path

from robo_rlhf.core.files import write_json
from robo_rlhf.feedback.quality.predictions import FILE, AnswerPrediction, keep_predictions, newest_predictions


def test_the_newest_fit_that_held_an_answer_out_is_asked(tmp_path: Path) -> None:
    folders = [
        tmp_path / "runs" / name for name in ("main/round-1/reward", "main/round-2/finetune/meanwhile", "reward")
    ]
    for second, folder in enumerate(folders):
        folder.mkdir(parents=True)
        keep_predictions(folder, {"anna": {"q1": 0.1 * (second + 1)}}, until=second)
        os.utime(folder / FILE, (1_000_000 + second, 1_000_000 + second))
    keep_predictions(folders[0], {"anna": {"q2": 0.9}, "ben": {"q1": 0.25}}, until=7)
    os.utime(folders[0] / FILE, (1, 1))
    assert newest_predictions(tmp_path) == {
        ("q1", "anna"): AnswerPrediction(0.3, "reward", 2),
        ("q2", "anna"): AnswerPrediction(0.9, "main", 7),
        ("q1", "ben"): AnswerPrediction(0.25, "main", 7),
    }


def test_what_is_damaged_or_of_another_form_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    assert newest_predictions(tmp_path) == {}
    (folder / FILE).write_bytes(b"{")
    assert newest_predictions(tmp_path) == {}
    write_json(folder / FILE, {"until": 3, "people": {"anna": 1, "ben": {"q": "high", "r": 0.5}}})
    assert newest_predictions(tmp_path) == {("r", "ben"): AnswerPrediction(0.5, "one", 3)}
    (folder / FILE).unlink()
    (folder / FILE).mkdir()
    assert newest_predictions(tmp_path) == {}
