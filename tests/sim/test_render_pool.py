import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from robo_rlhf.errors import InvalidValueError, NotFoundError, ShapeError, UnknownNameError, WorkerDiedError
from robo_rlhf.sim.clips import render_clip
from robo_rlhf.sim.render import FrameRenderer, load_model
from robo_rlhf.sim.render_pool import RenderPool
from robo_rlhf.sim.video import decode_mp4
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
    process = pool._workers[0]._process
    assert process is not None
    return process.pid


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
        while worker._process is None:
            time.sleep(0.01)
        pids.append(worker._process.pid)
    waiting = [pool.frames(MJCF, states(1), "front", *SIZE) for _ in range(50)]
    pool.close(now=True)
    pool.close()
    for pid in pids:
        wait_until_gone(pid)
    with pytest.raises(CancelledError):
        waiting[-1].result(WAIT)
    with pytest.raises(RuntimeError, match="closed"):
        pool.frames(MJCF, states(1))


def test_a_pool_has_workers() -> None:
    with pytest.raises(InvalidValueError, match="render workers: expected 1 or more, got 0"):
        RenderPool(workers=0)


SCRIPT = """
import sys, time
from robo_rlhf.sim.render_pool import RenderPool
from tests.sim.little_scene import MJCF, states
pool = RenderPool()  # no guard by __name__: workers do not import the script again
pool.frames(MJCF, states(1), "front", 96, 64).result(60)
print(pool._workers[0]._process.pid, flush=True)
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
    assert "render_worker" not in complaints
