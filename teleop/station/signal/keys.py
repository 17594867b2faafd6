"""The keys of the page that watches a policy and presses + or -."""

from teleop.input.key_bindings import Binding
from teleop.input.player_keys import player_keys

KEYS: tuple[Binding, ...] = (
    Binding("good", "Good now", "answer", ("Equal", "NumpadAdd", "ArrowUp", "KeyJ"), act="good"),
    Binding("bad", "Bad now", "answer", ("Minus", "NumpadSubtract", "ArrowDown", "KeyF"), act="bad"),
    Binding("undo", "Undo: take the last press back", "answer", ("KeyZ", "Backspace"), act="undo"),
    *player_keys("play", "again", "slower", "faster", "camera", "drawer"),
    Binding("keep", "Keep the episode", "episode", ("KeyK",), act="keep"),
    Binding("discard", "Discard the episode", "episode", ("KeyX",), act="discard"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
