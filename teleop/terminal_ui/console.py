"""The console: drive a session with a device of this machine, as a page does in the browser.

The session runs in a separate process (`teleop.ipc.session_process`); here the device is polled many times a second,
its commands are sent as inputs and requests, and the session's messages are kept for the view.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from robo_rlhf.core.types import Command
from teleop.devices import Handheld
from teleop.input.held_keys import HeldKeys
from teleop.input.key_bindings import KEYS, Binding
from teleop.input.operator_state import TAKEOVER
from teleop.input.terminal import LineEditor, Terminal
from teleop.ipc.messages import CommandName, Do, Input, Notice, Reply, Scene, Status, Tick
from teleop.ipc.session_process import Ended, SessionMessage
from teleop.session.shared_control import SILENCE

RESEND_INTERVAL = 0.05  # [s] after which held keys are sent again
GRIP_WAIT = 0.3  # [s] that a session has to follow a gripper that was switched, before it is believed instead
REWIND = 1.0  # [s] that one press goes back
FRONT = "front"  # the camera from whose side the robot is looked at, where there is one of that name
FENCE = 1  # these controls have no other holder
OFFER = Binding("offer", "Go on from there", "episode", ("Tab",), act="offer")
_COMMANDS = frozenset(get_args(CommandName))


@dataclass
class ConsoleState:
    """The visible state of a session."""

    scene: Scene | None = None
    status: Status | None = None
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=3))  # the newest last
    offer: tuple[str, str, int] | None = None  # an episode that was cut short: dataset, episode, frame
    reaction: float | None = None  # [ms] from the last input until the world showed it
    lost: bool = False  # the device does not speak
    keys: bool = True  # whether all keys are shown
    muted: bool = False
    note: str | None = None  # what is being written
    level: int = 0  # of speed
    releases: bool | None = None  # whether the terminal tells when a key is released; None without a terminal
    ended: str | None = None  # why the session is over


class Console:
    """A connection of one device and one session. `receive` may be called by any thread, the rest by one."""

    def __init__(
        self,
        send: Callable[[Input | Do], object],
        device: Handheld,
        *,
        terminal: Terminal | None = None,
        follow_camera: bool = True,
    ) -> None:
        """Connect a device with a session.

        Args:
            send: takes what the operator wants.
            device: opened already.
            terminal: whose keys do what is done once, also beside a device that is no keyboard.
            follow_camera: whether ahead is the viewing direction of the scene's front camera.
        """
        self.state = ConsoleState(level=device.operator_state.level)
        self._send, self._device, self._terminal, self._follow = send, device, terminal, follow_camera
        own = getattr(device, "keys", None)
        self._drives = own is not None  # the keyboard's own reading does what is done once
        self._keys: HeldKeys = own or HeldKeys(KEYS)
        self._keys.add(OFFER)
        self._sequence, self._ids = itertools.count(1), itertools.count(1)
        self._sent: tuple[object, ...] = ()
        self._sent_at = self._switched_at = float("-inf")  # [s]
        self._shown_sequence = 0
        self.notice_count = 0  # notices
        self._lock = threading.Lock()

    def receive(self, message: SessionMessage) -> None:
        """Receive a message of the session."""
        with self._lock:
            if isinstance(message, Tick):
                self.state.status = message.status
                if message.sequence > self._shown_sequence:
                    self._shown_sequence = message.sequence
                    self.state.reaction = 1e3 * time.monotonic() - message.at
            elif isinstance(message, Scene):
                self.state.scene = message
                self._device.operator_state.drive([one.source for one in message.controls])
                if self._follow and message.cameras:
                    front = next((c for c in message.cameras if c.name == FRONT), message.cameras[0])
                    self._device.operator_state.set_heading(front.azimuth)
            elif isinstance(message, Notice):
                self._add_notice(message)
            elif isinstance(message, Reply):
                if message.text:
                    self._add_notice(Notice(message.text, "plain" if message.ok else "bad"))
            elif isinstance(message, Ended):
                self.state.ended = message.text

    def tick(self) -> None:
        """Poll the device and send its command; call it some hundred times a second."""
        now = time.monotonic()
        self._follow_gripper(now)
        before = self._device.operator_state.gripper
        command = self._device.read()
        if command.gripper != before:
            self._switched_at = now
        for act in sorted(command.buttons - {TAKEOVER}):
            self.command(act)
        if self._terminal is not None and not self._drives:
            for act in self._keys.feed(self._terminal.read(), now):
                self.command(act) if act in _OWN or act in _COMMANDS else self._device.operator_state.press(act)
        self._write_note()
        self._send_input(command, now)
        self.state.level = self._device.operator_state.level
        self.state.lost = command.age > SILENCE or (self._terminal is not None and self._terminal.gone)
        if self._terminal is not None:
            self.state.releases = self._keys.releases

    def command(self, act: str) -> None:
        """Carry out the act of a button or key, here or in the session."""
        if act in _OWN:
            _OWN[act](self)
        elif act in _COMMANDS:
            self.do(act, REWIND if act == "rewind" else None)

    def do(self, act: Any, value: Any = None) -> None:
        """Ask the session for something; its answer is noted down."""
        self._send(Do("do", FENCE, next(self._ids), act, value))

    def take_offer(self) -> None:
        """Resume an episode that was cut short."""
        if self.state.offer is not None:
            self.do("open", [*self.state.offer, "continue"])
            self.state.offer = None

    def begin_note(self) -> None:
        """Let a note be written; the robot rests meanwhile."""
        if self._terminal is not None:
            self._keys.let_go()
            self._terminal.line = LineEditor()

    def _write_note(self) -> None:
        line = self._terminal.line if self._terminal is not None else None
        self.state.note = line.text if line is not None else None
        if line is not None and line.over and self._terminal is not None:
            self._terminal.line = self.state.note = None
            if line.over == "done":
                self.do("note", line.text)

    def _follow_gripper(self, now: float) -> None:
        """Set the operator state's gripper to the session's, so that a press switches the actual one.

        While it runs only a clear difference is adopted: a policy moves it a little all the time, and what is
        sent late about it must not look like a command.
        """
        status, hand = self.state.status, self._device.operator_state
        if status is None or now - self._switched_at < GRIP_WAIT:
            return
        if status.phase != "running" or abs(status.gripper - hand.gripper) > 0.5:
            hand.gripper = status.gripper

    def _send_input(self, command: Command, now: float) -> None:
        """Send an input where there is something new, and again while something is held.

        An old command is not sent: the session hears nothing then, and the robot holds.
        """
        if command.age > SILENCE:
            return
        idle = not command.active
        twist = tuple(float(part) for part in command.twist)
        given = () if command.joints is None else command.joints.tolist()
        joints = tuple(None if np.isnan(one) else one for one in given) or None
        wanted = (twist, command.gripper, TAKEOVER in command.buttons, idle, joints, command.bank)
        if wanted == self._sent and (idle or now - self._sent_at < RESEND_INTERVAL):
            return
        self._sent, self._sent_at = wanted, now
        at = 1e3 * (now - command.age)
        self._send(Input("input", FENCE, next(self._sequence), twist, wanted[1], at, *wanted[2:]))  # type: ignore[arg-type]

    def _add_notice(self, notice: Notice) -> None:
        self.state.notices.append(notice)
        self.notice_count += 1
        self.state.offer = notice.offer or self.state.offer
        if notice.sound and not self.state.muted and self._terminal is not None:
            self._terminal.ring()

    def _toggle_keys(self) -> None:
        self.state.keys = not self.state.keys

    def _toggle_sound(self) -> None:
        self.state.muted = not self.state.muted


_OWN: dict[str, Callable[[Console], None]] = {
    "note": Console.begin_note,
    "offer": Console.take_offer,
    "help": Console._toggle_keys,
    "sound": Console._toggle_sound,
}
