"""One session at the station: its process, operator and viewers, and the recovery when the process ends."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.ipc import messages
from teleop.ipc.messages import Begin, Do, Drawn, Input, Notice, PageMessage, Reply, Scene, Tick, View
from teleop.ipc.session_process import Ended, SessionMessage, SessionProcess
from teleop.station.operate.control_lease import ControlLease
from teleop.station.operate.viewer import Viewer, as_json

PAUSE_AFTER = 2.0  # [s] that the robot holds for an operator whose connection is lost, before the session pauses
SILENT = 3.0  # [s] without a message from the page that drives, though it is connected, before the session pauses
TRIES, TRIES_WITHIN = 3, 60.0  # processes that may die within so many seconds before the session is given up
RECORDS = ("keep", "discard", "undo", "success", "failure", "unmark")  # requests that change what is recorded
TO_US = 2**31  # ids of the station's own requests to the session begin here


class StationSession:
    """A session with its viewers; it belongs to the server's event loop."""

    def __init__(
        self,
        session_id: str,
        begin: Begin,
        new_process: Callable[[], SessionProcess],
        pool: RenderPool,
        log: Callable[[str], None],
        recorded: Callable[[str], object] = lambda dataset: None,
    ) -> None:
        """Begin the session.

        Args:
            session_id: in its address.
            begin: its settings; `begin.operator` owns it, and drives first.
            new_process: gives a process that waits to begin.
            pool: draws.
            log: called with a sentence at each change of operator.
            recorded: called with the name of a dataset in which something was recorded or discarded.
        """
        self.id, self.begin, self.pool = session_id, begin, pool
        self.started = time.time()  # [s since 1970]
        self.scene: Scene | None = None
        self.tick: Tick | None = None
        self.over = ""  # why the session has ended; empty while it runs
        self.begun: asyncio.Future[None] = (
            asyncio.get_running_loop().create_future()
        )  # done with the first picture's state
        self.empty_since: float | None = time.monotonic()  # [s] since when it has no viewers
        self.lease = ControlLease(begin.operator, log=lambda text: self._changed(text, log))
        self._loop = asyncio.get_running_loop()
        self._new_process, self._deaths = new_process, list[float]()
        self._watchers: dict[str, Viewer] = {}
        self._recorded = recorded
        self._asked: dict[
            int, tuple[str, int, str]
        ] = {}  # id as the session knows it → seat, id as its page knows it, act
        self._ids = itertools.count(1)
        self._pausing: asyncio.TimerHandle | None = None
        self._scene_text = ""
        self._process = self._start()

    @property
    def owner(self) -> str:
        """Who began the session."""
        return self.lease.owner

    @property
    def dataset(self) -> str:
        """The name of the dataset that is recorded into."""
        return self.scene.dataset if self.scene is not None else self.begin.dataset

    @property
    def viewers(self) -> tuple[Viewer, ...]:
        """The viewers, including the operator."""
        return tuple(self._watchers.values())

    def join(self, watcher: Viewer) -> None:
        """Let a page in, for the first time or again; another connection of the same page gives way."""
        old = self._watchers.pop(watcher.seat, None)
        if old is not None:
            old.dismiss("superseded")
        self._watchers[watcher.seat] = watcher
        self.empty_since = None
        self.lease.join(watcher.seat, watcher.person)
        self._stop_pausing()
        if self._scene_text:
            watcher.outbox.put(self._scene_text)
        self._send_controls()
        if self.tick is not None:
            watcher.outbox.put_status(as_json(self.tick.status))
        watcher.wake()

    def leave(self, watcher: Viewer) -> None:
        """Note that a page's connection is gone."""
        if self._watchers.get(watcher.seat) is not watcher:
            return  # another connection has taken its place
        del self._watchers[watcher.seat]
        if not self._watchers:
            self.empty_since = time.monotonic()
        self.lease.leave(watcher.seat)
        if self.lease.holder is not None and not self.lease.present:
            self._stop_pausing()
            self._pausing = self._loop.call_later(PAUSE_AFTER, self._pause)
        self._send_controls()

    def handle(self, watcher: Viewer, message: PageMessage) -> None:
        """Carry out a page's message, where it is permitted."""
        match message:
            case Input():
                watcher.input_at = time.monotonic()
                if self.lease.allows(watcher.seat, message.fence):
                    self._process.send(message)
            case Drawn():
                watcher.drawn(message)
            case View():
                watcher.set_view(message)
            case Do():
                self._do(watcher, message)
            case messages.Lease():
                self._lease(watcher, message)

    def supervise(self) -> None:
        """Do what is due; to be called about once a second.

        The controls of a holder who stayed away are free. A page that is connected and says nothing, asleep or in the
        background, does not let a policy continue unseen, nor fill the episode with a robot that holds still.
        """
        self.lease.expire()
        holder = self.lease.holder
        page = self._watchers.get(holder.id) if holder is not None else None
        if page is not None and time.monotonic() - page.input_at > SILENT and self._pause():
            text = f"Paused: nothing was received from the page of {page.person} for {SILENT:.0f} s."
            for watcher in self.viewers:
                if watcher is not page:
                    watcher.send(Notice(text))

    def close(self, why: str) -> None:
        """End the session, as `SessionProcess.close` does: waits, so not in the event loop's thread."""
        self.over = self.over or why
        self._process.close()

    def dismiss(self) -> None:
        """Disconnect all viewers, after the session has ended."""
        self._stop_pausing()
        for watcher in self.viewers:
            watcher.dismiss("over")

    def _start(self) -> SessionProcess:
        process = self._new_process()

        def receive(message: SessionMessage) -> None:
            self._loop.call_soon_threadsafe(self._on_message, process, message)

        process.begin(self.begin, receive)
        return process

    def _on_message(self, process: SessionProcess, message: SessionMessage) -> None:
        """Pass on the session's messages."""
        if process is not self._process:
            return
        match message:
            case Tick():
                self.tick = message
                text = as_json(message.status)
                for watcher in self.viewers:
                    watcher.outbox.put_status(text)
                    watcher.wake()
                if not self.begun.done():
                    self.begun.set_result(None)
            case Scene():
                self.scene, self.tick, self._scene_text = message, None, as_json(message)
                self.begin = replace(self.begin, task=message.task)
                self._send_all(self._scene_text)
            case Reply():
                self._reply(message)
            case Notice():
                self._send_all(as_json(message))
            case Ended():
                self._ended(message)

    def _do(self, watcher: Viewer, message: Do) -> None:
        if message.act == "operator":
            watcher.send(Reply(message.id, False, "Change the operator by handing the controls over."))
            return
        if not self.lease.allows(watcher.seat, message.fence):
            holder = self.lease.holder
            text = "Nobody drives: take the controls first." if holder is None else f"{holder.person} drives."
            watcher.send(Reply(message.id, False, text))
            return
        number = next(self._ids) % TO_US
        self._asked[number] = watcher.seat, message.id, message.act
        if not self._process.send(replace(message, id=number)):
            watcher.send(Reply(message.id, False, "The session has just ended; it starts again. Nothing was done."))

    def _reply(self, reply: Reply) -> None:
        seat, number, act = self._asked.pop(reply.id, ("", 0, ""))
        if reply.ok and act in RECORDS:
            self._recorded(self.dataset)
        if seat in self._watchers:
            self._watchers[seat].send(replace(reply, id=number))

    def _lease(self, watcher: Viewer, message: messages.Lease) -> None:
        """Change the operator, or answer why not."""
        lease, seat = self.lease, watcher.seat
        try:
            if message.act in ("take", "ask") and not watcher.may_drive:
                watcher.send(Notice("Driving takes the role operator; you can watch.", "bad"))
            elif message.act == "take":
                lease.take(seat)
            elif message.act == "ask":
                lease.ask(seat)
                holder = self._watchers.get(lease.holder.id) if lease.holder else None
                if holder is not None and holder is not watcher:
                    holder.send(Notice(f"{watcher.person} asks for the controls."))
            elif message.act == "give":
                lease.give(seat, message.to)
            else:
                lease.release(seat)
        except NotNowError as error:
            watcher.send(Notice(str(error), "bad"))
        self._send_controls()

    def _changed(self, sentence: str, log: Callable[[str], None]) -> None:
        """Log the new operator, and notify all viewers and the session, whose episodes bear the name."""
        log(sentence)
        holder = self.lease.holder
        if holder is not None and holder.person != self.begin.operator:
            self.begin = replace(self.begin, operator=holder.person)
            self._process.send(Do("do", self.lease.fence, TO_US + next(self._ids), "operator", holder.person))
        for watcher in self.viewers if len(self._watchers) > 1 else ():
            watcher.send(Notice(sentence))
        self._send_controls()

    def _send_controls(self) -> None:
        for watcher in self.viewers:
            watcher.send(self.lease.controls(watcher.seat))

    def _send_all(self, text: str) -> None:
        for watcher in self.viewers:
            watcher.outbox.put(text)

    def _pause(self) -> bool:
        """Pause for an operator who is away; on return the session resumes. Return whether anything was running."""
        running = self.tick is not None and self.tick.status.phase == "running"
        if running:
            self._process.send(Do("do", self.lease.fence, TO_US + next(self._ids), "pause"))
        return running

    def _stop_pausing(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None

    def _ended(self, ended: Ended) -> None:
        """Start another process where this one died, and resume what was recorded."""
        if not self.begun.done():
            self.begun.set_exception(NotNowError(f"The session cannot begin. {ended.text}", "Nothing was recorded."))
            self.begun.exception()  # the user who began it may be gone
            self.over = self.over or ended.text
        now = time.monotonic()
        self._deaths = [*(moment for moment in self._deaths if now - moment < TRIES_WITHIN), now]
        if len(self._deaths) > TRIES:
            self.over = self.over or f"The session's process ended again and again. {ended.text}"
        if self.over or ended.code == 0:
            self.over = self.over or ended.text
            self._send_all(as_json(Notice(self.over, sound="lost")))
            self.dismiss()
            return
        for seat, number, _ in self._asked.values():
            if seat in self._watchers:
                self._watchers[seat].send(Reply(number, False, "The session ended before this was done."))
        self._asked.clear()
        self._send_all(as_json(Notice(f"{ended.text} A new one starts.", "bad", "lost")))
        self.begin = replace(self.begin, seed=self.tick.status.seed if self.tick else self.begin.seed, open=None)
        self.lease.fence += 1
        self._process = self._start()
        self._send_controls()
