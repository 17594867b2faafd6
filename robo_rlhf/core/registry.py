"""Registry[T]: objects found by name. Adding one means adding one file.

A package such as `robo_rlhf.sim.tasks` owns a registry. Each of its modules registers what it defines in a line that
begins with `@TASKS.register("reach")` or `KINDS.register("rating")(...)`. Names are read from these lines; a module
is imported when something in it is looked up, so that only what is used is imported.

A registry that says what its things derive from also finds guests: "my_tasks:PressButton" is the thing of that name in
a user's own module, and an installed package adds names by entry points in the group of the registry, such as
`robo_rlhf.tasks`. See `robo_rlhf.core.guests` for which modules may be imported. The name by which a guest is looked up
becomes its own: what is recorded under it is found again under it.
"""

import importlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from robo_rlhf.core import guests
from robo_rlhf.core.errors import FileWarning, GuestError, NotAllowedError, UnknownNameError

T = TypeVar("T")
_LINE = re.compile(r'^@?[A-Z]+\.register\("([^"]+)"\)', re.MULTILINE)
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)  # hashed as an object: a registry has no hash
class Choices:
    """As metadata of an option's type: it takes names of a registry, which `--help` lists."""

    registry: "Registry[Any]"
    name: str = ""  # of the setting, where the option is one for several

    def check(self, what: str, given: object) -> None:
        """Refuse an unknown name.

        Raises:
            UnknownNameError: it is one; the message suggests the nearest.
        """
        self.registry.check(str(given))

    def text(self, option: str) -> str:
        """Return in a line what can be chosen for `option`."""
        more = ", or MODULE:THING of your own" if self.registry.base else ""
        return f"{self.name or option}: one of {', '.join(self.registry)}{more}"


class Registry(Mapping[str, T]):
    """A mapping from names to objects, filled by decorators in the modules of one package."""

    def __init__(
        self, kind: str, package: str, *, base: str = "", called: str = "name", instances: bool = False
    ) -> None:
        """Find what the modules of a package register.

        Args:
            kind: the word used in errors ("task").
            package: holds the modules that register.
            base: the class that a guest derives from, as "module:Class"; empty where there are no guests.
            called: the attribute that holds a thing's name.
            instances: whether things are objects rather than classes; a guest may then be a class without arguments.
        """
        self.kind, self.package = kind, package
        self._base, self._called, self._instances = base, called, instances
        self._items: dict[str, T] = {}
        self._words: dict[str, object] = {}  # what guests called themselves

    @property
    def group(self) -> str:
        """The group of entry points that add to it is `robo_rlhf.` and this."""
        return self.package.rpartition(".")[2]

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

    @cached_property
    def _installed(self) -> dict[str, str]:
        """What the entry points of installed packages add: name → "module:Thing"; a name that is taken is left out."""
        found = {}
        for name, point in guests.installed(self.group).items() if self._base else ():
            if name in self._modules or not _WORD.fullmatch(name):
                why = "is taken" if name in self._modules else "is no word of lower-case letters, digits and _"
                warnings.warn(
                    FileWarning(f"the {self.kind} {point.value} is left out: its name {name!r} {why}"), stacklevel=2
                )
            else:
                found[name] = point.value
        return found

    def __getitem__(self, name: str) -> T:
        """Return what is registered under `name`, and import what registers it first.

        Raises:
            UnknownNameError: nothing is; the message suggests the nearest name.
            NotAllowedError: it is code of a module that nothing allows.
            GuestError: it is a guest that cannot be imported, or is nothing of this kind.
        """
        if name not in self._items and name in self._modules:
            importlib.import_module(self._modules[name])
        elif name not in self._items and (reference := self._guest(name)):
            self._items[name] = self._take_in(name, reference)
        try:
            return self._items[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self) from None

    def derives(self, thing: object) -> bool:
        """Whether a guest, a class or an object, derives from the base class of this registry's things."""
        kind = thing if inspect.isclass(thing) else type(thing)
        return bool(self._base) and issubclass(kind, _load_base(self._base))

    @property
    def base(self) -> str:
        """The class that things derive from, as "module:Class"."""
        return self._base

    def check(self, name: str) -> None:
        """Refuse a name that is not registered, without importing anything.

        Raises:
            UnknownNameError: it is such; the message suggests the nearest name.
            NotAllowedError: it is code of a module that nothing allows.
        """
        if name in self:
            return
        parts = guests.split(name) if self._base else None
        if parts:
            raise NotAllowedError(self.kind, name, parts[0])
        raise UnknownNameError(self.kind, name, self)

    def __contains__(self, name: object) -> bool:
        """Whether something is registered under `name`, or may be looked for under it; imports nothing."""
        if name in self._items or name in self._modules:
            return True
        reference = guests.split(self._guest(name))
        return reference is not None and guests.is_allowed(reference[0])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted, guests by entry point or already in use among them; imports nothing."""
        return iter(sorted({*self._items, *self._modules, *self._installed}))

    def __len__(self) -> int:
        """Return how many things are registered; imports nothing."""
        return len({*self._items, *self._modules, *self._installed})

    def _guest(self, name: object) -> str:
        """Return "module:Thing" for the name of a guest; empty for any other name."""
        if not self._base or not isinstance(name, str):
            return ""
        return name if guests.split(name) else self._installed.get(name, "")

    def _take_in(self, name: str, reference: str) -> T:
        """Import a guest, check that it is of this kind and has a name of its own, and give it `name`.

        Raises:
            GuestError: it is not, or has not, or another thing has that name.
        """
        found = guests.load(reference, self.kind)
        what, where = f"{self.kind} {reference}", guests.place(found)
        base = _load_base(self._base)
        thing: Any = _made(found, what, where) if self._instances and inspect.isclass(found) else found
        missing = _lacks(thing if self._instances else thing if inspect.isclass(thing) else None, base)
        if missing:
            raise GuestError(what, f"{reference} is no {self.kind}: {missing} ({where})")
        if any(thing is known for known in self._items.values()):
            return cast(T, thing)  # under another name
        word = getattr(thing, self._called, None)
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            given = "it has none" if word is None else f"it is {word!r}"
            expected = f'set {self._called} = "..." to a word of lower-case letters, digits and _'
            raise GuestError(what, f"its name is missing: {given} ({where})", f"In the class, {expected}.")
        taken = word in self._modules or self._installed.get(word, reference) != reference
        other = self[word] if taken else self._words.get(word, thing)
        if other is not thing:
            why = f"the name {word!r} is taken twice, here ({where}) and at {guests.place(other)}"
            raise GuestError(what, why, f"Choose another {self._called}.")
        self._words[word] = thing
        setattr(thing, self._called, name)
        return cast("T", thing)  # checked above


def _load_base(base: str) -> type[Any]:
    module, _, name = base.partition(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _made(thing: type[Any], what: str, where: str) -> object:
    try:
        made: object = thing()
    except Exception as error:  # a guest may raise anything
        why = f"it cannot be made without arguments: {type(error).__name__}: {error} ({where})"
        raise GuestError(what, why) from error
    return made


def _lacks(thing: object, base: type[Any]) -> str:
    """Return in words what a thing lacks to be of a base class; empty where it lacks nothing."""
    if thing is None:
        return f"it is no class that derives from {base.__module__}.{base.__name__}"
    if not (issubclass(thing, base) if inspect.isclass(thing) else isinstance(thing, base)):
        return f"it does not derive from {base.__module__}.{base.__name__}"
    missing = sorted(getattr(thing, "__abstractmethods__", ()))
    return f"it lacks {', '.join(missing)}" if missing else ""


def known(registry: "Registry[Any]", name: str) -> None:
    """Refuse a name that is not registered; a thing of the user's own is imported, so that its faults come first.

    Raises:
        UnknownNameError: it is not registered; the message suggests the nearest name.
        GuestError, MissingDependencyError: it cannot be imported, or is nothing of this kind.
    """
    registry.check(name)
    if guests.split(name):
        registry[name]
