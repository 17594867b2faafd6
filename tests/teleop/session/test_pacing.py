import time

import pytest

from teleop.session.pacing import Pacer


class FakeTime:
    """A clock on the wall that only sleeping and looking at it move on."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0.0

    def monotonic(self) -> float:
        self.now += 1e-5
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(time, "monotonic", fake.monotonic)
    monkeypatch.setattr(time, "sleep", fake.sleep)
    return fake


def test_work_between_ticks_does_not_shift_them(wall: FakeTime) -> None:
    clock = Pacer(0.05)
    ticks = []
    for work in [0.0, 0.03, 0.049, 0.001] * 5:
        assert clock.wait() < 1e-3
        ticks.append(wall.now)
        wall.now += work
    assert ticks == pytest.approx([ticks[0] + 0.05 * i for i in range(20)], abs=1e-4)
    assert clock.missed == 0


def test_the_last_millisecond_is_spent_awake(wall: FakeTime) -> None:
    clock = Pacer(0.05)
    clock.wait()
    clock.wait()
    assert wall.slept == pytest.approx(0.049, abs=1e-3)


def test_ticks_that_were_missed_are_not_made_up_for(wall: FakeTime) -> None:
    clock = Pacer(0.05)
    clock.wait()
    first = wall.now
    wall.now += 0.23  # the next was due at 0.05: 0.18 late, three more periods passed
    assert clock.wait() == pytest.approx(0.18, abs=1e-3)
    assert clock.missed == 3
    clock.wait()
    assert wall.now == pytest.approx(first + 0.25, abs=1e-3)  # in the old rhythm


def test_after_a_restart_it_ticks_at_once(wall: FakeTime) -> None:
    clock = Pacer(0.05)
    clock.wait()
    wall.now += 60
    clock.restart()
    assert clock.wait() < 1e-3
    assert clock.missed == 0


def test_without_pace_it_never_waits(wall: FakeTime) -> None:
    clock = Pacer(0.05, pace=False)
    assert [clock.wait() for _ in range(100)] == [0.0] * 100
    assert wall.slept == 0.0
