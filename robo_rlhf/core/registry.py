"""Registry[T]: objects found by name. Adding one means adding one file.

A package such as `robo_rlhf.sim.tasks` owns a registry. Each of its modules registers what it defines in a line that
begins with `@TASKS.register("reach")` or `KINDS.register("rating")(...)`. Names are read from these lines; a module
is imported when something in it is looked up, so that only what is used is imported.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from robo_rlhf.core.errors import UnknownNameError

T = TypeVar("T")
_LINE = re.compile(r'^@?[A-Z]+\.register\("([^"]+)"\)', re.MULTILINE)


class Registry(Mapping[str, T]):
    """A mapping from names to objects, filled by decorators in the modules of one package."""

    def __init__(self, kind: str, package: str) -> None:
        """`kind` is the word used in errors ("task"); `package` holds the modules that register."""
        self.kind, self.package = kind, package
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`.

        Raises:
            ValueError: `name` is taken by something else.
        """

        def add(item: T) -> T:
            if name in self._items and self._items[name] is not item:
                raise ValueError(f"{self.kind} {name!r} is registered twice: {self._items[name]!r} and {item!r}")
            self._items[name] = item
            return item

        return add

    def discover(self) -> None:
        """Import every module of the package that registers something."""
        for module in dict.fromkeys(self._modules.values()):
            importlib.import_module(module)

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module of each name that a file of the package registers."""
        folders = importlib.import_module(self.package).__path__
        files = sorted(file for folder in folders for file in Path(folder).glob("*.py") if file.stem != "__init__")
        return {name: f"{self.package}.{file.stem}" for file in files for name in _LINE.findall(file.read_text())}

    def __getitem__(self, name: str) -> T:
        """Return what is registered under `name`, and import what registers it first.

        Raises:
            UnknownNameError: nothing is; the message suggests the nearest name.
        """
        if name not in self._items and name in self._modules:
            importlib.import_module(self._modules[name])
        try:
            return self._items[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self) from None

    def check(self, name: str) -> None:
        """Refuse a name that is not registered, without importing anything.

        Raises:
            UnknownNameError: it is such; the message suggests the nearest name.
        """
        if name not in self:
            raise UnknownNameError(self.kind, name, self)

    def __contains__(self, name: object) -> bool:
        """Whether something is registered under `name`; imports nothing."""
        return name in self._items or name in self._modules

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted; imports nothing."""
        return iter(sorted({*self._items, *self._modules}))

    def __len__(self) -> int:
        """Return how many things are registered; imports nothing."""
        return len({*self._items, *self._modules})
