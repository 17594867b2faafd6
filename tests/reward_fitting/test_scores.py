import pytest
import torch

from robo_rlhf.reward_fitting.scores import Scores, summarize


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = torch.tensor([0.95] * 10 + [0.65] * 10)
    right = torch.tensor([1.0] * 5 + [0.0] * 5 + [1.0] * 6 + [0.0] * 4)
    scores = summarize([(confidence, right, torch.ones(20))])
    assert scores.accuracy == pytest.approx(0.55)
    assert scores.log_loss == pytest.approx(1.0)
    assert scores.ece == pytest.approx(0.5 * 0.45 + 0.5 * 0.05, abs=1e-6)
    assert [(b.answers, round(b.accuracy, 3)) for b in scores.bins] == [(10, 0.6), (10, 0.5)]


def test_ties_count_in_the_loss_alone() -> None:
    nan = torch.tensor([torch.nan])
    one = torch.tensor([1.0])
    scores = summarize([(nan, nan, one), (one, one, 3 * one)])
    assert (scores.answers, scores.sided, scores.accuracy, scores.log_loss) == (2, 1, 1.0, 2.0)
    assert summarize([(nan, nan, one)]) == Scores(1, 0, None, 1.0, None)
    assert summarize([]) == Scores(0, 0, None, None, None)
    assert summarize([(nan, nan, one)]).metrics("held_out") == {
        "held_out/answers": 1,
        "held_out/sided": 0,
        "held_out/log_loss": 1.0,
    }
