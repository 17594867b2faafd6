"""`robo-rlhf record` with a device that a person holds: the session of the operate page, shown in the terminal."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.sim.external.ids import naming

if TYPE_CHECKING:
    from teleop.devices import Handheld
    from teleop.input.terminal import Terminal
    from teleop.ipc.messages import Begin, Status
    from teleop.terminal_ui.console import Console
    from teleop.worlds.opening import World

POLL = 0.01  # [s] between questions to the device
DRAW = 0.1  # [s] between pictures of the terminal


def drive(
    env: "World", device: "type[Handheld]", options: dict[str, Any], begin: "Begin", enough: int | None
) -> "Status | None":
    """Drive a session until Ctrl-C, or until `enough` episodes are kept; return where it was last.

    Args:
        env: the task's world, for the device to know its actions.
        device: kind of device.
        options: of its constructor.
        begin: what the session is started for.
        enough: episodes to keep; without limit where None.

    Raises:
        MissingDependencyError: the device, or the terminal for it, is not there.
        RoboRlhfError: the session ended by itself; the message gives the reason and the outcome of the open episode.
    """
    from teleop.input.terminal import Terminal
    from teleop.ipc.session_process import SessionProcess
    from teleop.terminal_ui.console import Console

    with ExitStack() as stack:
        terminal = None
        if sys.stdout.isatty() or device.name == "keyboard":
            terminal = stack.enter_context(Terminal(screen=True))
        more = {"terminal": terminal} if device.name == "keyboard" else {}
        opened = stack.enter_context(device(env, **more, **options))
        process = SessionProcess()
        stack.callback(process.close)
        console = Console(process.send, opened, terminal=terminal, follow_camera="heading" not in options)
        process.begin(begin, console.receive)
        with _stopped_by_signals():
            _run(console, terminal, opened.name, begin.task, enough)
        status = console.state.status
        if console.state.ended is not None:
            raise SessionEndedError(console.state.ended)
    return status


class SessionEndedError(RoboRlhfError):
    """A session that ended by itself."""


def pictures(task: str) -> str:
    """Return where the robot can be seen: a terminal has no room for that."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
        return f"Pictures are in the browser form: robo-rlhf record {naming(task)}"
    return "Pictures are in the browser form: robo-rlhf serve (ssh -L 8600:localhost:8600)"


def _run(console: "Console", terminal: "Terminal | None", name: str, task: str, enough: int | None) -> None:
    """Ask the device and show what happens, until the session is over."""
    from teleop.input.button_maps import GAMEPAD, SPACEMOUSE
    from teleop.terminal_ui.view import draw

    buttons = {"gamepad": GAMEPAD, "spacemouse": SPACEMOUSE}.get(name, ())
    draw_at, printed = 0.0, 0
    try:
        while console.state.ended is None and (enough is None or _episodes_kept(console) < enough):
            console.tick()
            if terminal is not None and time.monotonic() >= draw_at:
                terminal.show(draw(console.state, terminal.size, buttons, pictures(task)))
                draw_at = time.monotonic() + DRAW
            elif terminal is None:
                printed = _print_notices(console, printed)
            time.sleep(POLL)
    except KeyboardInterrupt:
        pass


def _episodes_kept(console: "Console") -> int:
    return console.state.status.kept if console.state.status is not None else 0


def _print_notices(console: "Console", printed: int) -> int:
    """Print new messages, where there is no terminal to draw on; return how many there were in all."""
    new = console.notice_count - printed
    for notice in list(console.state.notices)[-new:] if new else ():
        print(notice.text, file=sys.stderr)
    return console.notice_count


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let signals that end a program end the session as Ctrl-C does: its episode is kept, the terminal is restored."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
