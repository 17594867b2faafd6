"""Which modules may be imported by name, and where they are looked for."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from robo_rlhf.core import guests
from robo_rlhf.core.errors import GuestError, MissingDependencyError, NotAllowedError, UnknownNameError
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.sim.envs.registration import gym_id
from robo_rlhf.sim.tasks import TASKS
from tests.guesting import at_home


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guests, in the current folder, which is not on the path."""
    with at_home(tmp_path / "code", on_path=False) as folder:
        monkeypatch.chdir(folder)
        yield folder


def test_a_name_that_nothing_allows_says_which_flag_to_add(folder: Path) -> None:
    told = "is code of the module my_terms, which nothing allows here. If you trust it, add --allow my_terms, or set"
    assert "my_terms:Effort" not in TERMS
    with pytest.raises(NotAllowedError, match=told):
        TERMS.check("my_terms:Effort")
    with pytest.raises(NotAllowedError, match=told):
        TERMS["my_terms:Effort"]
    with pytest.raises(NotAllowedError, match=told):
        RewardSum("learned + 0.5 * my_terms:Effort(scale=2.0)")


def test_a_command_line_allows_what_it_names_while_it_runs(folder: Path) -> None:
    path, environment = list(sys.path), dict(os.environ)
    with guests.command_line(["--objective", "task + my_terms:Effort(scale=2.0)"], [], folder=True):
        assert sys.path[-1] == str(folder)
        assert str(folder) in os.environ["PYTHONPATH"].split(os.pathsep)
        assert os.environ[guests.ALLOW_VARIABLE] == "my_terms"
        (part, other) = RewardSum("task + my_terms:Effort(scale=2.0)").parts
        assert (part.label, other.label, other.weight) == ("task", "my_terms:Effort(scale=2.0)", 1.0)
    assert (sys.path, dict(os.environ)) == (path, environment)


def test_the_current_folder_is_on_the_path_only_where_a_module_is_named(folder: Path) -> None:
    with guests.command_line(["--task", "reach", "--env", "Meta-World/MT1:door-open-v3"], [], folder=True):
        assert str(folder) not in sys.path
        assert os.environ["PYTHONSAFEPATH"] == "1"  # nor in processes that are started with -m
    with guests.command_line([], ["my_terms"], folder=False):
        assert str(folder) not in sys.path
        with pytest.raises(
            MissingDependencyError, match="The module 'my_terms' is missing; reward term my_terms:Effort"
        ):
            TERMS["my_terms:Effort"]


def test_a_station_looks_there_no_more_and_its_programs_allow_nothing(folder: Path) -> None:
    with guests.command_line(["my_terms:Effort"], [], folder=True):
        with pytest.raises(MissingDependencyError, match="the station does not look in the folder"):
            guests.serve_visitors()
        assert str(folder) not in sys.path
        assert str(folder) not in os.environ["PYTHONPATH"]
        with guests.command_line(["my_kinds:Slider"], ["my_kinds"], folder=True):
            assert not guests.is_allowed("my_kinds")
    assert guests.ONLY_VARIABLE not in os.environ


def test_a_package_allows_what_lies_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guests.ALLOW_VARIABLE, "one, two.three:Thing")
    allowed = ("one", "one.inner", "two.three", "two.three.four")
    assert all(map(guests.is_allowed, allowed))
    assert not any(map(guests.is_allowed, ("ones", "two", "two.other", "os")))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with entry points: a task of its own, one whose name is taken, and one without a name."""
    group = "robo_rlhf.tasks"
    names = {"press": "my_tasks:PressButton", "reach": "my_tasks:PressButton", "No-Name": "my_tasks:PressButton"}
    points = {name: EntryPoint(name, value, group) for name, value in names.items()}
    monkeypatch.setattr(guests, "installed", lambda which: points if which == "tasks" else {})
    monkeypatch.setattr(guests, "_installed_modules", lambda: frozenset({"my_tasks"}))
    TASKS.__dict__.pop("_installed", None)
    with at_home(tmp_path / "code"):
        yield
    TASKS._items.pop("press", None)
    TASKS.__dict__.pop("_installed", None)


def test_an_installed_package_adds_names_and_a_taken_one_is_left_out(installed: None) -> None:
    with pytest.warns(
        match=r"the task my_tasks:PressButton is left out: its name ('reach' is taken|'No-Name' is no word)"
    ):
        assert "press" in list(TASKS)
    assert "No-Name" not in TASKS
    assert TASKS["reach"].__module__ == "robo_rlhf.sim.tasks.reach"
    assert TASKS["press"].name == "press"
    assert TASKS["my_tasks:PressButton"] is TASKS["press"]  # the same thing, under the name that it has


def test_a_guest_has_a_gymnasium_id(tmp_path: Path) -> None:
    import gymnasium

    with at_home(tmp_path / "code"):
        env = gymnasium.make(f"my_tasks:{gym_id('press_button')}", disable_env_checker=True)
        assert env.unwrapped.batch.name == "my_tasks:PressButton"  # type: ignore[attr-defined]
        env.close()
    del gymnasium.registry[gym_id("press_button")]
    guests._present.clear()


def test_what_cannot_be_found_suggests_the_nearest(tmp_path: Path) -> None:
    with at_home(tmp_path / "code", ["my_terms", "broken_import"]):
        with pytest.raises(
            UnknownNameError, match=r"reward term in my_terms \(.*my_terms.py\) 'Efort'. Did you mean 'Eff"
        ):
            TERMS["my_terms:Efort"]
        with pytest.raises(GuestError, match=r"KeyError: 'missing' \(.*broken_import.py:4\)"):
            TERMS["broken_import:Thing"]
