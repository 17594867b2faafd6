"""Presses after the end of an episode."""

from pathlib import Path

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.live_signal.in_time import check_in_time
from tests.data.making import episode


def test_a_press_later_than_people_react_is_refused_in_a_sentence(tmp_path: Path) -> None:
    Dataset(tmp_path / "cups", create=True).add(episode("e0", steps=20, seed=0))
    check_in_time(tmp_path, "cups", "e0", 20 + 0.8 * 20.0, 20.0)  # 0.8 s after the end
    sentence = "press about episode e0: expected at most 0.8 s after its end, .* got 1.0 s after its last step"
    with pytest.raises(InvalidValueError, match=sentence):
        check_in_time(tmp_path, "cups", "e0", 20 + 1.0 * 20.0, 20.0)
    for dataset, name in (("cups", "gone"), ("nowhere", "e0"), ("../cups", "e0")):
        check_in_time(tmp_path, dataset, name, 1e6, 20.0)  # nothing is known of it
