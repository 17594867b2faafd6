"""What cameras change in the settings of behaviour cloning."""

from typing import Any

import pytest

from robo_rlhf.algorithms.sight_options import SightOptions
from robo_rlhf.training_tools.settings import BCSettings


@pytest.mark.parametrize(
    ("policy", "given", "horizon"),
    [
        ("flow", {}, 3),
        ("flow", {"chunk": 24}, 6),
        ("flow", {"chunk": 2}, 1),
        ("flow", {"execution_horizon": 8}, 8),
        ("act", {}, 1),
        ("gaussian", {}, None),
    ],
)
def test_with_cameras_a_policy_looks_again_after_a_quarter_of_a_chunk(
    policy: str, given: dict[str, Any], horizon: int | None
) -> None:
    seen = SightOptions(cameras="front").seeing("lift", BCSettings(policy=policy, settings=given))
    assert (seen.policy, seen.batch) == ("visual", 64)
    assert seen.settings["settings"].get("execution_horizon") == horizon
    assert {**seen.settings["settings"], **given} == seen.settings["settings"]


def test_without_cameras_it_looks_as_often_as_ever() -> None:
    settings = BCSettings(policy="flow")
    assert SightOptions().seeing("lift", settings) is settings
    hidden = SightOptions(proprioception_only=True).seeing("lift", settings)
    assert (hidden.settings["settings"], hidden.batch) == ({}, settings.batch)
