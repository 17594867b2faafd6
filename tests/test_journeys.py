"""The journeys of docs/architecture.md, walked: each function is there, and is called by one before it."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
STEP = re.compile(r"^\d+\. (⇣ )?`([\w.]+):([\w.]+)`", re.MULTILINE)
JOURNEYS = {title: STEP.findall(text) for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
JOURNEYS = {title: steps for title, steps in JOURNEYS.items() if steps}
MOST = {"A key press becomes a row of a journal": (14, 3), "An answer becomes a gradient": (12, 2)}  # modules, returns


def found(module: str, name: str) -> Any:
    thing: Any = importlib.import_module(module)
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("title", JOURNEYS)
def test_each_function_is_called_by_one_before_it(title: str) -> None:
    before = ""
    for waits, module, name in JOURNEYS[title]:
        source = inspect.getsource(found(module, name))
        called = name.removesuffix(".__init__").rpartition(".")[2]
        calls = re.search(rf"\b{called}\b(?=[(,)])|\.{called}\b", before)
        assert waits or calls or not before, (module, name)
        before += source


def test_there_are_five() -> None:
    assert len(JOURNEYS) == 5
    assert all(len(steps) >= 8 for steps in JOURNEYS.values())


@pytest.mark.parametrize("title", MOST)
def test_it_crosses_few_modules(title: str) -> None:
    """A return is a module that is entered again after it was left."""
    path = [module for _, module, _ in JOURNEYS[title]]
    visits = [module for i, module in enumerate(path) if i == 0 or module != path[i - 1]]
    modules, returns = MOST[title]
    assert len(set(visits)) <= modules
    assert len(visits) - len(set(visits)) <= returns
