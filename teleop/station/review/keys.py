"""The keys of the review page; those that answer come from the kind of question."""

from teleop.input.key_bindings import Binding

KEYS: tuple[Binding, ...] = (
    Binding("undo", "Undo: back to the question before", "answer", ("KeyZ", "Backspace"), act="undo"),
    Binding("note", "Note", "answer", ("KeyN",), act="note"),
    Binding("done", "Done", "answer", ("Enter", "NumpadEnter"), act="done"),
    Binding("tie", "Tie with the one before", "answer", ("KeyT",), act="tie"),
    Binding("show", "Show how", "answer", ("KeyH",), act="show"),
    Binding("play", "Play or pause", "clips", ("Space",), act="play"),
    Binding("again", "From the start", "clips", ("Home", "KeyR"), act="again"),
    Binding("step_back", "One frame back", "clips", ("ArrowLeft",), act="step_back"),
    Binding("step_on", "One frame on", "clips", ("ArrowRight",), act="step_on"),
    Binding("slower", "Slower", "clips", ("Comma",), act="slower"),
    Binding("faster", "Faster", "clips", ("Period",), act="faster"),
    Binding("loop", "Loop on or off", "clips", ("KeyL",), act="loop"),
    Binding("camera", "Next camera", "clips", ("KeyV",), act="camera"),
    Binding("drawer", "Drawn here, or by the server", "clips", ("KeyB",), act="drawer"),
    Binding("guidelines", "Guidelines", "page", ("KeyG",), act="guidelines"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
