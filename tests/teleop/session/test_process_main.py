import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.tasks import TASKS
from teleop.ipc.messages import Begin, Do, Input, Scene, Tick
from teleop.ipc.session_process import Ended, SessionProcess
from tests.teleop.remote import Remote
from tests.teleop.session.test_branch import check_replays

ROOT = Path(__file__).parents[3]
BAR = 0.5  # [s] of an open episode that may be lost


def test_a_session_in_a_process_of_its_own(home: Path) -> None:
    with Remote(home) as remote:
        remote.begin()
        remote.hold(0.5)
        kept = remote.ask("keep")
        assert kept.ok
        remote.until(lambda: remote.status.kept == 1)
        assert (remote.status.phase, remote.status.seed) == ("ready", 6)
        assert remote.of(Scene)[0].task == "reach"
        ticks = [tick.status.tick for tick in remote.of(Tick)]
        assert ticks == sorted(ticks)
        check_replays(Dataset(home / "reach").load(kept.episode))
    assert remote.ended() == Ended("The session was ended; its open episode is kept, tagged as interrupted.", 0)
    assert not remote.process.send(Input("input", 1, 9999, (0, 0, 0, 0, 0, 0), -1.0, 0.0))


def test_messages_out_of_order_do_not_count(home: Path) -> None:
    with Remote(home) as remote:
        remote.begin()
        newest = remote.say(0.25, sequence=1000)
        remote.until(lambda: remote.of(Tick)[-1].sequence == 1000)
        for late in (999, 3, 1000):
            remote.say(-1.0, sequence=late, at=-1.0)
        remote.say(0.1, sequence=5000, fence=0)
        time.sleep(0.2)
        newest_tick = remote.of(Tick)[-1]
        assert (newest_tick.sequence, newest_tick.at) == (1000, float(newest))
        kept = remote.ask("keep")
    action = Dataset(home / "reach").load(kept.episode).action
    assert {*action[:, 0].tolist()} <= {0.5, 0.25, 0.0}


@pytest.mark.parametrize("how", ["close", "torn", "SIGTERM", "SIGINT", "SIGHUP"])
def test_however_it_ends_the_open_episode_is_kept(home: Path, how: str) -> None:
    with Remote(home) as remote:
        remote.begin()
        remote.hold(0.3)
        cut_short, steps = remote.status.episode, remote.status.frames - 1
        if how == "close":
            remote.process.close()
        elif how == "torn":
            remote.process._channel._frames.break_off()
        else:
            os.kill(remote.process.pid, signal.Signals[how])
        assert remote.ended().code == 0
    dataset = Dataset(home / "reach")
    assert dataset.recovery.recovered == ()
    info = dataset.info(cut_short)
    assert (info.meta.outcome, info.meta.tags) == ("aborted", ("interrupted",))
    assert info.length >= steps


def test_what_cannot_begin_says_why_and_ends(home: Path) -> None:
    with Remote(home, "reech") as remote:
        ended = remote.ended()
        assert (ended.code, "Did you mean 'reach'" in ended.text) == (2, True)


def test_a_spare_that_is_never_needed_ends_with_its_station(home: Path) -> None:
    spare = SessionProcess()
    assert spare.ready.wait(30)
    spare.close()
    heard: list[object] = []
    spare.begin(Begin(home, "reach", "reach", "Ada"), heard.append)
    (ended,) = heard
    assert isinstance(ended, Ended)
    assert not home.exists()


def test_a_warm_spare_shows_its_first_picture_at_once(home: Path) -> None:
    spare = SessionProcess()
    try:
        assert spare.ready.wait(30)
        shown = threading.Event()
        began = time.monotonic()
        hear = lambda message: shown.set() if isinstance(message, Tick) else None  # noqa: E731
        spare.begin(Begin(home, "pick_place", "pick_place", "Ada"), hear)
        assert shown.wait(30)
        assert time.monotonic() - began < 1.0  # 50 ms where nothing else runs
    finally:
        spare.close()


def test_two_sessions_record_into_one_dataset(home: Path) -> None:
    with Remote(home, operator="Ada", seed=None) as ada:
        ada.begin()
        with Remote(home, operator="Ben", seed=None) as ben:
            ben.begin()
            assert (ada.status.seed, ben.status.seed) == (0, 1000)  # not the same starts twice
            kept = take_turns(ada, ben)
    dataset = Dataset(home / "reach")
    assert {info.meta.id: info.meta.operator for info in dataset.list()} == kept
    assert dataset.recovery.live == ()


def take_turns(ada: Remote, ben: Remote) -> dict[str, str]:
    """Keep two episodes each, and discard what follows; return who recorded what."""
    kept: dict[str, str] = {}
    for _ in range(2):
        for remote, name in ((ada, "Ada"), (ben, "Ben")):
            remote.until(lambda remote=remote: remote.status.frames >= 3)  # type: ignore[misc]
            kept[remote.ask("keep").episode] = name
            remote.ask("start")
    for remote in (ada, ben):
        remote.ask("discard")
    return kept


def kill_some(home: Path, count: int, seed: int) -> None:
    """Kill `count` sessions at random instants; check what each left behind."""
    rng = np.random.default_rng(seed)
    for number, rate in enumerate(rng.uniform(20, 50, count)):
        task = f"d{number}"
        with Remote(home, dataset=task, rate=float(rate)) as remote:
            remote.begin()
            closed = [remote.ask("keep").episode for _ in range(int(rng.integers(0, 2))) if remote.status.frames > 1]
            if closed:
                remote.ask("start")
            time.sleep(float(rng.uniform(0.0, 1.2)))
            if rng.random() < 0.3:  # while it is being closed
                remote.process.send(Do("do", 1, 10_000, "keep"))
                time.sleep(float(rng.uniform(0, 0.02)))
            remote.process.kill()
            killed = time.monotonic()
            assert remote.ended().code == -signal.SIGKILL
        check(home / task, remote, closed, killed)


def check(folder: Path, remote: Remote, closed: list[str], killed: float) -> None:
    """Check that closed episodes are whole, and that at most BAR seconds of the open one are lost."""
    dataset = Dataset(folder)
    assert dataset.verify().problems == ()
    for episode in closed:
        assert "recovered" not in dataset.load(episode).meta.tags
    ticks = [(at, message.status) for at, message in remote.heard if isinstance(message, Tick)]
    last = ticks[-1][1].episode
    safe = [status.frames - 1 for at, status in ticks if status.episode == last and at < killed - BAR]
    if last and max(safe, default=0) > 0:
        episode = dataset.load(last)
        assert len(episode) >= max(safe)
        check_replays(episode)
    assert not list((folder / "journal").iterdir())
    assert not (folder / "quarantine").exists()


def test_kill_9_loses_half_a_second_at_most(home: Path) -> None:
    kill_some(home, 3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_kill_9_a_hundred_times(home: Path, seed: int) -> None:
    kill_some(home, 10, seed)


def test_after_a_kill_the_next_session_offers_to_go_on(home: Path) -> None:
    with Remote(home) as remote:
        remote.begin()
        remote.hold(0.8)
        cut_short = remote.status.episode
        remote.process.kill()
        text = remote.ended().text
        assert "ended (killed by signal 9)" in text
        assert "at most half a second is lost" in text
    with Remote(home) as remote:
        remote.until(lambda: any(getattr(message, "offer", None) for _, message in remote.heard))
        (offer,) = (message.offer for _, message in remote.heard if getattr(message, "offer", None))
        assert offer[:2] == ("reach", cut_short)
        assert remote.ask("open", [*offer, "continue"]).ok
        remote.until(lambda: remote.status.frame == offer[2])
        assert (remote.status.phase, remote.status.parent) == ("paused", cut_short)


def test_what_was_said_of_an_open_episode_survives_kill_9(home: Path) -> None:
    with Remote(home) as remote:
        remote.begin()
        remote.hold(0.8)
        assert remote.ask("note", "the cup slipped").ok
        assert remote.ask("success").ok
        cut_short = remote.status.episode
        remote.process.kill()
        remote.ended()
    dataset = Dataset(home / "reach")
    assert dataset.recovery.recovered == (cut_short,)
    meta = dataset.info(cut_short).meta
    assert (meta.note, meta.outcome, meta.tags) == ("the cup slipped", "success", ("recovered",))
    assert not list((home / "reach" / "journal").iterdir())


def test_a_branch_keeps_the_note_also_after_kill_9(home: Path) -> None:
    with Remote(home) as remote:
        remote.begin()
        remote.hold(0.8)
        assert remote.ask("failure").ok
        assert remote.ask("note", "goes another way").ok
        before = remote.status.episode
        assert remote.ask("seek", 3).ok
        remote.ask("start")
        remote.until(lambda: remote.status.phase == "running" and remote.status.episode != before)
        remote.hold(0.4)
        branch = remote.status.episode
        remote.process.kill()
        remote.ended()
    dataset = Dataset(home / "reach")
    meta = dataset.info(branch).meta
    assert (meta.note, meta.outcome, meta.parent) == ("goes another way", "aborted", before)


def test_the_catalogue_needs_no_simulator_to_be_read() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "teleop.ipc.task_catalogue"], capture_output=True, check=True, cwd=ROOT
    )
    tasks = {task["name"]: task for task in json.loads(done.stdout)}
    assert tasks.keys() == TASKS.keys()
    place = tasks["pick_place"]
    assert (place["instruction"], place["horizon"], place["control_hz"]) == ("Put the red cube into the bin.", 120, 20)
    assert place["cameras"] == ["front", "side", "top", "wrist"]
    assert (place["goals"], place["action_names"]) == (["bin"], ["x", "y", "z", "yaw", "gripper"])


def test_the_stations_end_imports_neither_mujoco_nor_torch() -> None:
    code = "import sys, teleop.ipc.session_process; sys.exit(bool({'mujoco', 'torch'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
