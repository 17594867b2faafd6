import threading
from concurrent.futures import Future
from typing import Any

import pytest

from robo_rlhf.sim.rendering.draw_queue import RenderJob, RenderQueue


def job(name: str, key: str | None = None) -> RenderJob[str]:
    return RenderJob(name, Future(), key)


def drain(line: RenderQueue[str], *lanes: Any) -> list[str]:
    taken = []
    while len(line):
        one = line.take(lanes)
        assert one is not None
        taken.append(one.request)
    return taken


def test_live_jobs_go_first_and_each_lane_keeps_its_order() -> None:
    line: RenderQueue[str] = RenderQueue()
    for one in (job("clip 1"), job("live a", "a"), job("clip 2"), job("live b", "b")):
        line.put(one)
    assert drain(line, "live", "rest") == ["live a", "live b", "clip 1", "clip 2"]


def test_the_newest_of_a_viewer_takes_the_place_of_its_older() -> None:
    line: RenderQueue[str] = RenderQueue()
    first, other, newest = job("a1", "a"), job("b1", "b"), job("a2", "a")
    for one in (first, other, newest):
        line.put(one)
    assert first.future.cancelled()
    assert not other.future.cancelled()
    assert len(line) == 2
    assert drain(line, "live") == ["a2", "b1"]  # at the head still: a fast viewer does not push itself back


def test_what_is_being_made_is_not_superseded() -> None:
    line: RenderQueue[str] = RenderQueue()
    line.put(job("a1", "a"))
    taken = line.take(("live",))
    line.put(job("a2", "a"))
    assert taken is not None
    assert not taken.future.cancelled()
    assert drain(line, "live") == ["a2"]


def test_a_lane_leaves_the_other_alone() -> None:
    line: RenderQueue[str] = RenderQueue()
    line.put(job("clip"))
    line.put(job("live", "a"))
    first = line.take(("rest",))
    assert first is not None
    assert first.request == "clip"
    taken: list[Any] = []
    waits = threading.Thread(target=lambda: taken.append(line.take(("rest",))))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()  # although a live one is there
    line.close()
    waits.join(5)
    assert taken == [None]


def test_closing_cancels_what_waits() -> None:
    line: RenderQueue[str] = RenderQueue()
    waiting = [job("clip"), job("live", "a")]
    for one in waiting:
        line.put(one)
    line.close()
    assert all(one.future.cancelled() for one in waiting)
    assert line.take(("live", "rest")) is None
    with pytest.raises(RuntimeError, match="closed"):
        line.put(job("late"))


def test_callbacks_of_a_superseded_job_may_use_the_line() -> None:
    line: RenderQueue[str] = RenderQueue()
    first = job("a1", "a")
    first.future.add_done_callback(lambda _: line.put(job("called back")))
    line.put(first)
    line.put(job("a2", "a"))
    assert drain(line, "live", "rest") == ["a2", "called back"]
