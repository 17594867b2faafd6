"""The keys of every player of clips and episodes: they mean the same on all pages."""

from teleop.input.key_bindings import Binding

PLAYER: dict[str, Binding] = {
    binding.name: binding
    for binding in (
        Binding("play", "Play or pause", "clips", ("Space",), act="play"),
        Binding("again", "From the start", "clips", ("Home",), act="again"),
        Binding("step_back", "One frame back", "clips", ("ArrowLeft",), act="step_back"),
        Binding("step_on", "One frame on", "clips", ("ArrowRight",), act="step_on"),
        Binding("second_back", "One second back", "clips", ("Shift+ArrowLeft",), act="second_back"),
        Binding("second_on", "One second on", "clips", ("Shift+ArrowRight",), act="second_on"),
        Binding("first_frame", "First frame", "clips", ("Home",), act="first_frame"),
        Binding("last_frame", "Last frame", "clips", ("End",), act="last_frame"),
        Binding("slower", "Slower", "clips", ("Comma",), act="slower"),
        Binding("faster", "Faster", "clips", ("Period",), act="faster"),
        Binding("loop", "Loop on or off", "clips", ("KeyL",), act="loop"),
        Binding("camera", "Next camera", "clips", ("KeyV",), act="camera"),
        Binding("drawer", "Drawn here, or by the server", "clips", ("KeyB",), act="drawer"),
        Binding("insets", "The policy's view, beside the picture", "clips", ("KeyW",), act="insets"),
        Binding("before", "Episode before", "clips", ("PageUp", "ArrowUp"), act="before"),
        Binding("after", "Episode after", "clips", ("PageDown", "ArrowDown"), act="after"),
    )
}


def player_keys(*names: str) -> tuple[Binding, ...]:
    """Return some of them."""
    return tuple(PLAYER[name] for name in names)
