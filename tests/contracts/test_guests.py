"""Things in a user's own file: whole ones keep the contract of their kind, broken ones are told what and where."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.contracts.all import CONTRACTS, contract_of
from robo_rlhf.contracts.clauses import BrokenContractError, try_clause
from robo_rlhf.core.errors import GuestError, UnknownNameError
from tests.guesting import at_home

GUESTS = {
    "my_tasks:PressButton": "task",
    "my_robots:Gantry": "robot",
    "my_policies:Linear": "policy",
    "my_rewards:Linear": "reward model",
    "my_terms:Effort": "reward term",
    "my_kinds:BestOfThree": "kind of question",
    "my_kinds:Slider": "kind of question",
    "my_encoders:Flat": "encoder",
    "my_devices:Swing": "device",
    "my_devices:Leader": "device",
    "my_algorithms:Mean": "algorithm",
}
BROKEN = {
    "WrongShape": ("observe has shape (3, 2), expected (3, 3)", "def observe"),
    "NotANumber": ("observe holds NaN or infinity", "def observe"),
    "Chance": ("the same seeds give other starts in a second environment", "def reset"),
    "Remembers": ("reward_terms keeps ['calls'] between calls; a task has no state", "def reward_terms"),
    "Writes": ("observe writes into the simulation", "def observe"),
    "Generous": ("outside [0, 1]", "def reward_terms"),
    "Raises": ("AttributeError: 'Raises' object has no attribute 'no_such_function'", "return self.no_such"),
}
REFUSED = {
    "broken_tasks:NoName": ("its name is missing", "class NoName"),
    "broken_tasks:Twice": ("the name 'reach' is taken twice, here", "class Twice"),
    "broken_import:Thing": ("its import fails with KeyError: 'missing'", 'THING = THINGS["missing"]'),
    "my_policies:Linear": ("is no task: it does not derive from robo_rlhf.sim.task.Task", "class Linear"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    modules = [
        "my_tasks",
        "my_robots",
        "my_policies",
        "my_rewards",
        "my_terms",
        "my_kinds",
        "my_devices",
        "my_encoders",
        "my_algorithms",
    ]
    with at_home(tmp_path_factory.mktemp("code"), [*modules, "broken_tasks", "broken_import"]) as folder:
        yield folder


def line_of(file: Path, text: str, after: str = "") -> int:
    """Return the number of the first line that holds `text`, from the first that holds `after` on."""
    lines = file.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if after in line)
    return next(number for number, line in enumerate(lines, 1) if number > start and text in line)


def test_every_kind_that_is_found_by_name_has_a_guest_here() -> None:
    assert {contract.registry.kind for contract in CONTRACTS} == set(GUESTS.values())


@pytest.mark.parametrize("name", GUESTS)
def test_a_guest_keeps_the_contract_of_its_kind_and_is_found_by_its_name(name: str, folder: Path) -> None:
    contract = contract_of(name)
    assert contract.registry.kind == GUESTS[name]
    thing: Any = contract.registry[name]
    assert name in contract.registry
    assert getattr(thing, "kind", getattr(thing, "name", "")) == name
    trial = functools.cache(contract.trial)
    for clause in contract.clauses:
        try_clause(clause, trial, thing)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_task_is_told_what_is_wrong_and_where(name: str, folder: Path) -> None:
    sentence, written = BROKEN[name]
    contract = contract_of(f"broken_tasks:{name}")
    thing, found = contract.registry[f"broken_tasks:{name}"], list[str]()
    for clause in contract.clauses:
        try:
            try_clause(clause, contract.trial, thing)
        except BrokenContractError as error:
            found.append(str(error))
    file = folder / "broken_tasks.py"
    where = f"({file}:{line_of(file, written, f'class {name}')})"
    assert [text for text in found if sentence in text and where in text], found


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_nothing_of_its_kind_is_refused_with_its_place(name: str, folder: Path) -> None:
    sentence, written = REFUSED[name]
    file = folder / f"{name.partition(':')[0]}.py"
    with pytest.raises(GuestError, match=re.escape(sentence)) as error:
        contract_of(name, "task").registry[name]
    assert f"{file}:{line_of(file, written)}" in str(error.value)


def test_what_is_of_no_kind_is_told_what_there_is(folder: Path) -> None:
    with pytest.raises(GuestError, match=r"derives from nothing that is found by name.*Derive it from robo_rlhf\.sim"):
        contract_of("broken_tasks:NOTHING")
    with pytest.raises(UnknownNameError, match="Did you mean 'PressButton'"):
        contract_of("my_tasks:PressButtn")
    with pytest.raises(UnknownNameError, match="Did you mean 'pick_place'"):
        contract_of("pick_plaice")
