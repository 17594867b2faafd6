"""The keys of the page that asks a policy."""

from teleop.input.key_bindings import Binding

KEYS: tuple[Binding, ...] = (
    Binding("play", "Play or pause", "clips", ("Space",), act="play"),
    Binding("step_back", "One frame back", "clips", ("ArrowLeft",), act="step_back"),
    Binding("step_on", "One frame on", "clips", ("ArrowRight",), act="step_on"),
    Binding("second_back", "One second back", "clips", ("ArrowDown",), act="second_back"),
    Binding("second_on", "One second on", "clips", ("ArrowUp",), act="second_on"),
    Binding("imagine", "What-if rollouts", "answer", ("KeyI", "Enter"), act="imagine"),
    Binding("correct", "Correct from here", "answer", ("KeyC",), act="correct"),
    Binding("compare", "Ask for a comparison", "answer", ("KeyA",), act="compare"),
    Binding("before", "Episode before", "clips", ("BracketLeft", "PageUp"), act="before"),
    Binding("after", "Episode after", "clips", ("BracketRight", "PageDown"), act="after"),
    Binding("camera", "Next camera", "clips", ("KeyV",), act="camera"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
