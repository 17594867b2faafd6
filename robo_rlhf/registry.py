"""Registry[T]: things found by name. Adding one thing means adding one file.

A package such as `robo_rlhf.sim.tasks` owns a registry; each of its modules registers what it defines;
`discover()` imports every module of the package once, on the first look-up.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from robo_rlhf.errors import UnknownNameError

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """A mapping from names to things, filled by decorators in the modules of one package."""

    def __init__(self, kind: str, package: str) -> None:
        """`kind` is the word used in errors ("task"); `package` is what `discover` imports."""
        self.kind, self.package = kind, package
        self._items: dict[str, T] = {}
        self._discovered = False

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
        """Import every module of the package, so that all of it is registered."""
        if self._discovered:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, prefix=f"{self.package}."):
            importlib.import_module(module.name)
        self._discovered = True

    def __getitem__(self, name: str) -> T:
        """Return what is registered under `name`.

        Raises:
            UnknownNameError: nothing is; the message suggests the nearest name.
        """
        self.discover()
        try:
            return self._items[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._items) from None

    def __contains__(self, name: object) -> bool:
        """Whether something is registered under `name`."""
        self.discover()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        self.discover()
        return iter(sorted(self._items))

    def __len__(self) -> int:
        """Return how many things are registered."""
        self.discover()
        return len(self._items)
