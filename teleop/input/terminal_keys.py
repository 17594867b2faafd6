"""A terminal's byte stream as key events, named as in `teleop.input.key_bindings`.

Two ways of saying the same are read: the old one, in which a terminal only repeats the character of a key that is held
(positions are then those of a US keyboard), and the kitty keyboard protocol, in which it also says when a key is
released, and where the key lies (https://sw.kovidgoyal.net/kitty/keyboard-protocol).
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

ESCAPE_WAIT = 0.05  # [s] after which an escape that nothing followed was the key itself
SHIFT, CONTROL = 1, 4  # bits of a modifier field, less one
RELEASES = 2  # bit of the protocol's flags: releases are reported

_CSI = re.compile(rb"\x1b\[([0-?]*)[ -/]*([@-~])")
_LONGEST = 64  # [bytes] of a sequence; more is no sequence
_SYMBOLS = {
    **dict.fromkeys(" ", "Space"),
    **dict.fromkeys("\r\n", "Enter"),
    **dict.fromkeys("\x7f\b", "Backspace"),
    **dict.fromkeys("=+", "Equal"),
    **dict.fromkeys("-_", "Minus"),
    **dict.fromkeys("/?", "Slash"),
    **dict.fromkeys(".>", "Period"),
    **dict.fromkeys(",<", "Comma"),
    **dict.fromkeys(";:", "Semicolon"),
    **dict.fromkeys("'\"", "Quote"),
    **dict.fromkeys("[{", "BracketLeft"),
    **dict.fromkeys("]}", "BracketRight"),
    **dict.fromkeys("\\|", "Backslash"),
    **dict.fromkeys("`~", "Backquote"),
    "\t": "Tab",
    "\x1b": "Escape",
    **{shifted: f"Digit{digit}" for digit, shifted in zip("1234567890", "!@#$%^&*()", strict=True)},
}
_SHIFTED = frozenset('+_?><:"{}|~!@#$%^&*()')
_ARROWS = {"A": "ArrowUp", "B": "ArrowDown", "C": "ArrowRight", "D": "ArrowLeft", "H": "Home", "F": "End", "E": "Begin"}
_FUNCTIONS = {**_ARROWS, "P": "F1", "Q": "F2", "R": "F3", "S": "F4"}
_TILDE = {2: "Insert", 3: "Delete", 5: "PageUp", 6: "PageDown", 1: "Home", 7: "Home", 4: "End", 8: "End", 11: "F1"}
_KEYPAD = {"M": "NumpadEnter"}  # where it does not say what a key types
_PRIVATE = {
    **{57399 + digit: f"Numpad{digit}" for digit in range(10)},
    **{57412: "NumpadSubtract", 57413: "NumpadAdd", 57414: "NumpadEnter"},
    **{57441: "ShiftLeft", 57447: "ShiftRight", 57442: "ControlLeft", 57448: "ControlRight"},
}
_KINDS: dict[str, Literal["press", "repeat", "release"]] = {"1": "press", "2": "repeat", "3": "release"}


class KeyEvent(NamedTuple):
    """A key that went down, is still down, or went up. Old terminals say "press" for all of these but the last."""

    code: str  # as KeyboardEvent.code; "" where the key has no name here
    kind: Literal["press", "repeat", "release"] = "press"
    shift: bool = False
    control: bool = False
    text: str = ""  # what it types


@dataclass(frozen=True)
class Focus:
    """The terminal gained or lost the focus: without it, releases are no longer reported."""

    gained: bool


@dataclass(frozen=True)
class Flags:
    """The active flags of the kitty keyboard protocol; only a terminal that knows the protocol answers."""

    releases: bool


@dataclass(frozen=True)
class TerminalReply:
    """The answer to `ASK`: the terminal is still there."""


ASK = b"\x1b[5n"
TerminalEvent = KeyEvent | Focus | Flags | TerminalReply


class KeyParser:
    """Turns bytes into events, also where a sequence comes in pieces."""

    def __init__(self) -> None:
        """Begin with no input."""
        self._left = b""
        self._since = 0.0  # [s] when `_left` came

    def feed(self, content: bytes, now: float) -> list[TerminalEvent]:
        """Return the events in `content`, which came at `now` [s]; call it also when nothing came."""
        if content:
            self._left, self._since = self._left + content, now
        events: list[TerminalEvent] = []
        while self._left:
            event, used = self._next(now)
            if not used:
                break
            self._left = self._left[used:]
            if event is not None:
                events.append(event)
        return events

    def _next(self, now: float) -> tuple[TerminalEvent | None, int]:
        """Return the first event of what is left, and how many bytes it took: 0 where more must come first."""
        data = self._left
        if data[:1] != b"\x1b":
            return _character(data)
        if data[:2] == b"\x1b[":
            found = _CSI.match(data)
            if found:
                return _sequence(found[1].decode(), found[2].decode()), found.end()
            if len(data) > _LONGEST:
                return None, 1
        elif data[:2] == b"\x1bO" and len(data) > 2:
            return KeyEvent({**_FUNCTIONS, **_KEYPAD}.get(chr(data[2]), "")), 3
        elif len(data) > 1 and data[:2] != b"\x1bO":
            return _character(data[:1])  # the key itself, and something else after it
        if now - self._since >= ESCAPE_WAIT:
            return _character(data[:1])
        return None, 0


def _character(data: bytes) -> tuple[KeyEvent | None, int]:
    """Return the key of the first character, and its length: 0 where some of its bytes are still to come."""
    first = data[0]
    length = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if len(data) < length:
        return None, 0
    text = data[:length].decode(errors="ignore")
    if not text:
        return None, length
    if first < 0x20 and text not in _SYMBOLS:
        return KeyEvent(_code(chr(first + 0x60)), control=True), length
    shift = text.isupper() or text in _SHIFTED
    return KeyEvent(_code(text), shift=shift, text=text if text.isprintable() else ""), length


def _code(character: str) -> str:
    """Return where a character lies on a US keyboard."""
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    if character.isascii() and character.isalpha():
        return f"Key{character.upper()}"
    return f"Digit{character}" if character.isascii() and character.isdigit() else ""


def _sequence(fields: str, final: str) -> TerminalEvent | None:
    """Return the event of a control sequence; None where it has no meaning here."""
    if final == "u" and fields.startswith("?"):
        return Flags(fields[1:].isdecimal() and bool(int(fields[1:]) & RELEASES))
    if final in "IO" and not fields:
        return Focus(final == "I")
    if final == "n":
        return TerminalReply()
    parts = [part.split(":") for part in fields.split(";")]
    modifiers, kind = _modifiers(parts[1] if len(parts) > 1 else [])
    numbers = [int(number) if number.isdecimal() else 0 for number in parts[0]]
    if final == "u":
        return _kitty_key(numbers, modifiers, kind)
    code = _TILDE.get(numbers[0], "") if final == "~" else _FUNCTIONS.get(final, "")
    return KeyEvent(code, kind, bool(modifiers & SHIFT), bool(modifiers & CONTROL)) if code else None


def _kitty_key(numbers: list[int], modifiers: int, kind: Literal["press", "repeat", "release"]) -> KeyEvent | None:
    """Return the key of `CSI key:shifted:base ; ... u`: its position is its character's on a US keyboard (base)."""
    key, shifted, base = [*numbers, 0, 0][:3]
    shift, control = bool(modifiers & SHIFT), bool(modifiers & CONTROL)
    if key in _PRIVATE:
        return KeyEvent(_PRIVATE[key], kind, shift, control)
    if not 0 < key < 0xE000:
        return None
    typed = chr(shifted or key) if shift else chr(key)
    text = typed if typed.isprintable() and not control and kind != "release" else ""
    return KeyEvent(_code(chr(base or key)), kind, shift, control, text)


def _modifiers(part: list[str]) -> tuple[int, Literal["press", "repeat", "release"]]:
    """Return the bits of the modifiers and the kind of event out of `modifiers:kind`."""
    bits = int(part[0]) - 1 if part and part[0].isdecimal() else 0
    return max(bits, 0), _KINDS.get(part[1] if len(part) > 1 else "1", "press")
