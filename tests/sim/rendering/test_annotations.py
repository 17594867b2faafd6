import math
from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.rendering.annotations import MAX_POINTS, Arrow, DropLine, Trail

POINT = (0.0, 0.0, 0.1)


def test_decorations_are_values() -> None:
    assert DropLine() == DropLine(site="")
    assert hash((DropLine(), Arrow(POINT, POINT), Trail((POINT, POINT)))) == hash(
        (DropLine(), Arrow(POINT, POINT), Trail((POINT, POINT)))
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Arrow(POINT, (0, 0, math.nan)), r"points of an arrow: expected finite numbers \[m\]"),
        (lambda: Arrow(POINT, POINT, width=0), "width of an arrow: expected metres above 0, got 0"),
        (lambda: Trail(((math.inf, 0, 0),)), "points of a trail: expected finite numbers"),
        (lambda: Trail((POINT,) * (MAX_POINTS + 1)), "points of a trail: expected at most 400, got 401"),
        (lambda: Trail((POINT,), fade=2), "fade of a trail: expected a number from 0 to 1, got 2"),
    ],
)
def test_wrong_numbers_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()
