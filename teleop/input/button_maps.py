"""The button tables of gamepad and SpaceMouse, shared by devices and help. Acts are those of `key_bindings`."""

from dataclasses import dataclass

from teleop.input.key_bindings import KEYS


@dataclass(frozen=True)
class Button:
    """What one button does."""

    code: int  # as the device reports it
    name: str  # as it is printed on the device
    act: str
    held: bool = False  # whether it acts while it is held rather than once


# Codes of Linux' input-event-codes.h. Drivers disagree which of the two upper face buttons is north: both do the same.
GAMEPAD: tuple[Button, ...] = (
    Button(0x130, "A (cross)", "gripper"),
    Button(0x131, "B (circle)", "failure"),
    Button(0x133, "X or Y", "success"),
    Button(0x134, "X or Y", "success"),
    Button(0x136, "left shoulder", "tilt", held=True),
    Button(0x137, "right shoulder", "takeover", held=True),
    Button(0x13B, "start", "start"),
    Button(0x13A, "select", "pause"),
    Button(0x223, "pad right", "keep"),
    Button(0x221, "pad down", "discard"),
    Button(0x220, "pad up", "undo"),
    Button(0x222, "pad left", "rewind"),
    Button(0x13E, "click right stick", "faster"),
    Button(0x13D, "click left stick", "slower"),
    Button(0x138, "left trigger", "slow", held=True),
)
STICKS: tuple[tuple[str, str], ...] = (
    ("left stick", "Away, towards you, left, right"),
    ("right stick", "Up, down, turn"),
)

# Bits of the button report. Small models have the first two.
SPACEMOUSE: tuple[Button, ...] = (
    Button(0, "left, or Menu", "gripper"),
    Button(1, "right, or Fit", "keep"),
    Button(22, "Esc", "discard"),
    Button(23, "Alt", "undo"),
    Button(24, "Shift", "slow", held=True),
    Button(25, "Ctrl", "takeover", held=True),
    Button(26, "rotation lock", "pause"),
    Button(12, "1", "start"),
    Button(13, "2", "success"),
    Button(14, "3", "failure"),
    Button(15, "4", "rewind"),
    Button(8, "roll", "faster"),
    Button(2, "T", "slower"),
)

_LABELS = {binding.act: binding.label for binding in KEYS if binding.act} | {"tilt": "Right stick: roll, pitch"}


def label(act: str) -> str:
    """Return the description of an act."""
    return _LABELS[act]


def explain(buttons: tuple[Button, ...]) -> list[tuple[str, str]]:
    """Return (name, what it does) for each button; those of one name once."""
    return list(dict.fromkeys((button.name, label(button.act)) for button in buttons))
