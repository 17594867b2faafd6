"""A session at the station with a fake process: permissions, broadcasts, and the death of the process."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.vision.sight import Sight
from teleop.ipc import messages
from teleop.ipc.messages import FRAME, Begin, CameraInfo, Do, Input, Notice, Reply, Scene, Status, Tick, View
from teleop.ipc.session_process import Ended, OnMessage, SessionProcess
from teleop.station.operate import session as drive_module
from teleop.station.operate.session import TRIES, StationSession
from teleop.station.operate.viewer import Viewer

SCENE = Scene(
    "reach",
    "Touch the ball.",
    "mine",
    ("x",),
    (CameraInfo("front", 90, -30, 1, (0, 0, 0)),),
    (),
    45,
    0.05,
    60,
    (),
)
STATUS = Status("running", 1, "e", 7, 3, 4, False, "", "human", -1, False, 0, "", "", 0, 0, 0, 0.0)


class _Process:
    """Notes what it is sent; the test speaks for it with `say`."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.begun: Begin | None = None
        self.say: OnMessage = lambda _: None

    def begin(self, begin: Begin, hear: OnMessage) -> None:
        self.begun, self.say = begin, hear
        hear(SCENE)
        hear(Tick(STATUS, np.zeros(3), 0, 0.0))

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        return True

    def close(self) -> None:
        self.say(Ended("closed", 0))


class _Room:
    """A drive and its processes."""

    def __init__(self) -> None:
        self.processes: list[_Process] = []
        self.log: list[str] = []
        self.recorded: list[str] = []
        begin = Begin(Path("home"), "mine", "reach", "ana", seed=3)
        self.drive = StationSession(
            "d", begin, self._new, cast(RenderPool, None), self.log.append, self.recorded.append
        )

    @property
    def process(self) -> _Process:
        return self.processes[-1]

    def _new(self) -> SessionProcess:
        self.processes.append(_Process())
        return cast(SessionProcess, self.processes[-1])

    def join(self, seat: str, person: str, *, may_drive: bool = True) -> Viewer:
        watcher = Viewer(seat, person, may_drive=may_drive)
        self.drive.join(watcher)
        return watcher

    async def heard(self, watcher: Viewer) -> list[dict[str, Any]]:
        """Return what a page was sent since it was last asked."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        found = [json.loads(text) for text in watcher.outbox._important]
        watcher.outbox._important.clear()
        return found


def played(test: Callable[[_Room], Awaitable[None]]) -> Callable[[], None]:
    """Run a test in an event loop, with a room of its own."""

    def run() -> None:
        async def play() -> None:
            room = _Room()
            await asyncio.wait_for(room.drive.begun, 5)
            await test(room)

        asyncio.run(play())

    run.__name__ = test.__name__
    return run


def _input(fence: int, sequence: int = 1) -> Input:
    return Input("input", fence, sequence, (0.0,) * 6, -1.0, 5.0)


@played
async def test_what_is_kept_discarded_or_marked_is_read_for_preferences(room: _Room) -> None:
    ana = room.join("a", "ana")
    for number, act in enumerate(("keep", "seek", "undo", "failure"), start=1):
        room.drive.handle(ana, Do("do", room.drive.lease.fence, number, cast(messages.CommandName, act)))
        room.process.say(Reply(number, act != "undo"))
    await room.heard(ana)
    assert room.recorded == ["mine", "mine"]  # a keep and a mark; what was refused changes nothing


@played
async def test_only_who_drives_is_obeyed(room: _Room) -> None:
    ana, ben = room.join("a", "ana"), room.join("b", "ben")
    fence = room.drive.lease.fence
    room.drive.handle(ben, _input(fence))
    room.drive.handle(ana, _input(fence - 1))
    assert room.process.sent == []
    room.drive.handle(ana, _input(fence))
    assert room.process.sent == [_input(fence)]
    room.drive.handle(ben, Do("do", fence, 4, "keep"))
    reply = (await room.heard(ben))[-1]
    assert (reply["type"], reply["id"], reply["ok"], reply["text"]) == ("reply", 4, False, "ana drives.")


@played
async def test_an_answer_reaches_who_asked_under_their_own_number(room: _Room) -> None:
    ana, ben = room.join("a", "ana"), room.join("b", "ben")
    await room.heard(ana)
    await room.heard(ben)
    room.drive.handle(ana, Do("do", room.drive.lease.fence, 4, "keep"))
    asked = room.process.sent[-1]
    room.process.say(Reply(asked.id, True, "Kept."))
    room.process.say(Notice("To all."))
    heard = await room.heard(ana)
    assert [(m["type"], m["text"]) for m in heard] == [("reply", "Kept."), ("notice", "To all.")]
    assert heard[0]["id"] == 4
    assert [m["text"] for m in await room.heard(ben)] == ["To all."]


@played
async def test_controls_change_hands_in_the_open(room: _Room) -> None:
    ana, ben = room.join("a", "ana"), room.join("b", "ben")
    room.drive.handle(ben, messages.Lease("lease", "ask"))
    assert any(m.get("text") == "ben asks for the controls." for m in await room.heard(ana))
    room.drive.handle(ben, messages.Lease("lease", "take"))
    assert any("ana drives." in m.get("text", "") for m in await room.heard(ben))
    room.drive.handle(ana, messages.Lease("lease", "give", "b"))
    for watcher in (ana, ben):
        heard = await room.heard(watcher)
        assert any(m.get("text") == "ana handed the controls to ben." for m in heard)
        assert [m["holder"]["name"] for m in heard if m["type"] == "controls"][-1] == "ben"
    assert room.log == ["ana drives.", "ana handed the controls to ben."]
    assert [(message.act, message.value) for message in room.process.sent] == [("operator", "ben")]
    room.drive.handle(ben, Do("do", room.drive.lease.fence, 1, "operator", "cem"))
    assert (await room.heard(ben))[-1]["ok"] is False
    assert len(room.process.sent) == 1


@played
async def test_an_annotator_watches(room: _Room) -> None:
    cem = room.join("c", "cem", may_drive=False)
    room.drive.handle(cem, messages.Lease("lease", "take"))
    assert room.drive.lease.holder is None
    assert any("takes the role operator" in m.get("text", "") for m in await room.heard(cem))


@played
async def test_the_same_page_again_takes_the_place_of_its_old_connection(room: _Room) -> None:
    old = room.join("a", "ana")
    new = room.join("a", "ana")
    assert old.dismissed == "superseded"
    room.drive.leave(old)
    assert room.drive.lease.allows("a", room.drive.lease.fence)
    room.drive.leave(new)
    assert room.drive.viewers == ()
    assert room.drive.empty_since is not None


@played
async def test_the_session_pauses_for_who_stays_away(room: _Room) -> None:
    ana = room.join("a", "ana")
    room.drive.leave(ana)
    await asyncio.sleep(0.1)
    assert [message.act for message in room.process.sent] == ["pause"]


@played
async def test_a_short_break_of_the_connection_is_not_noticed(room: _Room) -> None:
    ana = room.join("a", "ana")
    room.drive.leave(ana)
    room.join("a", "ana")
    await asyncio.sleep(0.1)
    assert room.process.sent == []


@played
async def test_a_process_that_dies_is_replaced_and_everybody_told(room: _Room) -> None:
    ana = room.join("a", "ana")
    room.drive.handle(ana, Do("do", room.drive.lease.fence, 9, "keep"))
    await room.heard(ana)
    fence = room.drive.lease.fence
    room.process.say(Ended("The session's process was killed by signal 9.", -9))
    heard = await room.heard(ana)
    assert next(m for m in heard if m["type"] == "reply")["ok"] is False
    assert any("killed by signal 9. A new one starts." in m.get("text", "") for m in heard)
    assert len(room.processes) == 2
    assert room.process.begun is not None
    assert room.process.begun.seed == 7  # that of the episode that was open
    assert not room.drive.lease.allows("a", fence)
    room.drive.handle(ana, _input(room.drive.lease.fence))
    assert room.process.sent == [_input(room.drive.lease.fence)]
    room.processes[0].say(Notice("from the dead"))
    assert not any(m.get("text") == "from the dead" for m in await room.heard(ana))


@played
async def test_a_process_that_dies_again_and_again_is_given_up(room: _Room) -> None:
    ana = room.join("a", "ana")
    for _ in range(TRIES + 1):
        room.process.say(Ended("It died.", -9))
        await asyncio.sleep(0)
    assert "again and again" in room.drive.over
    assert ana.dismissed == "over"


def test_a_session_that_cannot_begin_says_why() -> None:
    class Refusing(_Process):
        def begin(self, begin: Begin, hear: OnMessage) -> None:
            hear(Ended("Unknown task 'x'.", 2))

    async def play() -> None:
        begin = Begin(Path("home"), "mine", "x", "ana")
        drive = StationSession(
            "d", begin, lambda: cast(SessionProcess, Refusing()), cast(RenderPool, None), lambda _: None
        )
        with pytest.raises(NotNowError, match=r"The session cannot begin\. Unknown task 'x'\. Nothing was recorded\."):
            await asyncio.wait_for(drive.begun, 5)
        assert drive.over

    asyncio.run(play())


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, "PAUSE_AFTER", 0.02)


@played
async def test_a_page_that_goes_silent_pauses_the_session(room: _Room) -> None:
    ana, ben = room.join("a", "ana"), room.join("b", "ben")
    await room.heard(ben)
    room.drive.handle(ana, _input(room.drive.lease.fence))
    room.drive.supervise()
    assert not [one for one in room.process.sent if isinstance(one, Do)]
    ana.input_at -= drive_module.SILENT + 1
    room.drive.supervise()
    (pause,) = [one for one in room.process.sent if isinstance(one, Do)]
    assert pause.act == "pause"
    assert any("nothing was received from the page of ana" in said.get("text", "") for said in await room.heard(ben))
    room.process.say(Tick(replace(STATUS, phase="paused"), np.zeros(3), 0, 0.0))
    await asyncio.sleep(0)
    room.drive.supervise()
    assert len([one for one in room.process.sent if isinstance(one, Do)]) == 1  # once is enough


@played
async def test_a_page_gets_what_the_policy_sees_where_it_wants_it(room: _Room) -> None:
    drawn: list[tuple[Any, ...]] = []

    class _Pool:
        def sheet(self, scene: str, states: Any, *about: Any, key: object) -> "Future[bytes]":
            drawn.append((scene, states[0, 0], *about))
            future: Future[bytes] = Future()
            future.set_result(b"png")
            return future

    page = room.join("a", "ana")
    job = asyncio.create_task(page.stream_insets(room.drive, cast(RenderPool, _Pool())))
    sees = replace(STATUS, sees=Sight(("wrist",), 24))
    for state, insets in ((0.0, False), (1.0, True), (1.0, True)):
        page.set_view(View("view", ["front"], 320, 240, insets=insets))
        room.process.say(Tick(sees, np.full(3, state), 0, 0.0, "reach"))
        for _ in range(10):
            await asyncio.sleep(0.02)
    job.cancel()
    assert drawn == [("reach", state, ("wrist",), 24) for state in (0.0, 1.0)]  # not what it does not want, nor twice
    messages = [await page.outbox.next() for _ in range(4)]
    assert [one[FRAME.size :] for one in messages if isinstance(one, bytes)] == [b"png"]
