"""The key table, shared by the page, its help overlay, its on-screen pads, and the terminal.

Keys are named as `KeyboardEvent.code` names them, so that they lie where the hand expects them on any layout. The left
hand moves and turns (W A S D, R F, Q E), the thumb grips; what ends an episode lies under the right hand, away from it.
"""

from dataclasses import dataclass
from typing import Literal

Group = Literal["move", "turn", "hand", "episode", "view", "answer", "clips", "page"]


@dataclass(frozen=True)
class Binding:
    """What one key does."""

    name: str  # stable: what a rebinding is remembered under
    label: str
    group: Group
    keys: tuple[str, ...]  # as KeyboardEvent.code; the first one is printed on buttons
    axis: int | None = None  # part of the twist that it moves while it is held, in the view's frame
    sign: float = 0.0  # +1 or -1 along that axis
    act: str = ""  # the `Act` that it does, or a page's own: "gripper", "faster", "slower", "takeover", "help", ...
    held: bool = False  # whether it acts while it is held rather than once


KEYS: tuple[Binding, ...] = (
    Binding("ahead", "Away from you", "move", ("KeyW", "ArrowUp"), 0, 1.0, held=True),
    Binding("back", "Towards you", "move", ("KeyS", "ArrowDown"), 0, -1.0, held=True),
    Binding("left", "Left", "move", ("KeyA", "ArrowLeft"), 1, 1.0, held=True),
    Binding("right", "Right", "move", ("KeyD", "ArrowRight"), 1, -1.0, held=True),
    Binding("up", "Up", "move", ("KeyR", "PageUp"), 2, 1.0, held=True),
    Binding("down", "Down", "move", ("KeyF", "PageDown"), 2, -1.0, held=True),
    Binding("roll_left", "Roll left", "turn", ("KeyU",), 3, -1.0, held=True),
    Binding("roll_right", "Roll right", "turn", ("KeyI",), 3, 1.0, held=True),
    Binding("pitch_up", "Pitch up", "turn", ("KeyY",), 4, -1.0, held=True),
    Binding("pitch_down", "Pitch down", "turn", ("KeyH",), 4, 1.0, held=True),
    Binding("turn_left", "Turn left", "turn", ("KeyQ",), 5, 1.0, held=True),
    Binding("turn_right", "Turn right", "turn", ("KeyE",), 5, -1.0, held=True),
    Binding("gripper", "Gripper: open or close", "hand", ("Space",), act="gripper"),
    Binding("slow", "Move slowly while held", "hand", ("ShiftLeft", "ShiftRight"), act="slow", held=True),
    Binding("faster", "Faster", "hand", ("Equal",), act="faster"),
    Binding("slower", "Slower", "hand", ("Minus",), act="slower"),
    Binding("joints", "Next set of joints", "hand", ("KeyJ",), act="joints"),
    Binding("clutch", "Clutch: pointer moves without the robot", "hand", ("KeyC",), act="clutch", held=True),
    Binding("takeover", "Take over while held", "hand", ("KeyT",), act="takeover", held=True),
    Binding("start", "Start, or resume", "episode", ("Enter", "NumpadEnter"), act="start"),
    Binding("pause", "Pause", "episode", ("KeyP",), act="pause"),
    Binding("keep", "Keep", "episode", ("KeyK",), act="keep"),
    Binding("discard", "Discard", "episode", ("KeyX", "Delete"), act="discard"),
    Binding("undo", "Undo", "episode", ("KeyZ",), act="undo"),
    Binding("success", "Mark as success", "episode", ("Digit1",), act="success"),
    Binding("failure", "Mark as failure", "episode", ("Digit2",), act="failure"),
    Binding("unmark", "Let the task judge", "episode", ("Digit0",), act="unmark"),
    Binding("again", "Same seed again", "episode", ("Digit3",), act="again"),
    Binding("next", "Next seed", "episode", ("Digit4",), act="next"),
    Binding("rewind", "Back by a second", "episode", ("Backspace",), act="rewind"),
    Binding("note", "Note", "episode", ("KeyN",), act="note"),
    Binding("camera", "Next camera", "view", ("KeyV",), act="camera"),
    Binding("sound", "Sound on or off", "view", ("KeyM",), act="sound"),
    Binding("drawer", "Drawn here, or by the server", "view", ("KeyB",), act="drawer"),
    Binding("fullscreen", "Full screen", "view", ("KeyO",), act="fullscreen"),
    Binding("help", "All keys", "view", ("Slash", "F1"), act="help"),
)

PAGE_ONLY = frozenset({"clutch", "camera", "drawer", "fullscreen"})  # acts that a terminal does not have
_PRINTED = {
    "Equal": "=",
    "Minus": "-",
    "Slash": "?",
    "PageUp": "PgUp",
    "PageDown": "PgDn",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "ShiftLeft": "Shift",
    "ShiftRight": "Shift",
    "NumpadEnter": "Enter",
}


def key_name(code: str) -> str:
    """Return what is printed on a key, which is named as KeyboardEvent.code."""
    return _PRINTED.get(code, code.removeprefix("Key").removeprefix("Digit"))
