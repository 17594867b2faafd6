import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS

CORRECTION = KINDS["correction"]
CLIP = (Segment("old", 10, 40),)
SHOWN = {"choice": "corrected", "dataset": "monday", "episode": "new", "start": 0, "length": 100, "from": 20}


def test_correction_is_better_than_what_it_corrects_from_the_same_frame_on() -> None:
    target = CORRECTION.target(SHOWN, CLIP)
    assert target is not None
    assert target.clips == (Segment("new", 0, 30), Segment("old", 20, 30))
    assert target.datasets == ("monday", "")
    assert target.values.tolist() == [1, 0]
    short = CORRECTION.target({**SHOWN, "length": 12}, CLIP)
    assert short is not None
    assert {clip.length for clip in short.clips} == {12}


@pytest.mark.parametrize("frame", [3, 50, 90])
def test_a_correction_from_outside_the_clip_trains_nothing(frame: int) -> None:
    assert CORRECTION.target({**SHOWN, "from": frame}, CLIP) is None


def test_nothing_to_correct_trains_nothing() -> None:
    CORRECTION.validate({"choice": "fine"}, 1)
    assert CORRECTION.target({"choice": "fine"}, CLIP) is None


@pytest.mark.parametrize(
    ("name", "value"), [("dataset", ""), ("episode", 3), ("start", -1), ("length", 0), ("from", None), ("start", 1.5)]
)
def test_links_that_lead_nowhere(name: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=f"^{name} of a correction"):
        CORRECTION.validate({**SHOWN, name: value}, 1)
