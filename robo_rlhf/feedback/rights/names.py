"""Replacing a person's name: where it is a value of its own, and within prose."""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

LABELS = frozenset(  # keys under which a value, or the keys of an object, are names of people
    ("people", "weights", "flips", "annotator", "annotators", "operator", "by", "who", "author", "person", "holder")
)
SHORTEST = 3  # characters of a name that is replaced within prose of unknown origin

Rename = Callable[[str], str]


def new_alias() -> str:
    """Return a name that stands for a person who was erased, and tells nothing of them."""
    return f"erased-{secrets.token_hex(4)}"


def in_prose(name: str, alias: str) -> Rename:
    """Return what replaces a name where it is a word, or several, of a text, in any case of its letters."""
    found = re.compile(rf"(?<![\w@+]){re.escape(name)}(?![\w@+])", re.IGNORECASE)
    return lambda text: found.sub(alias, text)


def in_json(value: Any, name: str, alias: str, *, label: bool = False) -> Any:
    """Return a JSON value without a name: under the keys that hold names, and in texts with spaces or colons."""
    prose = in_prose(name, alias)
    if isinstance(value, Mapping):
        return {
            (alias if label and key == name else key): in_json(part, name, alias, label=key in LABELS)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [in_json(part, name, alias, label=label) for part in value]
    if not isinstance(value, str):
        return value
    if label and value == name:
        return alias
    is_prose = len(name) >= SHORTEST and any(sign in value for sign in " :,")
    return prose(value) if is_prose else value


def learned_from(value: Any, name: str) -> bool:
    """Whether a result of training names a person among those whose answers it learned from."""
    if isinstance(value, Mapping):
        found = (name in part for key, part in value.items() if key in LABELS and isinstance(part, Mapping))
        return any(found) or any(learned_from(part, name) for part in value.values())
    return isinstance(value, list) and any(learned_from(part, name) for part in value)
