"""Episodes of a session: on full disks, and with commands in any order."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core import files
from robo_rlhf.core.errors import DiskFullError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from tests.data.making import SmallDisk
from tests.teleop.playing import Seat

ACTS = st.one_of(
    st.tuples(st.just("move"), st.integers(1, 6)),
    st.tuples(st.just("idle"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["start", "pause", "keep", "discard", "undo", "success", "failure", "unmark"])),
    st.tuples(st.sampled_from(["again", "next"])),
    st.tuples(st.just("seek"), st.integers(0, 8)),
    st.tuples(st.just("rewind"), st.sampled_from([0.05, 0.2, 10])),
    st.tuples(st.just("seed"), st.integers(0, 3)),
    st.tuples(st.just("task"), st.sampled_from(["reach", "push"])),
    st.tuples(st.just("open"), st.integers(0, 3), st.sampled_from(["continue", "takeover"])),
    st.tuples(st.just("note"), st.text("ab", max_size=2)),
)


class Expected:
    """What a session should hold after the commands so far."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}  # episode → steps
        self.discarded: dict[str, int] = {}
        self.closed: list[tuple[str, str, int]] = []  # what can be undone of both: the command, the episode, its steps
        self.undone: set[str] = set()  # open again under another id

    def close(self, act: str, episode: str, steps: int) -> None:
        (self.kept if act == "keep" else self.discarded)[episode] = steps
        self.closed.append((act, episode, steps))

    def undo(self, act: str) -> int:
        """Return the steps of the episode that is open again."""
        what, episode, steps = self.closed.pop()
        assert what == act
        del (self.kept if act == "keep" else self.discarded)[episode]
        self.undone.add(episode)
        return steps


@settings(max_examples=30)
@given(st.lists(ACTS, max_size=25))
def test_whatever_is_done_in_whatever_order_nothing_kept_is_lost(acts: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = Expected()
        with Seat(Path(folder), dataset="all") as seat:
            for act, *values in acts:
                _do(seat, expected, act, values)
                status = seat.status
                assert status.kept == len(expected.kept)
                assert status.discarded == len(expected.discarded)
                assert 0 <= status.frame < status.frames
        dataset = Dataset(Path(folder) / "all")
        infos = {info.meta.id: info for info in dataset.list()}
        assert {episode: infos[episode].length for episode in expected.kept} == expected.kept
        others = [info.meta for episode, info in infos.items() if episode not in expected.kept]
        assert all({"branch", "interrupted"} & {*meta.tags} for meta in others)
        assert set(dataset.trash()) == {*expected.discarded} | expected.undone
        assert dataset.verify().problems == ()
        assert not list((dataset.path / "journal").iterdir())


def _do(seat: Seat, expected: Expected, act: Any, values: list[Any]) -> None:
    was_open, steps, phase = seat.session.machine.has_steps(), seat.status.frames - 1, seat.status.phase
    if act in ("move", "idle"):
        (seat.move if act == "move" else seat.let_go)(values[0])
        assert seat.status.frames >= steps + 1 or phase == "paused"  # it never shrinks by itself
        return
    undoes = seat.status.undo
    reply = seat.ask(act, *([["all", next(iter(expected.kept), "none"), *values]] if act == "open" else values))
    if act in ("keep", "discard"):
        assert act == "discard" or reply.ok == was_open
        if reply.ok and reply.episode:
            expected.close(act, reply.episode, steps)
    elif act == "undo" and undoes in ("keep", "discard"):
        assert reply.ok != was_open
        if reply.ok:
            steps = expected.undo(undoes)
            assert (seat.status.phase, seat.status.frames, seat.status.frame) == ("paused", steps + 1, steps)
    elif act == "undo":
        assert reply.ok == bool(undoes)
    elif was_open and act in ("again", "next", "seed", "task", "open"):
        assert not reply.ok


def test_a_full_disk_stops_the_world_until_there_is_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Seat(home) as seat:
        seat.record(3)
        full: list[Any] = [DiskFullError(home, 100, 0)]
        monkeypatch.setattr(EpisodeWriter, "trouble", property(lambda self: full[0]))
        seat.move(4)
        status = seat.status
        assert (status.phase, status.frames, status.holds) == ("running", 4, True)
        assert status.trouble.startswith("The disk of")
        full[0] = None
        seat.move(2)
        assert (seat.status.frames, seat.status.trouble) == (6, "")


def test_an_episode_is_closed_when_there_is_room_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close, left = EpisodeWriter.close, [2]

    def close_late(self: EpisodeWriter, *args: Any, **options: Any) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise DiskFullError(home, 100, 0)
        return close(self, *args, **options)

    monkeypatch.setattr(EpisodeWriter, "close", close_late)
    with Seat(home) as seat:
        seat.record(3)
        play = seat.session.machine
        told = []
        monkeypatch.setattr("teleop.session.episodes.DISK_FULL_RETRY", 0.05)
        assert seat.must("keep").episode in seat.dataset
        told = [tick.status.trouble for tick in seat.heard if hasattr(tick, "state")]
        assert any(text.startswith("The disk of") for text in told)
        assert (seat.status.trouble, play.episode_log.trouble) == ("", "")


def test_without_room_to_begin_the_world_waits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleop.session.world.RETRY", 0.05)
    with Seat(home) as seat:
        monkeypatch.setattr(files, "RESERVE", 2**60)
        seat.must("next")
        seat.let_go()
        seat.move(3)
        assert seat.status.phase == "ready"
        assert seat.status.trouble.startswith("The disk of")
        monkeypatch.undo()
        seat.until(lambda: seat.session.machine.world.writer is not None)
        seat.let_go(3)
        assert seat.status.phase == "ready"  # a movement of long ago begins nothing
        seat.move(3)
        assert (seat.status.phase, seat.status.trouble) == ("running", "")
        seat.must("keep")
        assert len(seat.only()) == 3


def test_a_disk_that_fills_while_recording_loses_nothing(small_disk: SmallDisk) -> None:
    with Seat(small_disk.folder) as seat:
        seat.record(10)
        small_disk.fill()
        writer = seat.session.machine.world.writer
        assert writer is not None
        seat.move(3)
        seat.until(lambda: writer.trouble is not None)
        steps = seat.status.frames - 1
        seat.move(5)
        assert (seat.status.frames - 1, seat.status.holds) == (steps, True)
        assert "almost full" in seat.status.trouble
        small_disk.free()
        seat.until(lambda: writer.trouble is None)
        seat.move(5)
        assert seat.status.frames - 1 == steps + 5
        seat.must("keep")
        assert len(seat.only()) == steps + 5


def test_a_session_that_ends_on_a_full_disk_leaves_its_episode_to_recovery(small_disk: SmallDisk) -> None:
    with Seat(small_disk.folder) as seat:
        seat.record(10)
        writer = seat.session.machine.world.writer
        assert writer is not None
        seat.until(lambda: not writer._rows[writer._encoded :])  # written
        small_disk.fill()
    small_disk.free()
    dataset = Dataset(small_disk.folder / "reach")
    assert len(dataset.recovery.recovered) == 1
    assert len(dataset.load(dataset.ids()[0])) == 10
