import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run, with_defaults
from robo_rlhf.pipeline.config import preset


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    settings: dict[str, Any] = field(default_factory=lambda: {"width": 64})


@dataclass(frozen=True)
class Outer:
    steps: int = 10
    inner: Inner = field(default_factory=lambda: Inner(rate=0.3))


def stored(path: Path) -> dict[str, Any]:
    return read_json(path / "config.json", dict)


def test_a_run_opened_again_with_the_same_settings_goes_on(tmp_path: Path) -> None:
    Run(tmp_path / "run", Outer(), {"task": "lift"})
    assert Run(tmp_path / "run", Outer(), {"task": "lift"}).config == {
        "task": "lift",
        "steps": 10,
        "inner": {"rate": 0.3, "settings": {"width": 64}},
    }


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    Run(tmp_path / "run", Outer())
    with pytest.raises(InvalidValueError, match="steps=20") as refused:
        Run(tmp_path / "run", Outer(steps=20))
    assert "steps=10" in str(refused.value)
    assert stored(tmp_path / "run")["steps"] == 10


def test_of_nested_settings_only_those_that_differ_are_named(tmp_path: Path) -> None:
    Run(tmp_path / "run", Outer())
    with pytest.raises(InvalidValueError, match=r"\(inner\.rate=0\.3\); .* got inner\.rate=0\.5\."):
        Run(tmp_path / "run", Outer(inner=Inner(rate=0.5, settings={"width": 64})))


@pytest.mark.parametrize("lost", ["steps", "inner", "rate"])
def test_a_setting_that_an_earlier_version_lacked_counts_as_its_default(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    whole = Run(path, Outer()).config
    found = stored(path)
    (found["inner"] if lost == "rate" else found).pop(lost)
    (path / "config.json").write_text(json.dumps(found))
    assert Run(path, Outer()).config == whole
    assert stored(path) == whole


def test_a_setting_that_an_earlier_version_lacked_cannot_be_chosen_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run"
    Run(path, Outer())
    (path / "config.json").write_text('{"inner": {"rate": 0.3, "settings": {"width": 64}}}')
    with pytest.raises(InvalidValueError, match="steps=20"):
        Run(path, Outer(steps=20))


def test_free_mappings_stay_as_they_were_stored() -> None:
    assert with_defaults({"settings": {}}, Inner) == {"settings": {}, "rate": 0.1}
    assert with_defaults({"settings": {}}, {"rate": 1}) == {"settings": {}}


@dataclass(frozen=True)
class Named:
    name: str
    inner: Inner = Inner()
    count: int = 3


def test_what_has_no_default_is_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "run"
    Run(path, Named("a"))
    (path / "config.json").write_text('{"inner": {"rate": 0.1}}')
    with pytest.raises(InvalidValueError, match="name='a'"):
        Run(path, Named("a"))
    (path / "config.json").write_text('{"name": "a"}')
    assert Run(path, Named("a")).config["count"] == 3


@pytest.mark.parametrize("size", ["default", "self_imitation", "no_demonstrations", "quick", "tiny"])
def test_a_main_job_of_an_earlier_version_can_be_continued(size: str, tmp_path: Path) -> None:
    asked = preset(size, **({"demos": 0} if size == "no_demonstrations" else {}))
    path = tmp_path / "run"
    whole = Run(path, asked).config
    for name in [n for n, value in whole.items() if value == Run(tmp_path / "default", type(asked)()).config[n]]:
        (path / "config.json").write_text(json.dumps({n: v for n, v in whole.items() if n != name}))
        assert Run(path, asked).config == whole
