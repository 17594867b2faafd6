"""LiveSession: the interactive session, a loop of ticks around one world.

A tick waits for its deadline, answers requests, takes a step where the episode runs, and sends the state.
Work that waits for the disk runs in I/O threads.
"""

import queue
import threading
import time
from dataclasses import replace
from typing import Any

from robo_rlhf.core.errors import InvalidValueError
from teleop.devices import DEVICES
from teleop.input.action_mapping import check_joints
from teleop.ipc.messages import Begin, CommandName, Do, Input, Notice, Reply, Tick
from teleop.session.branch import find_resume_point
from teleop.session.commands import SessionRequest, handle
from teleop.session.pacing import SPIN, Pacer
from teleop.session.state_machine import Send, SessionMachine, open_dataset
from teleop.session.status import describe_status
from teleop.worlds.opening import open_driven

RATES = (10.0, 50.0)  # [Hz] that a session may be paced at
SLOW = 1.0  # [s] from which on a step is slow: what a person does is seen that much later
HEARTBEAT = 1.0  # [s] after which the state is sent again although nothing changed
BUTTONS: tuple[CommandName, ...] = (
    "start",
    "pause",
    "keep",
    "discard",
    "undo",
)  # that devices other than the page may have


class LiveSession:
    """An operator's session; `request`, `receive_input` and `stop` may be called from any thread, the rest from one."""

    def __init__(self, begin: Begin, say: Send, *, pace: bool = True) -> None:
        """Reset the world to the first seed, and send the scene through `say`, which any thread may call.

        Raises:
            RoboRlhfError: an unknown task or device, a dataset that cannot be opened, a rate out of range.
        """
        self.say = say
        env = open_driven(begin.task, begin.conditions)
        rate = begin.rate or min(max(1.0 / env.control_dt, RATES[0]), RATES[1])
        if not RATES[0] <= rate <= RATES[1]:
            raise InvalidValueError("control rate", f"{rate:g} Hz", f"{RATES[0]:g} to {RATES[1]:g} Hz")
        self.clock = Pacer(1.0 / rate, pace=pace)
        self._bell = threading.Event()  # something is to be done before the next tick
        dataset = open_dataset(begin.home, begin.dataset, begin.task, say)
        if DEVICES[begin.device].gives_joints:
            check_joints(begin.device, env.name, env.usual_controls)
        device = DEVICES[begin.device](env).__enter__()
        self.machine = SessionMachine(begin, env, dataset, device, self.clock.period, say, self._bell.set)
        self._stopping = threading.Event()
        self._mail: queue.SimpleQueue[SessionRequest] = queue.SimpleQueue()
        self._late = 0.0  # [s] of the last tick
        self._began = time.monotonic()
        self._noted_slow = False
        self._shown: tuple[object, ...] = ()
        self._shown_at = 0.0
        self._open_with(begin)

    def receive_input(self, message: Input) -> bool:
        """Take an input, from any thread; False where it is late, of an older lease, or ignored."""
        return self.machine.device.put(message)

    def request(self, do: Do) -> None:
        """Take a request, from any thread; a `Reply` follows."""
        self._mail.put(SessionRequest(do, self.say))
        self._bell.set()

    def stop(self) -> None:
        """Let `run` end, from any thread or signal handler."""
        self._stopping.set()
        self._bell.set()

    def run(self) -> None:
        """Tick until `stop`, then close the session."""
        try:
            while not self._stopping.is_set():
                if self._bell.wait(max(self.clock.left() - SPIN, 0.0)):
                    self._bell.clear()
                    self.deliver()
                    self.show()
                else:
                    self.tick()
        finally:
            self.close()

    def tick(self) -> None:
        """Wait for the next deadline, carry out the requests, and take a step where the episode runs."""
        self._late = self.clock.wait()
        self.deliver()
        operator_input = self.machine.driver.read()
        for act in BUTTONS:
            if act in operator_input.buttons:
                self._request(act)
        began = time.monotonic()
        self.machine.tick(operator_input)
        self._note_slow(time.monotonic() - began)
        self.show()

    def _note_slow(self, took: float) -> None:
        """Send a notice, once, that steps are slow."""
        if took >= SLOW and not self._noted_slow:
            self._noted_slow = True
            env = self.machine.world.env
            slowly = f"A step of {env.name} took {took:.1f} s, in place of {self.clock.period:g} s."
            self.machine.notice(f"{slowly} It goes on that slowly, and what you do is seen that late.", "bad")

    def deliver(self) -> None:
        """Carry out the requests, and apply the finished jobs of the I/O threads."""
        self.machine.deliver()
        while not self.machine.busy and not self._mail.empty():
            asked = self._mail.get()
            if asked.do.fence < self._fence():
                asked.refuse("You do not hold the controls any more; nothing was done.")
            else:
                handle(self.machine, asked)

    def close(self) -> None:
        """Close the open episode, which was interrupted, and wait until the disk holds everything."""
        self._stopping.set()
        self.machine.close()
        self.machine.device.__exit__(None, None, None)

    def show(self) -> None:
        """Send the state, where it changed or was not sent for a while."""
        status = describe_status(self.machine, 1e3 * self._late, (time.monotonic() - self._began) / 60)
        state = self.machine.world.seen
        changing = (replace(status, late=0.0, minutes=0.0), state.tobytes())
        due = time.monotonic() - self._shown_at >= HEARTBEAT
        if changing != self._shown or due:
            self._shown, self._shown_at = changing, time.monotonic()
            world, device = self.machine.world, self.machine.device
            scene, movers = world.env.scene_of(world.seed), world.env.movers
            poses = movers.poses(state[None], landing=True)[0] if movers is not None else None
            self.say(Tick(status, state, device.sequence, device.at, scene, world.env.picture, poses))

    def _open_with(self, begin: Begin) -> None:
        """Load the first world, send the scene, and do what the session is started with."""
        earlier = find_resume_point(self.machine.world.dataset, begin.task, begin.operator)
        self.machine.reset_to(earlier.next_seed if begin.seed is None else begin.seed)
        self.machine.send_scene()
        self.show()
        if begin.open is not None:
            self._request("open", list(begin.open))
        if begin.policy:
            self._request("policy", begin.policy)
        if earlier.offer and begin.open is None:
            name = self.machine.world.dataset.path.relative_to(begin.home).as_posix()
            text = f"Your last episode was cut short after {earlier.seconds:.1f} s. You can resume from there."
            self.say(Notice(text, offer=(name, earlier.offer, earlier.frame)))

    def _request(self, act: CommandName, value: Any = None) -> None:
        """Run a command that no page requested; its result is sent as a notice."""
        handle(self.machine, SessionRequest(Do("do", self._fence(), 0, act, value), self._send_reply))

    def _send_reply(self, reply: Reply) -> None:
        if reply.text:
            self.say(Notice(reply.text, "plain" if reply.ok else "bad"))

    def _fence(self) -> int:
        return self.machine.device.fence
