"""Validation of the options of every command, before anything is loaded or made."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import tyro

from robo_rlhf.core.checks import Meant, check_number, check_seed, check_text, extras_of
from robo_rlhf.core.files import DATABASE_VARIABLE, HOME_VARIABLE
from robo_rlhf.core.registry import Choices

_POSITIONAL = (tyro.conf.Positional, *get_args(tyro.conf.Positional[int])[1:])

Kind = TypeVar("Kind")


MaybeSeed = Annotated[int | None, Meant(check_seed)]


def check_options(options: object, within: str = "") -> None:
    """Refuse invalid options of a command, including those of settings inside it.

    Text has to be text and numbers numbers; the check of the option's type in `robo_rlhf.core.checks` is made too. An
    optional one that was left out is fine.

    Raises:
        InvalidValueError: one of them, by its name on the command line.
        UnknownNameError: an unknown name; the message suggests the nearest.
    """
    hints = get_type_hints(type(options), include_extras=True)
    for field in fields(options):  # type: ignore[arg-type]  # a command is a dataclass
        value, hint = getattr(options, field.name), hints[field.name]
        extras = extras_of(hint)
        name = f"{within}{field.name}".replace("_", "-")
        name = name if any(extra in _POSITIONAL for extra in extras) else f"--{name}"
        if is_dataclass(value):
            check_options(value, _prefix(within, field.name, extras))
            continue
        left_out = value is None or (field.default is not MISSING and value == field.default == "")
        for meant in () if left_out else (extra for extra in extras if isinstance(extra, Meant)):
            for one in value if isinstance(value, tuple) else (value,):
                meant.check(name, one)
        _check_plain(name, value)


def own_options_first(kind: type[Kind]) -> type[Kind]:
    """Return a command whose help lists its own options before those that it shares with others; places stay."""
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]  # a command is a dataclass
    hints = get_type_hints(kind, include_extras=True)
    places = [name for name in known if any(extra in _POSITIONAL for extra in extras_of(hints[name]))]
    named = (name for part in kind.__mro__ for name in vars(part).get("__annotations__", ()) if name in known)
    order = dict.fromkeys([*places, *named])
    kind.__dataclass_fields__ = {name: known[name] for name in order}  # type: ignore[attr-defined]
    return kind


def check_environment() -> None:
    """Refuse environment variables that are not text.

    Raises:
        InvalidValueError: one of them.
    """
    for name in (HOME_VARIABLE, DATABASE_VARIABLE):
        check_text(f"${name}", os.environ.get(name, ""))


def _prefix(within: str, name: str, extras: tuple[Any, ...]) -> str:
    """Return the prefix of the names of settings inside an option: empty where the option has no name."""
    unnamed = any(getattr(extra, "name", None) == "" for extra in extras)
    return within if unnamed else f"{within}{name}."


def _check_plain(name: str, value: object) -> None:
    match value:
        case str() | Path():
            check_text(name, value)
        case bool():
            pass
        case int() | float():
            check_number(name, value)
        case Mapping():
            for key, inner in value.items():
                _check_plain(name, key)
                _check_plain(name, inner)
        case tuple() | list():
            for inner in value:
                _check_plain(name, inner)


def choices_of(kind: type[Any], within: str = "") -> list[str]:
    """Return a line for each option of a command, or setting inside one, that takes names of a registry."""
    found = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        extras = extras_of(hint)
        option = f"{within}{name}".replace("_", "-")
        found += [extra.text(f"--{option}") for extra in extras if isinstance(extra, Choices)]
        for extra in extras:
            inside = getattr(extra, "constructor_factory", None)
            if inside is not None and is_dataclass(inside()):
                found += choices_of(inside(), _prefix(within, name, extras))
    return found
