"""The terminal: non-blocking keyboard input and text output, on any machine and over ssh.

Reading never blocks. Writing is done by a thread, of which only the newest picture counts: a slow link delays what is
seen, never the robot. Leaving the `with` block puts the terminal back as it was.
"""

import os
import select
import signal
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from robo_rlhf.core.errors import MissingDependencyError
from teleop.input.terminal_keys import ASK, KeyEvent, KeyParser, TerminalEvent, TerminalReply

TERMINAL = Path("/dev/tty")  # the one that this program was started in
ASK_EVERY = 0.05  # [s] between questions whether the terminal is still there, while keys are held
LONGEST_LINE = 1000  # characters
PATIENCE = 1.0  # [s] for the last of what is written
# Kitty protocol: tell keys apart (1), releases (2), where keys lie (4), plain keys too (8). Then ask what was granted.
_KEYS_ON, _KEYS_OFF = b"\x1b[>15u\x1b[?u", b"\x1b[<u"
_FOCUS_ON, _FOCUS_OFF = b"\x1b[?1004h", b"\x1b[?1004l"
_SCREEN_ON, _SCREEN_OFF = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class LineEditor:
    """A line of text that the user types."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.text = ""
        self.over: Literal["", "done", "dropped"] = ""

    def feed(self, event: KeyEvent) -> None:
        """Take a key: Enter ends the line, Escape drops it."""
        if event.kind == "release" or self.over:
            return
        if event.code in ("Enter", "NumpadEnter"):
            self.over = "done"
        elif event.code == "Escape":
            self.over = "dropped"
        elif event.code == "Backspace":
            self.text = self.text[:-1]
        elif event.text:
            self.text = (self.text + event.text)[:LONGEST_LINE]


class Terminal:
    """A terminal in raw mode, which reports keys instead of lines; a context manager."""

    def __init__(self, path: Path = TERMINAL, *, screen: bool = False) -> None:
        """Use the terminal at `path`; with `screen`, `show` draws on all of it until the end."""
        self.path, self._screen = path, screen
        self.answers = False  # whether it has ever answered that
        self.last_input_at = 0.0  # [s] monotonic, when something last came from it
        self.gone = False  # whether it was closed
        self.line: LineEditor | None = None  # where what is typed goes, while something is written
        self._parser = KeyParser()
        self._file = -1
        self._before: list[Any] = []  # its settings
        self._poll = select.poll()
        self._text: str | None = None  # to be shown
        self._asking = self._bell = False
        self._work = threading.Condition()
        self._stop = False
        self._writer = threading.Thread(target=self._write_loop, name="terminal", daemon=True)

    def __enter__(self) -> Self:
        """Take over the terminal.

        Raises:
            MissingDependencyError: this program has none.
        """
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
            self._before = termios.tcgetattr(self._file)
        except (OSError, termios.error) as error:
            self._close_file()
            advice = "Start the program in one (over ssh: `ssh -t`), or drive in the browser: --device browser."
            raise MissingDependencyError(f"A terminal ({self.path})", "driving with the keyboard", advice) from error
        self._poll.register(self._file, select.POLLIN)
        termios.tcsetattr(self._file, termios.TCSANOW, _raw(self._before))
        self._write((_SCREEN_ON if self._screen else b"") + _FOCUS_ON + _KEYS_ON + ASK)
        self.last_input_at = time.monotonic()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the terminal back as it was; unread input is dropped."""
        with self._work:
            self._stop = True
            self._work.notify()
        self._writer.join(PATIENCE)
        with suppress(OSError, termios.error):
            if not self._writer.is_alive():  # else the terminal takes nothing any more
                self._write(_KEYS_OFF + _FOCUS_OFF + (_SCREEN_OFF if self._screen else b""))
            termios.tcflush(self._file, termios.TCIFLUSH)
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)  # not TCSAFLUSH, which waits for the output
        self._close_file()

    def read(self) -> list[TerminalEvent]:
        """Return the events since the last call, at once; Ctrl-C interrupts the program as it does everywhere.

        While there is a `line`, keys go there instead.
        """
        now = time.monotonic()
        content = self._take()
        if content:
            self.last_input_at = now
        events = self._parser.feed(content, now)
        for event in events:
            if isinstance(event, KeyEvent) and event.control and event.code == "KeyC" and event.kind == "press":
                signal.raise_signal(signal.SIGINT)  # where the terminal itself no longer does it
        self.answers = self.answers or any(isinstance(event, TerminalReply) for event in events)
        if self.line is None:
            return events
        for event in events:
            if isinstance(event, KeyEvent):
                self.line.feed(event)
        return [event for event in events if not isinstance(event, KeyEvent)]

    def ring(self) -> None:
        """Sound the bell, with the next picture."""
        with self._work:
            self._bell = True
            self._work.notify()

    def ask(self, again_and_again: bool) -> None:
        """Start or stop to probe whether it is still connected; `last_input_at` is the time of its last answer."""
        if again_and_again != self._asking:
            with self._work:
                self._asking = again_and_again
                self._work.notify()

    def show(self, text: str) -> None:
        """Draw lines of text over the whole screen, asynchronously; an undrawn older picture is dropped."""
        with self._work:
            self._text = text
            self._work.notify()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self._file)
        except OSError:
            return 80, 24
        return columns or 80, lines or 24

    def _write_loop(self) -> None:
        while True:
            with self._work:
                if not (self._stop or self._bell or self._text is not None):
                    self._work.wait(ASK_EVERY if self._asking else None)
                text, self._text, rings, self._bell = self._text, None, self._bell, False
                if self._stop and text is None:
                    return
            content = (ASK if self._asking else b"") + (b"\a" if rings else b"")
            if text is not None:
                lines = text.splitlines()[: self.size[1]]
                body = f"{_CLEAR_LINE}\r\n".join(lines)
                content += f"{_HOME}{body}{_CLEAR_LINE}{_CLEAR_BELOW}".encode()
            with suppress(OSError):
                self._write(content)

    def _take(self) -> bytes:
        """Return the bytes that have come."""
        for _, what in self._poll.poll(0):
            if what & select.POLLHUP:
                self.gone = True
                return b""
            try:
                return os.read(self._file, 65536)
            except OSError:
                self.gone = True
        return b""

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._file, content) :]

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _raw(settings: list[Any]) -> list[Any]:
    """Return settings in which keys come at once and unseen, and reading returns at once with what there is.

    Ctrl-C still interrupts. Ctrl-Z does not stop the program: the shell would get a terminal that it cannot use.
    """
    raw = [*settings[:6], list(settings[6])]
    raw[0] &= ~(termios.IXON | termios.ICRNL | termios.INLCR)
    raw[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    raw[6][termios.VMIN], raw[6][termios.VTIME] = 0, 0
    raw[6][termios.VSUSP] = b"\x00"
    return raw
