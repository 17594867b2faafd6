import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from robo_rlhf.core.errors import (
    InvalidValueError,
    MissingDependencyError,
    NotFoundError,
    ShapeError,
    UnknownNameError,
    WorkerDiedError,
)
from robo_rlhf.sim.rendering import pool as render_pool
from robo_rlhf.sim.rendering.annotations import DropLine
from robo_rlhf.sim.rendering.clips import render_clip
from robo_rlhf.sim.rendering.pool import RenderPool, RenderRequest
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.video import decode_mp4
from tests.sim.little_scene import MJCF, states

WAIT = 60.0  # [s] for anything that must not hang
SIZE = (96, 64)


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as opened:
        yield opened


class Bomb(str):
    """Ends the process that unpickles it."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return os._exit, (3,)


def worker_pid(pool: RenderPool) -> int:
    pid = pool._workers[0].pid
    assert pid is not None
    return pid


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + WAIT
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


def test_the_pool_draws_what_a_renderer_draws(pool: RenderPool) -> None:
    rows = states(4, turn=0.5)
    with FrameRenderer(load_model(MJCF), *SIZE) as renderer:
        expected = renderer.frames(rows, "wrist")
    drawn = pool.frames(MJCF, rows, "wrist", *SIZE).result(WAIT)
    np.testing.assert_array_equal(drawn, expected)
    drawn[:] = 0  # and it is the caller's own
    clip, rate = decode_mp4(pool.mp4(MJCF, rows, "wrist", *SIZE, fps=10).result(WAIT))
    assert (clip.shape, rate) == (expected.shape, 10)


def test_a_live_view_gets_a_jpeg_a_camera(pool: RenderPool) -> None:
    state = states(1)[0]
    codes = pool.jpegs(MJCF, state, ["front", "side"], *SIZE).result(WAIT)
    with FrameRenderer(load_model(MJCF), *SIZE) as renderer:
        for code, camera in zip(codes, ["front", "side"], strict=True):
            picture = cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
            assert np.abs(picture.astype(int) - renderer.frame(state, camera)).mean() < 6


def test_live_views_have_sizes_of_their_own(pool: RenderPool) -> None:
    state = states(2)[1]
    sizes = [(64, 48), (32, 24), (33, 17)]
    codes = pool.jpegs(MJCF, state, ["front", "side", "front"], sizes=sizes, jpeg_quality=90).result(WAIT)
    pictures = [cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for code in codes]
    for size, picture in zip(sizes, pictures, strict=True):
        assert picture.shape == (size[1], size[0], 3)
    with FrameRenderer(load_model(MJCF), *sizes[2]) as renderer:
        assert np.abs(pictures[2].astype(int) - renderer.frame(state, "front")).mean() < 8
    small = pool.jpegs(MJCF, state, ["front"], sizes=[sizes[0]], jpeg_quality=20).result(WAIT)[0]
    assert len(small) < len(codes[0]) - 200  # of which 600 are tables
    with pytest.raises(ShapeError, match=r"sizes of views: expected shape \(1, 2\), got shape \(2, 2\)"):
        pool.jpegs(MJCF, state, ["front"], sizes=sizes[:2])
    with pytest.raises(InvalidValueError, match="JPEG quality: expected a number from 1 to 100, got 0"):
        pool.jpegs(MJCF, state, jpeg_quality=0)


def test_the_same_request_gives_the_same_bytes(pool: RenderPool) -> None:
    rows = states(6, turn=0.4)
    kept = rows.copy()

    def ask(width: int = 96, quality: Any = "fast") -> tuple[list[bytes], bytes]:
        live = pool.jpegs(MJCF, rows[2], ["front", "wrist"], width, 64, quality, annotations=[DropLine()], key="me")
        return live.result(WAIT), pool.mp4(MJCF, rows, "side", width, 64, quality).result(WAIT)

    first = [ask(quality=quality) for quality in ("fast", "fine")]
    ask(width=700)  # in another context
    pool.jpegs(MJCF, rows[5], ["side"], 640, 480).result(WAIT)
    assert [ask(quality=quality) for quality in ("fast", "fine")] == first
    with RenderPool() as other:
        again = other.jpegs(MJCF, rows[2], ["front", "wrist"], 96, 64, annotations=[DropLine()])
        assert again.result(WAIT) == first[0][0]
    np.testing.assert_array_equal(rows, kept)


def test_the_cameras_of_a_task_come_without_mujoco_here(pool: RenderPool) -> None:
    cameras = pool.cameras("lift").result(WAIT)
    assert list(cameras) == ["front", "side", "top", "wrist"]
    assert cameras["front"].lookat is not None
    with pytest.raises(UnknownNameError, match="Did you mean 'lift'"):
        pool.cameras("lfit").result(WAIT)


def test_clips_may_be_drawn_by_a_pool(pool: RenderPool, tmp_path: Path) -> None:
    render_clip(MJCF, states(3), tmp_path / "pool.mp4", "side", *SIZE, overlay="words", pool=pool)
    render_clip(MJCF, states(3), tmp_path / "here.mp4", "side", *SIZE, overlay="words")
    assert (tmp_path / "pool.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


def test_mistakes_come_back_as_they_are(pool: RenderPool) -> None:
    rows = states(2)
    with pytest.raises(UnknownNameError, match=r"Unknown camera 'wirst'\. Did you mean 'wrist'\?") as caught:
        pool.frames(MJCF, rows, "wirst").result(WAIT)
    assert caught.value.choices == ("front", "side", "wrist")
    with pytest.raises(UnknownNameError, match="Unknown task 'pick_plaec'"):
        pool.frames("pick_plaec", rows).result(WAIT)
    with pytest.raises(ShapeError, match=r"expected shape \(T, \d+\), got shape \(2, 5\)"):
        pool.mp4(MJCF, np.zeros((2, 5))).result(WAIT)
    with pytest.raises(ShapeError, match=r"got shape \(1, 5\)"):
        pool.jpegs(MJCF, np.zeros(5)).result(WAIT)
    with pytest.raises(InvalidValueError, match="picture size"):
        pool.frames(MJCF, rows, "front", 0, 0).result(WAIT)
    with pytest.raises(NotFoundError, match="No MJCF file"):
        pool.frames(Path("none.xml"), rows).result(WAIT)
    assert pool.frames(MJCF, rows[:0], "front", *SIZE).result(WAIT).shape == (0, 64, 96, 3)


def test_faults_of_the_program_show_where_they_are(pool: RenderPool) -> None:
    with pytest.raises(RuntimeError, match=r"failed over 2 states of an MJCF text at 96x64, fast:\nTraceback"):
        pool.mp4(MJCF, states(2), "front", *SIZE, overlay=[1, 2]).result(WAIT)  # type: ignore[list-item]
    with pytest.raises(Exception, match="pickle"):
        pool.mp4(MJCF, states(2), "front", *SIZE, overlay=lambda: "").result(WAIT)  # type: ignore[arg-type]


def test_a_worker_keeps_only_so_many_contexts(pool: RenderPool) -> None:
    rows = states(1)
    for width in range(40, 60):
        assert pool.frames(MJCF, rows, "front", width, 40).result(WAIT).shape == (1, 40, width, 3)


def test_a_worker_that_dies_is_replaced_unnoticed(pool: RenderPool) -> None:
    before = pool.frames(MJCF, states(1), "front", *SIZE).result(WAIT)
    first = worker_pid(pool)
    os.kill(first, signal.SIGKILL)
    np.testing.assert_array_equal(pool.frames(MJCF, states(1), "front", *SIZE).result(WAIT), before)
    assert worker_pid(pool) != first


def test_a_request_that_kills_two_workers_fails_alone(pool: RenderPool) -> None:
    doomed = pool.mp4(MJCF, states(2), "front", *SIZE, overlay=Bomb())
    good = pool.frames(MJCF, states(2), "front", *SIZE)
    with pytest.raises(WorkerDiedError, match=r"ended twice \(exit code 3\) over: 2 states of an MJCF text at 96x64"):
        doomed.result(WAIT)
    assert good.result(WAIT).shape == (2, 64, 96, 3)


def test_a_worker_that_hangs_is_ended_and_replaced(pool: RenderPool) -> None:
    picture = pool.jpegs(MJCF, states(1)[0], width=96, height=64).result(WAIT)
    with RenderPool(live_limit=WAIT, limit=0.3) as strict:
        strict.jpegs(MJCF, states(1)[0], width=96, height=64, key="me").result(WAIT)
        hung = worker_pid(strict)
        os.kill(hung, signal.SIGSTOP)
        stuck = strict.frames(MJCF, states(1)[:0], "front", *SIZE)
        while not stuck.running():  # else the live one, which may take longer, would go first
            time.sleep(0.001)
        after = strict.jpegs(MJCF, states(1)[0], width=96, height=64, key="me")
        with pytest.raises(WorkerDiedError, match=r"no answer within 0 s over: 0 states of .* at 96x64") as caught:
            stuck.result(WAIT)
        assert caught.value.late
        assert worker_pid(strict) != hung  # the next is on its way already
        assert after.result(WAIT) == picture
        wait_until_gone(hung)


def test_opengl_that_fails_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with RenderPool() as pool, pytest.raises(MissingDependencyError, match=r"A working OpenGL .* apt-get install"):
        pool.jpegs(MJCF, states(1)[0]).result(WAIT)


def test_many_threads_may_ask(pool: RenderPool) -> None:
    rows = states(8, turn=0.3)
    expected = pool.frames(MJCF, rows, "front", *SIZE).result(WAIT)
    wrong: list[int] = []

    def ask(index: int) -> None:
        picture = pool.frames(MJCF, rows[index : index + 1], "front", *SIZE).result(WAIT)[0]
        if (picture != expected[index]).any():
            wrong.append(index)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_closing_cancels_what_waits_and_ends_the_worker() -> None:
    pool = RenderPool(workers=2)
    pids = []
    for worker in pool._workers:
        while worker.pid is None:
            time.sleep(0.01)
        pids.append(worker.pid)
    waiting = [pool.frames(MJCF, states(1), "front", *SIZE) for _ in range(50)]
    pool.close(now=True)
    pool.close()
    for pid in pids:
        wait_until_gone(pid)
    with pytest.raises(CancelledError):
        waiting[-1].result(WAIT)
    with pytest.raises(RuntimeError, match="closed"):
        pool.frames(MJCF, states(1))


class SlowFake:
    """A worker that draws nothing, and waits until it is released."""

    made: ClassVar[list["SlowFake"]] = []

    def __init__(self, what: str, target: str, nice: int) -> None:
        self.nice, self.asked, self.go = nice, [], threading.Semaphore(0)  # type: ignore[var-annotated]
        SlowFake.made.append(self)

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def end(self) -> None: ...

    def ask(self, request: RenderRequest, limit: float, *, tries: int) -> object:
        self.asked.append((request.form, request.width))
        assert self.go.acquire(timeout=WAIT)
        return request.width


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[SlowFake]:
    monkeypatch.setattr(render_pool, "WorkerProcess", SlowFake)
    SlowFake.made = []
    return SlowFake.made


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


def test_live_views_never_wait_behind_clips(fakes: list[SlowFake]) -> None:
    row = states(1)
    with RenderPool() as pool:
        first = pool.mp4(MJCF, row, width=1)
        wait_for(lambda: bool(fakes[0].asked))
        clips = [pool.mp4(MJCF, row, width=2) for _ in range(3)]
        live = [pool.jpegs(MJCF, row[0], width=10 + i, key="me") for i in range(5)]  # four are overtaken
        other = pool.jpegs(MJCF, row[0], width=20, key="you")
        fakes[0].go.release(10)
        assert [future.result(WAIT) for future in (first, *clips, live[-1], other)] == [1, 2, 2, 2, 14, 20]
    assert all(future.cancelled() for future in live[:-1])
    assert fakes[0].asked == [("mp4", 1), ("jpeg", 14), ("jpeg", 20), *[("mp4", 2)] * 3]


def test_a_worker_for_live_views_alone_is_always_free_for_them(fakes: list[SlowFake]) -> None:
    row = states(1)
    with RenderPool(workers=2, live_workers=1) as pool:
        clips = [pool.mp4(MJCF, row, width=2) for _ in range(4)]
        wait_for(lambda: all(fake.asked for fake in fakes[:2]))
        fakes[2].go.release()
        assert pool.jpegs(MJCF, row[0], width=7, key="me").result(WAIT) == 7  # while both others are busy
        thumbnail = pool.jpegs(MJCF, row[0], width=3)
        for fake in fakes[:2]:
            fake.go.release(10)
        assert [future.result(WAIT) for future in (*clips, thumbnail)] == [2, 2, 2, 2, 3]
    assert fakes[2].asked == [("jpeg", 7)]
    assert [fake.nice for fake in fakes] == [10, 10, 0]


def test_a_pool_has_workers() -> None:
    with pytest.raises(InvalidValueError, match="live render workers: expected 0 or more, got -1"):
        RenderPool(live_workers=-1)
    with pytest.raises(InvalidValueError, match="render workers: expected 1 or more, got 0"):
        RenderPool(workers=0)


SCRIPT = """
import sys, time
from robo_rlhf.sim.rendering.pool import RenderPool
from tests.sim.little_scene import MJCF, states
pool = RenderPool()  # no guard by __name__: workers do not import the script again
pool.frames(MJCF, states(1), "front", 96, 64).result(60)
print(pool._workers[0].pid, flush=True)
with pool:
    while True:
        pool.frames(MJCF, states(50), "front", 96, 64).result(60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent_and_say_nothing(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        worker = int(parent.stdout.readline())
        os.killpg(parent.pid, how)  # as the terminal does at Ctrl-C
        complaints = parent.stderr.read()
    wait_until_gone(worker)
    assert complaints.count("Traceback") == (1 if how == signal.SIGINT else 0)
    assert "robo_rlhf/processes" not in complaints


def test_a_pool_that_is_not_eager_starts_a_process_with_the_first_request() -> None:
    with RenderPool(1, live_workers=1, eager=False) as pool:
        assert pool.frames(MJCF, states(2), "front", *SIZE).result(WAIT).shape == (2, *SIZE[::-1], 3)
        assert [worker.pid is None for worker in pool._workers] == [False, True]
