"""A viewer: one page that has a session open, its outgoing messages, and the pictures drawn for it."""

import asyncio
import itertools
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from robo_rlhf.core.errors import RoboRlhfError, WorkerDiedError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.annotations import DropLine
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.ipc.messages import Drawn, Notice, Scene, Tick, View
from teleop.station.operate.streaming import Link, Outbox, picture, posed, seen

FIGURES_EVERY = 1.0  # [s]
STILL = 0.5  # [s] without anything new, or while nothing moves, after which a picture is drawn at its full size
STEADY = 5e-4  # [m], and of quaternions: a body that has moved by no more stands still in a picture
INSETS_EVERY = 0.1  # [s] at the least, from one picture of what the policy sees to the next
REST = 1.0  # [s] before pictures are asked for again after the workers that draw have failed
Send = Callable[[str | bytes], Awaitable[None]]


class _ShownView(NamedTuple):
    """The view of a page."""

    state: Array  # (nstate,)
    view: View
    size: tuple[int, int]  # [pixels] of slot 0
    scene: str = ""  # that the state is drawn with
    picture: bytes = b""  # the environment's own

    def serves(self, wanted: "_ShownView") -> bool:
        """Whether the page already has the requested view: the same, at no smaller size."""
        alike = self.view == wanted.view and self.picture == wanted.picture and self.scene == wanted.scene
        return alike and np.array_equal(self.state, wanted.state) and self.size >= wanted.size

    def sharp(self, wanted: "_ShownView") -> bool:
        """Whether the page has the requested view at no smaller size, of a moment ago perhaps."""
        return self.view == wanted.view and self.scene == wanted.scene and self.size >= wanted.size


class StateSource(Protocol):
    """Where the newest state comes from."""

    scene: Scene | None
    tick: Tick | None


class Viewer:
    """A page's connection; it belongs to the server's event loop."""

    def __init__(self, seat: str, person: str, *, may_drive: bool) -> None:
        """Be a page of `person`, whose id is `seat`."""
        self.seat, self.person, self.may_drive = seat, person, may_drive
        self.outbox = Outbox()
        self.dismissed = ""  # why the connection is to be closed by us
        self.input_at = time.monotonic()  # [s] of the page's last input
        self.link = Link(time.monotonic())
        self._new = asyncio.Event()  # a tick, a view or room on the link
        self._new_inset = asyncio.Event()  # the same, for what the policy sees
        self._frame = 0
        self._shown: _ShownView | None = None
        self._shown_at = 0.0  # [s]
        self._pose: Array | None = None  # (M + 1, 7) that the scene moved into last ...
        self._moved_at = 0.0  # [s] ... then

    def send(self, message: Any) -> None:
        """Send one of the messages that are dataclasses."""
        self.outbox.put(as_json(message))

    def wake(self) -> None:
        """Wake the renderer."""
        self._new.set()
        self._new_inset.set()

    def dismiss(self, why: str) -> None:
        """Have the connection closed."""
        self.dismissed = why
        self.outbox.close()

    def set_view(self, view: View) -> None:
        """Show other cameras, or another size, from now on."""
        self.link.view = view
        self.wake()

    def drawn(self, message: Drawn) -> None:
        """Note that the page has drawn a frame."""
        self.link.drawn(message.frame, time.monotonic())
        self.wake()

    async def send_all(self, send: Send) -> None:
        """Send what waits, until the connection is dismissed."""
        while (message := await self.outbox.next()) is not None:
            await send(message)

    async def stream(self, source: StateSource, pool: RenderPool) -> None:
        """Draw the newest state whenever the page has room for it; one that stands still also at its full size."""
        sent_at = 0.0
        while True:
            news = await self._news()
            now = time.monotonic()
            if now - sent_at > FIGURES_EVERY and self._frame:
                sent_at = now
                self.send(self.link.figures(now))
            scene, tick = source.scene, source.tick
            if scene is None or tick is None or self.outbox.behind or not self.link.may_send(now):
                continue
            rests = self.link.size < self.link.full_size and self._stands_still(tick, now)
            size = self.link.full_size if rests or not news else self.link.size
            wanted = _ShownView(tick.state, self.link.view, size, tick.scene, tick.picture)
            if self._shown is not None and self._shown.serves(wanted):
                continue
            if rests and self._shown is not None and now - self._shown_at < STILL and self._shown.sharp(wanted):
                continue
            try:
                await self._draw(scene, tick, wanted, pool, still=rests or not news)
                self._shown_at = time.monotonic()
            except WorkerDiedError as error:
                self.send(Notice(f"The pictures stopped: {error} The session continues.", "bad", "lost"))
                await asyncio.sleep(REST)
            except RoboRlhfError as error:
                self.send(Notice(f"There is no such view: {error}", "bad"))
                self.link.view = replace(self.link.view, cameras=[scene.cameras[0].name], poses=False)

    def _stands_still(self, tick: Tick, now: float) -> bool:
        """Whether nothing of the scene has moved for a while, though its time goes on."""
        before, pose = self._pose, tick.poses
        alike = before is not None and pose is not None and pose.shape == before.shape
        if not (alike and np.allclose(pose, before, rtol=0, atol=STEADY, equal_nan=True)):  # type: ignore[arg-type]
            self._pose, self._moved_at = pose, now
        return now - self._moved_at > STILL

    async def stream_insets(self, source: StateSource, pool: RenderPool) -> None:
        """Draw what the policy sees of the newest state, where it has cameras and the page shows them."""
        drawn: tuple[object, ...] = ()
        while True:
            await self._new_inset.wait()
            self._new_inset.clear()
            tick = source.tick
            sight = tick.status.sees if tick is not None and self.link.view.insets else None
            if tick is None or sight is None or not tick.scene:
                drawn = ()
                continue
            wanted = (tick.scene, tick.state.tobytes(), sight)
            if wanted == drawn:
                continue
            try:
                shot = pool.sheet(tick.scene, tick.state[None], sight.cameras, sight.size, key=(self, "inset"))
                self.outbox.put_inset(seen(tick, await asyncio.wrap_future(shot)))
                drawn = wanted
                await asyncio.sleep(INSETS_EVERY)
            except RoboRlhfError:  # the large picture says it
                await asyncio.sleep(REST)

    async def _news(self) -> bool:
        """Wait until there may be something to draw; False where nothing came for a while."""
        try:
            async with asyncio.timeout(STILL):
                await self._new.wait()
        except TimeoutError:
            return False
        self._new.clear()
        return True

    async def _draw(self, scene: Scene, tick: Tick, wanted: _ShownView, pool: RenderPool, *, still: bool) -> None:
        """Draw one frame and send it: the large view as soon as it is there, then the others."""
        begun = time.monotonic()
        self._frame += 1
        by_page = tick.poses is not None and wanted.view.poses
        if tick.picture or by_page:
            sent = posed(self._frame, tick) if by_page else picture(self._frame, 0, 1, tick, tick.picture)
            self.outbox.put_pictures([sent])
            self._shown = wanted
            return self.link.sent(self._frame, time.monotonic(), math.nan)  # of one size, whatever the link
        cameras = [name for name in wanted.view.cameras if name] or [scene.cameras[0].name]
        if self.link.strained and self._frame % 2 and not still:
            cameras = cameras[:1]
        width, height = wanted.size
        parts = [(cameras[:1], (width, height)), (cameras[1:], (width // 2, height // 2))]
        drawing = [
            pool.jpegs(tick.scene or scene.task, tick.state, names, *size, annotations=(DropLine(),), key=(self, size))
            for names, size in parts
            if names
        ]
        slots = itertools.count()
        for part in drawing:
            jpegs = await asyncio.wrap_future(part)
            self.outbox.put_pictures(picture(self._frame, next(slots), len(cameras), tick, jpeg) for jpeg in jpegs)
        now = time.monotonic()
        self._shown = wanted if len(cameras) == len(wanted.view.cameras) else None
        self.link.sent(self._frame, now, math.nan if still else now - begun)


def as_json(message: Any) -> str:
    """Return a message that is a dataclass as the text that a page gets."""
    return json.dumps(asdict(message), allow_nan=False, separators=(",", ":"))
