import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.checks import (
    LARGEST_SEED,
    CheckedSettings,
    NotNegative,
    above,
    at_least,
    check_dataset,
    check_new_dataset,
    check_run,
    check_seed,
    check_text,
    is_well_formed,
    within,
)
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.files import find_dataset, new_dataset, run_folder
from robo_rlhf.core.registry import Choices
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.policies import POLICIES
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.training_tools.settings import BCSettings, CPLSettings, PPOSettings, RewardSettings, SACSettings

GOOD = ("kitchen", "samples/reach", "samples/Meta-World/MT1:door-open-v3", "Pusher-v5@50", "Küche 2", "a.b", "a/b/c/d")
BAD = (
    "",
    ".",
    "..",
    "/a",
    "a/",
    "a//b",
    "a/../b",
    "../a",
    ".a",
    "a/.b",
    " a",
    "a ",
    "a\n",
    "a\\b",
    "a/b" * 9,
    "x" * 201,
)


@pytest.mark.parametrize("name", GOOD)
def test_names_that_may_be(name: str) -> None:
    check_dataset("x", name)
    check_new_dataset("x", name)
    assert find_dataset(Path("/home"), name) == new_dataset(Path("/home"), name) == Path("/home") / name


@pytest.mark.parametrize("name", BAD)
def test_names_that_may_not_be(name: str) -> None:
    for use in (find_dataset, new_dataset, run_folder):
        with pytest.raises(InvalidValueError, match="expected a name"):
            use(Path("/home"), name)


def test_runs_have_no_slash_and_new_datasets_lie_where_lists_look() -> None:
    with pytest.raises(InvalidValueError, match="without slashes"):
        check_run("--run", "a/b")
    check_dataset("x", "runs/main/clips")
    for name in ("runs/main/clips", "cache/x", "a/episodes", "a/trash/b"):
        with pytest.raises(InvalidValueError, match="expected a name that does not begin with runs/ or cache/"):
            check_new_dataset("x", name)


@given(st.text(max_size=30) | st.lists(st.sampled_from(["..", ".", "", "a", " ", "\0", "/"])).map("/".join))
def test_no_name_leads_out_of_the_data_home(name: str) -> None:
    if is_well_formed(name):
        home = Path("/some/home")
        assert find_dataset(home, name).resolve().is_relative_to(home)
        assert find_dataset(home, name).resolve() != home
        check_text("x", name)


@pytest.mark.parametrize("seed", [0, 1, LARGEST_SEED])
def test_seeds_that_may_be(seed: int) -> None:
    check_seed("--seed", seed)


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1, 2**63, 1.5, "1", None])
def test_seeds_that_may_not_be(seed: object) -> None:
    with pytest.raises(InvalidValueError, match="--seed: expected a seed from 0 to 2147483647, got"):
        check_seed("--seed", seed)


def test_the_commands_make_no_path_of_a_name_themselves() -> None:
    """Names of runs and datasets become folders in `robo_rlhf.core.files`, where they are checked."""
    package = Path(__file__).parents[2] / "robo_rlhf"
    sources = [*(package / "cli").glob("*.py"), *(package / "algorithms").glob("*.py")]
    loose = re.compile(r"home\S* / (\"runs\" / )?\(?(self|question)\.(run|name|dataset|corrections|marked)\b")
    assert [path.name for path in sources if loose.search(path.read_text())] == []


@dataclass(frozen=True)
class Sizes(CheckedSettings):
    LABEL: ClassVar[str] = "a net's {}"

    width: Annotated[float, at_least(0), above(0)] = 1
    depth: NotNegative = 0
    share: Annotated[float, within(0, 1, "a share")] = 0.5
    most: Annotated[int | None, at_least(1)] = None
    policy: Annotated[str, Choices(POLICIES)] = "flow"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"depth": -1}, "a net's depth: expected 0 or more, got -1."),
        ({"width": 0}, "a net's width: expected more than 0, got 0."),
        ({"share": 1.5}, "a net's share: expected a share, got 1.5."),
        ({"share": math.nan}, "a net's share: expected a share, got nan."),
        ({"width": math.nan}, "a net's width: expected at least 0, got nan."),
        ({"most": 0}, "a net's most: expected at least 1, got 0."),
    ],
)
def test_a_field_outside_its_range_is_named(given: dict[str, float], sentence: str) -> None:
    Sizes()
    with pytest.raises(InvalidValueError, match=re.escape(sentence)):
        Sizes(**given)  # type: ignore[arg-type]


def test_a_field_that_names_nothing_in_its_registry_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="flow"):
        Sizes(policy="flwo")


def test_every_number_among_the_settings_of_algorithms_is_checked() -> None:
    for settings in (BCSettings, CPLSettings, RewardSettings, FitSettings, PPOSettings, SACSettings, PipelineConfig):
        for name in ("updates", "batch", "iterations", "labels", "save_every", "num_envs", "seed"):
            if name in {field.name for field in fields(settings)}:
                with pytest.raises(InvalidValueError, match=name):
                    settings(**{name: -1})
