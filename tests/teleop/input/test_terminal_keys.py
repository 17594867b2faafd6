import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.input.key_bindings import KEYS
from teleop.input.terminal_keys import ESCAPE_WAIT, Flags, Focus, KeyEvent, KeyParser, TerminalEvent, TerminalReply


def feed(*parts: bytes, then: float = 1.0) -> list[TerminalEvent]:
    """Return what is heard when parts come one after another, and nothing for a while after that."""
    parser = KeyParser()
    heard = [event for part in parts for event in parser.feed(part, 0.0)]
    return heard + parser.feed(b"", then)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"w", "KeyW"), (b"W", "KeyW"), (b" ", "Space"), (b"\r", "Enter"), (b"\n", "Enter"), (b"\x7f", "Backspace"),
        (b"1", "Digit1"), (b"!", "Digit1"), (b"=", "Equal"), (b"+", "Equal"), (b"-", "Minus"), (b"/", "Slash"),
        (b"?", "Slash"), (b"\x1b", "Escape"), (b"\x1b[A", "ArrowUp"), (b"\x1bOB", "ArrowDown"),
        (b"\x1b[1;2C", "ArrowRight"), (b"\x1b[5~", "PageUp"), (b"\x1b[6~", "PageDown"), (b"\x1b[3~", "Delete"),
        (b"\x1bOP", "F1"), (b"\x1b[11~", "F1"), (b"\x1b[P", "F1"), (b"\x1b[119u", "KeyW"),
        (b"\x1b[57441;2u", "ShiftLeft"), (b"\x1bOM", "NumpadEnter"), (b"\x1b[57414u", "NumpadEnter"),
    ],
)  # fmt: skip
def test_keys_of_all_terminals(content: bytes, code: str) -> None:
    (event,) = feed(content)
    assert isinstance(event, KeyEvent)
    assert (event.code, event.kind) == (code, "press")
    assert feed(*(content[i : i + 1] for i in range(len(content)))) == [event]


def test_presses_repeats_and_releases_of_the_kitty_protocol() -> None:
    heard = feed(b"\x1b[119;1:1u\x1b[119;1:2u\x1b[119;1:3u\x1b[1;1:3D")
    assert [(e.code, e.kind) for e in heard if isinstance(e, KeyEvent)] == [
        ("KeyW", "press"), ("KeyW", "repeat"), ("KeyW", "release"), ("ArrowLeft", "release"),
    ]  # fmt: skip


def test_keys_lie_where_they_do_on_any_layout() -> None:
    (azerty,) = feed(b"\x1b[122::119;1:1u")  # types z, lies where W does on a US keyboard
    (cyrillic,) = feed(b"\x1b[1094:1062:119;2:1u")
    assert azerty == KeyEvent("KeyW", text="z")
    assert cyrillic == KeyEvent("KeyW", shift=True, text="Ц")


def test_modifiers_and_text() -> None:
    assert feed(b"\x03") == [KeyEvent("KeyC", control=True)]
    assert feed(b"\x1b[99;5u") == [KeyEvent("KeyC", control=True)]
    assert feed("é€".encode()) == [KeyEvent("", text="é"), KeyEvent("", text="€")]
    assert feed("€".encode()[:1], "€".encode()[1:]) == [KeyEvent("", text="€")]


def test_what_the_terminal_says_of_itself() -> None:
    assert feed(b"\x1b[?15u\x1b[?1u\x1b[0n\x1b[I\x1b[O\x1b[?62;c") == [
        Flags(True), Flags(False), TerminalReply(), Focus(True), Focus(False),
    ]  # fmt: skip


def test_an_escape_is_a_key_only_when_nothing_follows() -> None:
    parser = KeyParser()
    assert parser.feed(b"\x1b", 0.0) == []
    assert parser.feed(b"[A", ESCAPE_WAIT / 2) == [KeyEvent("ArrowUp")]
    assert parser.feed(b"\x1b", 1.0) == []
    assert [e.code for e in parser.feed(b"", 1.0 + ESCAPE_WAIT) if isinstance(e, KeyEvent)] == ["Escape"]
    assert [e.code for e in parser.feed(b"\x1bw", 2.0) if isinstance(e, KeyEvent)] == ["Escape", "KeyW"]


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_nothing_that_a_terminal_sends_breaks_it(parts: list[bytes]) -> None:
    feed(*parts)
    parser = KeyParser()
    for part in [*parts, b"x" * 70]:
        parser.feed(part, 0.0)
    parser.feed(b"", 1.0)
    parser.feed(b"\n", 2.0)
    parser.feed(b"", 3.0)
    assert parser.feed(b"w", 4.0) == [KeyEvent("KeyW", text="w")]


def test_every_key_of_the_table_can_be_typed() -> None:
    typed = {
        event.code
        for content in [*map(chr, range(32, 127)), "\r", "\x7f", "\x1b[5~", "\x1b[6~", "\x1b[3~", "\x1bOP",
                        "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1bOM", "\x1b[57441u", "\x1b[57447u"]
        for event in feed(content.encode()) if isinstance(event, KeyEvent)
    }  # fmt: skip
    assert {code for binding in KEYS for code in binding.keys} <= typed
