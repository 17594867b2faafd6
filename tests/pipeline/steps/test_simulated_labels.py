"""Style costs of the simulated teacher."""

import pytest

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.pipeline.config import TeacherConfig


@pytest.mark.parametrize(
    ("settings", "own", "minded"),
    [
        ({}, "tilt", ("tilt",)),
        ({}, None, ()),
        ({"style_costs": "tilt, clearance,tilt"}, "path_length", ("tilt", "clearance")),
        ({"style_costs": "tilt", "style_weight": 0.0}, "tilt", ()),
    ],
)
def test_what_is_named_takes_the_place_of_the_tasks_own(
    settings: dict[str, object], own: str | None, minded: tuple[str, ...]
) -> None:
    assert TeacherConfig(**settings).measures(own) == minded  # type: ignore[arg-type]


def test_a_measure_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown style measure 'tild'"):
        TeacherConfig(style_costs="clearance,tild")
