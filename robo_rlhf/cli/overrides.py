"""NAME=VALUE on the command line, for any field of a tree of frozen dataclasses."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.legacy_names import setting_now
from robo_rlhf.core.seal import parse_json

T = TypeVar("T")


def override(config: T, settings: Sequence[str]) -> T:
    """Return `config` with fields replaced: "a.b=3" replaces field b of the dataclass in field a.

    Raises:
        InvalidValueError: a setting without "=", or a value of another type than the field's present one.
        UnknownNameError: no such field; the message suggests the nearest.
    """
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign:
            raise InvalidValueError("--set", repr(setting), "NAME=VALUE, such as finetune.iterations=90")
        if now := setting_now(name):
            raise InvalidValueError("--set", name, f"{now}, as it is called now")
        config = _replaced(config, name.split("."), text, name)
    return config


def _replaced(config: Any, path: list[str], text: str, whole: str) -> Any:
    names = [f.name for f in fields(config)] if is_dataclass(config) else []
    if path[0] not in names:
        raise UnknownNameError("setting", whole, names)
    present = getattr(config, path[0])
    if len(path) > 1:
        return replace(config, **{path[0]: _replaced(present, path[1:], text, whole)})
    return replace(config, **{path[0]: _value(text, present, whole, get_type_hints(type(config))[path[0]])})


def _value(text: str, present: Any, name: str, hint: Any) -> Any:
    if is_dataclass(present):
        inside = f"{name}.{fields(present)[0].name}"
        raise InvalidValueError(f"setting {name}", repr(text), f"one of the settings inside it, such as {inside}=...")
    if isinstance(present, str):
        return text
    try:
        value = parse_json(text)
    except ValueError:
        value = text
    optional = NoneType in get_args(hint)
    if optional and value is None:
        return None
    kind = next(k for k in get_args(hint) if k is not NoneType) if optional else type(present)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind or value != value:  # NaN is no setting
        expected = f"a {kind.__name__}, or null" if optional else f"a {kind.__name__} such as {present!r}"
        raise InvalidValueError(f"setting {name}", repr(text), expected)
    return value
