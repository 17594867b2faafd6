"""The devices of `robo-rlhf record`: their options as NAME=VALUE, and help for their keys and buttons."""

import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from teleop.input.button_maps import GAMEPAD, SPACEMOUSE, STICKS, explain
from teleop.input.key_bindings import KEYS, PAGE_ONLY, key_name

if TYPE_CHECKING:
    from teleop.devices import Device

WIDTH = 110  # [columns] of help
_KINDS = (bool, int, float, Path, str)  # of options that can be written on a command line


def device_options(device: "type[Device]", settings: Sequence[str]) -> dict[str, Any]:
    """Return the options of a device's constructor that NAME=VALUE settings give.

    Raises:
        InvalidValueError: a setting without "=", or a value of another kind.
        UnknownNameError: it has no such option; the message suggests the nearest.
    """
    known = option_kinds(device)
    found: dict[str, Any] = {}
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign:
            raise InvalidValueError("--set", repr(setting), "NAME=VALUE, such as speed=3")
        if name not in known:
            raise UnknownNameError(f"option of device {device.name}", name, known)
        try:
            found[name] = known[name](text)
        except ValueError:
            raise InvalidValueError(f"option {name}", repr(text), f"a {known[name].__name__}") from None
    return found


def option_kinds(device: "type[Device]") -> dict[str, type]:
    """Return the options that a device has on a command line, with the type of each."""
    hints = get_type_hints(device.__init__)
    options = [
        o for o in inspect.signature(device.__init__).parameters.values() if o.name not in ("self", "env", "home")
    ]
    kinds = {option.name: _kind(hints.get(option.name, type(option.default))) for option in options}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def key_lines() -> str:
    """Return what keys and buttons do, a paragraph a device, for `--help`."""
    keys = [
        (" or ".join(dict.fromkeys(map(key_name, binding.keys))), binding.label)
        for binding in KEYS
        if binding.act not in PAGE_ONLY
    ]
    tables = {"keyboard": keys, "gamepad": [*STICKS, *explain(GAMEPAD)], "spacemouse": explain(SPACEMOUSE)}
    explained = {
        name: "; ".join(f"{key}: {does[0].lower() + does[1:]}" for key, does in rows) for name, rows in tables.items()
    }
    return "\n".join(
        textwrap.fill(f"{name}: {text}.", WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10)
        for name, text in explained.items()
    )


def _kind(hint: Any) -> type | None:
    """Return the first plain type that an option takes; None where it takes objects only."""
    choices = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    return next((kind for kind in _KINDS if kind in choices), None)
