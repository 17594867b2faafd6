"""The keys of the review page; those that answer come from the kind of question."""

from teleop.input.key_bindings import Binding
from teleop.input.player_keys import player_keys

KEYS: tuple[Binding, ...] = (
    Binding("undo", "Undo: back to the question before", "answer", ("KeyZ", "Backspace"), act="undo"),
    Binding("note", "Note", "answer", ("KeyN",), act="note"),
    Binding("moment", "The moment that the reason means", "answer", ("KeyM",), act="moment"),
    Binding("object", "The object that the reason means: the next one", "answer", ("KeyA",), act="object"),
    Binding("done", "Done", "answer", ("Enter", "NumpadEnter"), act="done"),
    Binding("tie", "Tie with the one before", "answer", ("KeyT",), act="tie"),
    Binding("show", "Show how", "answer", ("KeyH",), act="show"),
    *player_keys(
        "play",
        "again",
        "step_back",
        "step_on",
        "second_back",
        "second_on",
        "slower",
        "faster",
        "loop",
        "camera",
        "drawer",
        "insets",
    ),
    Binding("pace", "Clips in step by time, by share, or each by itself", "clips", ("KeyY",), act="pace"),
    Binding("other", "Move the other clip, where each goes by itself", "clips", ("KeyJ",), act="other"),
    Binding("guidelines", "Guidelines", "page", ("KeyG",), act="guidelines"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
