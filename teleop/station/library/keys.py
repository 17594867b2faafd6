"""The keys of the library: of its grid, and of the player."""

from teleop.input.key_bindings import Binding
from teleop.input.player_keys import player_keys

KEYS: tuple[Binding, ...] = (
    Binding("card_left", "Episode to the left", "page", ("ArrowLeft",), act="left"),
    Binding("card_right", "Episode to the right", "page", ("ArrowRight",), act="right"),
    Binding("card_up", "Episode above", "page", ("ArrowUp",), act="up"),
    Binding("card_down", "Episode below", "page", ("ArrowDown",), act="down"),
    Binding("card_open", "Open the episode", "page", ("Enter",), act="open"),
    Binding("card_preview", "Play it where it is", "page", ("Space",), act="preview"),
    Binding("card_select", "Select, or no longer", "page", ("KeyS",), act="select"),
    Binding("select_all", "Select all on this page", "page", ("KeyA",), act="select_all"),
    Binding("compare", "Compare the selected episodes", "page", ("KeyM",), act="compare"),
    Binding("export", "Export the selected episodes", "page", ("KeyE",), act="export"),
    Binding("page_before", "Page before", "page", ("PageUp",), act="page_before"),
    Binding("page_after", "Page after", "page", ("PageDown",), act="page_after"),
    Binding("search", "Search", "page", ("KeyF",), act="search"),
    *player_keys("play", "step_back", "step_on", "second_back", "second_on", "first_frame", "last_frame"),
    *player_keys("slower", "faster", "camera", "drawer", "insets", "before", "after"),
    Binding("trim_start", "Keep from this frame on", "clips", ("BracketLeft",), act="trim_start"),
    Binding("trim_stop", "Keep up to this frame", "clips", ("BracketRight",), act="trim_stop"),
    Binding("continue", "Continue from here", "episode", ("KeyC",), act="continue"),
    Binding("takeover", "Take over from here", "episode", ("KeyT",), act="takeover"),
    Binding("ask", "Ask a policy here", "episode", ("KeyQ",), act="ask"),
    Binding("success", "It is a success", "episode", ("Digit1",), act="success"),
    Binding("failure", "It is a failure", "episode", ("Digit2",), act="failure"),
    Binding("aborted", "It was aborted", "episode", ("Digit3",), act="aborted"),
    Binding("tag", "Add a tag", "episode", ("KeyG",), act="tag"),
    Binding("note", "Note", "episode", ("KeyN",), act="note"),
    Binding("delete", "Delete", "episode", ("Delete",), act="delete"),
    Binding("undo", "Undo", "episode", ("KeyZ",), act="undo"),
    Binding("close", "Back to the grid, or select nothing", "page", ("Escape",), act="close"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
