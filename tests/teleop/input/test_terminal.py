import os
import termios
import time
from pathlib import Path

import pytest

from robo_rlhf.core.errors import MissingDependencyError
from teleop.input.terminal import Terminal
from teleop.input.terminal_keys import Flags, KeyEvent, TerminalReply
from tests.teleop.terminals import screen


def test_keys_are_felt_and_the_terminal_is_left_as_it_was() -> None:
    with screen() as person:
        file = os.open(person.path, os.O_RDWR | os.O_NOCTTY)
        before = termios.tcgetattr(file)
        with Terminal(person.path, screen=True) as terminal:
            assert terminal.read() == []
            person.serve(0.05)
            person.type("w", b"\x1b[A")
            assert terminal.read() == [
                Flags(releases=True),
                TerminalReply(),
                KeyEvent("KeyW", text="w"),
                KeyEvent("ArrowUp"),
            ]
            assert terminal.answers
            person.type("typed ahead")
        person.serve(0.05)
        assert termios.tcgetattr(file) == before
        assert person.written.startswith(b"\x1b[?1049h")
        assert person.written.endswith(b"\x1b[<u\x1b[?1004l\x1b[?7h\x1b[?25h\x1b[?1049l")
        os.set_blocking(file, False)
        with pytest.raises(BlockingIOError):  # what was typed ahead is not left to the shell
            os.read(file, 100)
        os.close(file)


def test_the_newest_picture_is_drawn() -> None:
    with screen() as person, Terminal(person.path, screen=True) as terminal:
        for number in range(50):
            terminal.show(f"line one\nnumber {number}")
        person.until(lambda: b"number 49\x1b[K\x1b[J" in person.written)
        assert person.written.count(b"number") < 50


def test_drawing_into_a_terminal_that_takes_nothing_never_waits() -> None:
    with screen() as person, Terminal(person.path) as terminal:
        began = time.monotonic()
        for _ in range(20):
            terminal.show("x" * 80 * 24)  # nobody reads: what the kernel holds is soon full
            terminal.read()
            time.sleep(0.005)
        assert time.monotonic() - began < 1.0


def test_control_c_interrupts_also_where_the_terminal_no_longer_does_it() -> None:
    with screen() as person, Terminal(person.path) as terminal:
        person.type(b"\x1b[99;5u")
        with pytest.raises(KeyboardInterrupt):
            terminal.read()


def test_a_terminal_that_was_closed_is_gone() -> None:
    with screen() as person, Terminal(person.path) as terminal:
        person.hang_up()
        terminal.read()
        assert terminal.gone


@pytest.mark.parametrize("path", ["nowhere", "/dev/null"])
def test_without_a_terminal_it_says_what_to_do(path: str, tmp_path: Path) -> None:
    message = r"A terminal .* is missing; driving with the keyboard needs it\. .*ssh -t.*--device browser"
    with pytest.raises(MissingDependencyError, match=message):
        Terminal(tmp_path / path).__enter__()
