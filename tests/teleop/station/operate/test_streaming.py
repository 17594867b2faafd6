"""Pictures for one page: the newest, at most two on the way, smaller where they come late."""

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.scene_description.movers import Movers
from robo_rlhf.sim.tasks import TASKS
from teleop.ipc.messages import FRAME, POSES, Drawn, View
from teleop.station.operate import viewer
from teleop.station.operate.streaming import IMPORTANT, LOST, MOST_PATIENCE, SIZES, Link, Outbox
from teleop.station.operate.viewer import Viewer


def _stream(link: Link, seconds: float, render: float, travel: float, start: float, number: int = 0) -> int:
    """Send frames for a while; return the number of the last one."""
    now, end = start, start + seconds
    while now < end:
        assert link.may_send(now)
        number += 1
        link.sent(number, now, render)
        now += travel
        link.drawn(number, now)
        now += 0.02
    return number


def test_a_page_has_at_most_two_frames_to_draw() -> None:
    link = Link(0.0)
    for frame in (1, 2):
        assert link.may_send(0.0)
        link.sent(frame, 0.0, 0.005)
    assert not link.may_send(0.5)
    link.drawn(2, 0.6)  # frame 1 was passed over
    assert link.may_send(0.6)
    link.drawn(77, 0.6)


def test_a_page_that_says_nothing_gets_a_frame_now_and_then() -> None:
    link = Link(0.0)
    link.sent(1, 0.0, 0.0)
    link.sent(2, 0.5, 0.0)
    assert not link.may_send(0.9)
    assert link.may_send(LOST + 0.1)


def test_pictures_shrink_where_they_come_late_and_grow_again() -> None:
    link = Link(0.0)
    link.view = View("view", ["front", "side"], 640, 480)
    assert link.size == (640, 480)
    number = _stream(link, 3, 0.01, 0.2, 0.0)
    smaller = link.size
    assert smaller[0] < 640
    number = _stream(link, 60, 0.2, 0.01, 3.0, number)
    assert link.size == SIZES[0]
    _stream(link, 60 * len(SIZES), 0.005, 0.005, 63.0, number)
    assert link.size == (640, 480)


def test_a_link_that_cannot_carry_more_is_not_tried_again_and_again() -> None:
    link, now, number, resized = Link(0.0), 0.0, 0, 0
    link.view = View("view", ["front"], 640, 480)
    while now < 600:
        size = link.size
        number = _stream(link, 1, 0.005, 0.3 if size[0] > 480 else 0.01, now, number)
        resized += link.size != size
        now += 1
    assert resized <= 2 * 600 / MOST_PATIENCE + 8


def test_the_size_is_one_that_the_page_has_room_for() -> None:
    link = Link(0.0)
    for width, height, expected in ((1280, 960, (960, 720)), (500, 300, (320, 240)), (80, 60, SIZES[0])):
        link.view = View("view", [], width, height)
        assert link.size == expected


def test_slow_drawing_is_noticed_before_the_pictures_shrink() -> None:
    link = Link(0.0)
    link.view = View("view", [], 320, 240)
    number = _stream(link, 2, 0.01, 0.01, 0.0)
    assert not link.strained
    _stream(link, 2, 0.02, 0.01, 2.0, number)
    assert link.strained
    assert link.size == link.full_size == (320, 240)


def test_figures_say_how_the_pictures_come_along() -> None:
    link = Link(0.0)
    link.view = View("view", [], 320, 240)
    _stream(link, 2, 0.012, 0.03, 0.0)
    figures = link.figures(2.0)
    assert (figures.width, figures.height) == (320, 240)
    assert abs(figures.render - 12) < 1e-6
    assert abs(figures.link - 30) < 1e-6
    assert 18 < figures.rate < 22
    assert Link(0.0).figures(9.0).rate == 0


def test_messages_come_in_order_and_of_status_the_newest() -> None:
    async def run() -> list[str | bytes | None]:
        box = Outbox()
        box.put_status("old")
        box.put("one")
        box.put_pictures([FRAME.pack(1, 0, 1, 0, 2, 3, 4.0)])
        box.put_status("new")
        box.put("two")
        got = [await box.next() for _ in range(4)]
        waiting = asyncio.create_task(box.next())
        await asyncio.sleep(0)
        box.put("three")
        return [*got, await asyncio.wait_for(waiting, 1)]

    one, two, picture, status, three = asyncio.run(run())
    assert (one, two, status, three) == ("one", "two", "new", "three")
    assert isinstance(picture, bytes)
    assert FRAME.unpack(picture) == (1, 0, 1, 0, 2, 3, 4.0)


def test_a_page_that_lets_messages_pile_up_is_let_go() -> None:
    async def run() -> list[str | bytes | None]:
        box = Outbox()
        for _ in range(IMPORTANT):
            box.put("x")
        first = await box.next()
        box.put("x")
        box.put("x")
        return [first, await box.next()]

    assert asyncio.run(run()) == ["x", None]


def test_a_robot_that_holds_still_is_drawn_sharply_while_its_session_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "STILL", 0.1)
    drawn: list[tuple[int, float]] = []  # width, and the state's time

    def jpegs(_: str, state: Array, names: list[str], width: int, height: int, **more: object) -> Future[list[bytes]]:
        drawn.append((width, state[0]))
        done: Future[list[bytes]] = Future()
        done.set_result([b"jpeg"] * len(names))
        return done

    async def run() -> None:
        page = Viewer("seat", "ada", may_drive=True)
        page.set_view(View("view", ["front"], 640, 480))
        page.link._smaller = 2  # the link has carried no more
        source: Any = SimpleNamespace(scene=SimpleNamespace(task="reach"), tick=None)
        pool: Any = SimpleNamespace(jpegs=jpegs)
        task = asyncio.create_task(page.stream(source, pool))
        for number in range(60):
            moves = 0.01 * min(number, 20) + 0.01 * max(number - 50, 0)
            poses = np.array([[moves, 0, 0, 1, 0, 0, 0], [np.nan] * 7], np.float32)
            status = SimpleNamespace(tick=number)
            state = np.array([0.01 * number, moves])
            source.tick = SimpleNamespace(
                state=state, status=status, sequence=1, at=1.0, scene="", poses=poses, picture=b""
            )
            page.wake()
            await asyncio.sleep(0.01)
            page.outbox._pictures.clear()
            page.drawn(Drawn("drawn", page._frame))
        task.cancel()

    asyncio.run(run())
    sizes = [width for width, _ in drawn]
    assert set(sizes) == {320, 640}
    sharp = [at for width, at in drawn if width == 640]
    assert 0.2 <= min(sharp) <= max(sharp) <= 0.5  # after it moved, until it moves again
    assert len(sharp) <= 5  # now and then only
    assert sizes[0] == sizes[-1] == 320


def test_a_page_that_draws_gets_poses_and_no_picture() -> None:
    env = TaskEnv(TASKS["pick_place"](), 1, nthread=1)
    env.reset(np.zeros(1, np.int64))
    state, movers = env.get_state()[0], Movers(env.model)

    async def run() -> bytes:
        page = Viewer("seat", "ada", may_drive=True)
        page.set_view(View("view", ["front"], 640, 480, poses=True))
        poses = movers.poses(state[None], landing=True)[0]
        tick = SimpleNamespace(
            state=state, status=SimpleNamespace(tick=3), sequence=5, at=7.5, scene="", poses=poses, picture=b""
        )
        source: Any = SimpleNamespace(scene=SimpleNamespace(task="pick_place"), tick=tick)
        task = asyncio.create_task(page.stream(source, None))  # type: ignore[arg-type]  # nothing is drawn
        waiting = asyncio.create_task(page.outbox.next())
        await asyncio.wait([task, waiting], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        message = await waiting
        task.cancel()
        assert isinstance(message, bytes)
        return message

    message = asyncio.run(run())
    assert len(message) < 500
    assert FRAME.unpack_from(message) == (1, 0, 1, POSES, 3, 5, 7.5)
    poses = np.frombuffer(message, "<f4", offset=FRAME.size).reshape(-1, 7)
    np.testing.assert_array_equal(poses[:-1], movers.poses(state[None])[0])
    hand, under, radius = poses[-1, :3], poses[-1, 3:6], poses[-1, 6]
    site = env.model.site("ee").id
    np.testing.assert_allclose(hand, movers._data.site_xpos[site], atol=1e-6)
    assert (under[:2] == hand[:2]).all()
    assert -0.01 <= under[2] < hand[2]
    assert radius > 0
