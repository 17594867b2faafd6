"""The keys of the page that watches a policy and presses + or -."""

from teleop.input.key_bindings import Binding

KEYS: tuple[Binding, ...] = (
    Binding("good", "Good now", "answer", ("Equal", "NumpadAdd", "ArrowUp", "KeyJ"), act="good"),
    Binding("bad", "Bad now", "answer", ("Minus", "NumpadSubtract", "ArrowDown", "KeyF"), act="bad"),
    Binding("undo", "Undo: take the last press back", "answer", ("KeyZ", "Backspace"), act="undo"),
    Binding("play", "Play or pause", "clips", ("Space",), act="play"),
    Binding("again", "From the start", "clips", ("Home", "KeyR"), act="again"),
    Binding("slower", "Slower", "clips", ("Comma",), act="slower"),
    Binding("faster", "Faster", "clips", ("Period",), act="faster"),
    Binding("camera", "Next camera", "view", ("KeyV",), act="camera"),
    Binding("keep", "Keep the episode", "episode", ("KeyK",), act="keep"),
    Binding("discard", "Discard the episode", "episode", ("KeyX",), act="discard"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
