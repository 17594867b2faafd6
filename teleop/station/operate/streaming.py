"""Pictures to one page: the newest only, at most two on the way, as large as the link and the renderer allow.

Nothing here knows of the web. `Link` decides when the next picture may go and how large it is; `Outbox` holds what a
page is to be sent, so that a slow link delays a page and never the session.
"""

import asyncio
import math
import statistics
from collections import deque
from collections.abc import Iterable

from teleop.ipc.messages import FRAME, JPEG, POSES, SEEN, Figures, Tick, View

IN_FLIGHT = 2  # frames that a page has not drawn yet
LOST = 1.0  # [s] after which a frame that was never acknowledged no longer counts: a tab in the background
SIZES = ((240, 180), (320, 240), (480, 360), (640, 480), (800, 600), (960, 720))  # [pixels] of slot 0
WINDOW, ENOUGH = 16, 6  # frames that are looked at, and how many say something
SLOW, QUICK = 0.075, 0.035  # [s] from a tick to its picture at the page: smaller pictures above, larger ones below
STRAINED = 0.015  # [s] from a tick to its pictures, above which small views are drawn every second time
PATIENCE = 4.0  # [s] that larger pictures wait for; doubled each time they had to be taken back
MOST_PATIENCE = 64.0  # [s]
IMPORTANT = 512  # messages that may wait; a page that lets more pile up is gone


class Link:
    """When the next frame may go to a page, and how large: pure, on the caller's clock [s]."""

    def __init__(self, now: float) -> None:
        """Nothing was sent yet."""
        self.view = View("view", ["front"], 320, 240)
        self._sent: dict[int, tuple[float, float]] = {}  # frame → when, and how long it was drawn for [s]
        self._render: deque[float] = deque(maxlen=WINDOW)
        self._link: deque[float] = deque(maxlen=WINDOW)
        self._drawn: deque[float] = deque(maxlen=WINDOW)  # times
        self._smaller = 0  # sizes below the wanted one
        self._since, self._patience = now, PATIENCE
        self._tried = False  # whether the last change was to a larger size

    @property
    def full_size(self) -> tuple[int, int]:
        """The largest size of slot 0 [pixels] that fits what the page wants."""
        return SIZES[self._wanted]

    @property
    def size(self) -> tuple[int, int]:
        """The size of slot 0 [pixels]: the full one, less what the link cannot carry."""
        return SIZES[max(0, self._wanted - self._smaller)]

    @property
    def strained(self) -> bool:
        """Whether drawing takes so long that the small views are worth drawing less often than the large one."""
        return _middle(self._render) > STRAINED

    @property
    def _wanted(self) -> int:
        fits = [i for i, size in enumerate(SIZES) if size[0] <= self.view.width and size[1] <= self.view.height]
        return max(fits, default=0)

    def may_send(self, now: float) -> bool:
        """Whether the page has room for another frame."""
        self._sent = {frame: sent for frame, sent in self._sent.items() if now - sent[0] < LOST}
        return len(self._sent) < IN_FLIGHT

    def sent(self, frame: int, now: float, render: float) -> None:
        """Note that a frame went out, `render` [s] after its tick; NaN where that says nothing about the others."""
        self._sent[frame] = (now, render)

    def drawn(self, frame: int, now: float) -> None:
        """Note that the page has drawn a frame; older ones it has passed over. Unknown ones are ignored."""
        sent = self._sent.get(frame)
        if sent is None:
            return
        self._sent = {other: value for other, value in self._sent.items() if other > frame}
        self._drawn.append(now)
        if math.isnan(sent[1]):
            return
        self._render.append(sent[1])
        self._link.append(now - sent[0])
        self._adapt(now)

    def figures(self, now: float) -> Figures:
        """Return the latencies of the pictures."""
        recent = [moment for moment in self._drawn if now - moment < LOST]
        span = now - recent[0] if recent else 0.0
        rate = (len(recent) - 1) / span if span > 0 else 0.0
        return Figures(1e3 * _middle(self._render), 1e3 * _middle(self._link), rate, *self.size)

    def _adapt(self, now: float) -> None:
        """Take a smaller size at once when pictures come late, and a larger one after a while of quick ones."""
        if len(self._link) < ENOUGH:
            return
        delay = _middle(self._render) + _middle(self._link)
        if delay > SLOW and self.size != SIZES[0]:
            if self._tried:
                self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._resize(+1, now)
        elif delay < QUICK and self._smaller and now - self._since > self._patience:
            self._resize(-1, now)

    def _resize(self, step: int, now: float) -> None:
        self._smaller += step
        self._since, self._tried = now, step < 0
        for window in (self._render, self._link):
            window.clear()


class Outbox:
    """The outgoing queue of one page: messages in order, and the newest of status and pictures."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._important: deque[str] = deque()
        self._status = ""
        self._pictures: deque[bytes] = deque()
        self._inset = b""
        self._something = asyncio.Event()
        self._closed = False

    def put(self, text: str) -> None:
        """Send a message, after those before it; a page that lets too many pile up is let go."""
        if len(self._important) >= IMPORTANT:
            self.close()
        self._important.append(text)
        self._something.set()

    def put_status(self, text: str) -> None:
        """Send the session's status, in the place of one that still waits."""
        self._status = text
        self._something.set()

    @property
    def behind(self) -> bool:
        """Whether pictures wait that the connection has not taken yet."""
        return bool(self._pictures)

    def put_pictures(self, pictures: Iterable[bytes]) -> None:
        """Send pictures, as `picture` makes them, after those that wait: `Link` says when."""
        self._pictures.extend(pictures)
        self._something.set()

    def put_inset(self, message: bytes) -> None:
        """Send what the policy sees, in the place of what still waits."""
        self._inset = message
        self._something.set()

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._something.set()

    async def next(self) -> str | bytes | None:
        """Wait for something to send and return it; None when closed.

        Messages go first, then pictures, what the policy sees, and the status.
        """
        while True:
            if self._closed:
                return None
            if self._important:
                return self._important.popleft()
            if self._pictures:
                return self._pictures.popleft()
            if self._inset:
                inset, self._inset = self._inset, b""
                return inset
            if self._status:
                status, self._status = self._status, ""
                return status
            self._something.clear()
            await self._something.wait()


def picture(frame: int, slot: int, slots: int, tick: Tick, jpeg: bytes) -> bytes:
    """Return the binary message of one picture of `tick`."""
    return FRAME.pack(frame, slot, slots, JPEG, tick.status.tick, tick.sequence, tick.at) + jpeg


def posed(frame: int, tick: Tick) -> bytes:
    """Return the binary message of the poses of `tick`, for a page that draws them."""
    assert tick.poses is not None
    head = FRAME.pack(frame, 0, 1, POSES, tick.status.tick, tick.sequence, tick.at)
    return head + tick.poses.astype("<f4").tobytes()


def seen(tick: Tick, png: bytes) -> bytes:
    """Return the binary message of what the policy sees of `tick`."""
    return FRAME.pack(0, 0, 1, SEEN, tick.status.tick, tick.sequence, tick.at) + png


def _middle(values: deque[float]) -> float:
    return statistics.median(values) if values else 0.0
