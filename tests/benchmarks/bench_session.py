"""The session's process against its bars: `pytest -m bench -s tests/benchmarks/bench_session.py`.

The number of steps of the last one is set by $SESSION_STEPS; the bar is over 100,000, which takes about half an hour.
"""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.ipc.messages import Tick
from tests.teleop.remote import Remote

pytestmark = pytest.mark.bench
TASK = "pick_place"
SECONDS = 20.0  # of each measurement
STEPS = int(os.environ.get("SESSION_STEPS", "5000"))


def lateness(remote: Remote, seconds: float) -> Array:
    """Hold a key for some seconds; return how late each tick was [ms]."""
    first = len(remote.heard)
    remote.hold(seconds)
    ticks = {m.status.tick: m.status.late for _, m in remote.heard[first:] if isinstance(m, Tick) and m.status.tick}
    return np.array([ticks[number] for number in sorted(ticks)[1:]])


def newest_state(remote: Remote) -> Array:
    """Return the state shown last (nstate,)."""
    state: Array = remote.of(Tick)[-1].state
    return state


def newest_at(remote: Remote) -> float:
    """Return when the newest tick was heard of [s] monotonic."""
    return next(at for at, message in reversed(remote.heard) if isinstance(message, Tick))


@pytest.mark.parametrize("cameras", [0, 2])
def test_tick_jitter(home: Path, cameras: int) -> None:
    """Bar: at 30 Hz, p99 at most 5 ms, also while two cameras are drawn of every tick."""
    with RenderPool() as pool, Remote(home, TASK, rate=30.0) as remote:
        drawn = [0]
        stop = threading.Event()

        def draw() -> None:
            while not stop.is_set():
                pool.jpegs(TASK, newest_state(remote), ["front", "side"], 320, 240).result(60)
                drawn[0] += 1
                time.sleep(0.005)

        remote.begin()
        painter = threading.Thread(target=draw)
        if cameras:
            painter.start()
            time.sleep(2.0)  # the first picture takes long
        drawn[0] = 0
        late = lateness(remote, SECONDS)
        stop.set()
        if cameras:
            painter.join()
        kept = remote.ask("keep").episode
    wall = Dataset(home / TASK).timing(kept).wall_time
    off = np.abs(np.diff(wall) * 1e3 - 1e3 / 30)[-len(late) :]
    p99, worst, uneven = np.quantile(late, 0.99), late.max(), np.quantile(off, 0.99)
    print(
        f"\n{cameras} cameras ({drawn[0] / SECONDS:.0f} pictures of each a second), {len(late)} ticks at 30 Hz: ",
        end="",
    )
    print(f"late by p99 {p99:.2f}, worst {worst:.1f} ms; time between ticks off by p99 {uneven:.2f} ms")
    assert p99 <= 5.0


def test_two_operators(home: Path) -> None:
    """Bar: two sessions at 20 Hz, recording into one dataset while both are drawn: no tick later than 25 ms."""
    stop = threading.Event()
    with RenderPool() as pool, Remote(home, TASK) as one, Remote(home, TASK) as other:

        def draw() -> None:
            while not stop.is_set():
                for remote in (one, other):
                    pool.jpegs(TASK, newest_state(remote), ["front", "side"], 320, 240).result(60)
                time.sleep(0.005)

        for remote in (one, other):
            remote.begin()
        painter = threading.Thread(target=draw)
        painter.start()
        time.sleep(2.0)  # the first picture takes long
        with ThreadPoolExecutor(2) as hands:
            late = np.concatenate(list(hands.map(lateness, (one, other), (SECONDS, SECONDS))))
        stop.set()
        painter.join()
        kept = {remote.ask("keep").episode for remote in (one, other)}
    assert kept <= set(Dataset(home / TASK).ids())
    p99, worst = np.quantile(late, 0.99), late.max()
    print(f"\ntwo operators, {len(late)} ticks at 20 Hz: late by p99 {p99:.2f}, worst {worst:.1f} ms")
    assert worst <= 25.0


def test_keep_to_the_next_episode(home: Path) -> None:
    """Bar: from keep to the first tick of the next seed, and to its first step, at most 50 ms each."""
    shown, stepped, durable = [], [], []
    with Remote(home, TASK) as remote:
        remote.begin()
        for number in range(20):
            remote.hold(1.0)
            first, asked = len(remote.heard), time.monotonic()
            remote.ask("keep")
            durable.append(time.monotonic() - asked)
            remote.until(lambda seed=6 + number: remote.status.seed == seed)  # type: ignore[misc]
            at = {m.status.seed: t for t, m in reversed(remote.heard[first:]) if isinstance(m, Tick)}
            shown.append(at[6 + number] - asked)
            asked = time.monotonic()
            remote.ask("start")
            remote.until(lambda: remote.status.frames > 1)
            stepped.append(newest_at(remote) - asked)
    for name, times in (("first picture's state", shown), ("start to first step", stepped), ("kept, durably", durable)):
        print(f"\n{name}: median {1e3 * np.median(times):.1f}, worst {1e3 * max(times):.1f} ms", end="")
    print()
    assert np.median(shown) <= 0.050
    assert np.quantile(shown, 0.95) <= 0.050


def test_rows_against_frames_under_stress(home: Path) -> None:
    """Bar: every row holds the state that was shown with its number, 0 mismatches, while all processors are busy."""
    burn = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(burn) for _ in range(os.cpu_count() or 2)]
    mismatches = rows = pictures = 0
    try:
        with Remote(home, TASK, rate=50.0) as remote:
            remote.begin()
            while rows < STEPS:
                first = len(remote.heard)
                remote.hold(10.0)
                kept = remote.ask("keep").episode
                remote.ask("start")
                ticks = [m for _, m in remote.heard[first:] if isinstance(m, Tick) and m.status.episode == kept]
                states = Dataset(home / TASK).load(kept).state
                rows += len(states) - 1
                pictures += len(ticks)
                mismatches += sum(states[t.status.frame].tobytes() != t.state.tobytes() for t in ticks)
                del remote.heard[: len(remote.heard) - 100]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    print(f"\n{rows:,} rows recorded at 50 Hz, {pictures:,} states shown of them: {mismatches} mismatches")
    assert mismatches == 0
