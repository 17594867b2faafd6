"""The control lease: one page drives, the lease waits for an absent operator, and each handover is shown."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import NotNowError
from teleop.station.operate.control_lease import PATIENCE, ControlLease, seat_id


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _made() -> tuple[ControlLease, _Clock, list[str]]:
    clock, log = _Clock(), list[str]()
    return ControlLease("ana", clock=clock, log=log.append), clock, log


def test_the_owner_drives_and_others_watch() -> None:
    lease, _, log = _made()
    lease.join("b", "ben")
    assert lease.holder is None
    lease.join("a", "ana")
    assert lease.allows("a", lease.fence)
    assert not lease.allows("b", lease.fence)
    assert not lease.allows("a", lease.fence - 1)
    controls = lease.controls("b")
    assert controls.holder is not None
    assert (controls.you, controls.holder.name, controls.away) == ("b", "ana", False)
    assert [spectator.name for spectator in controls.spectators] == ["ben"]
    assert log == ["ana drives."]


def test_who_comes_back_in_time_or_before_anyone_took_over_still_drives() -> None:
    lease, clock, log = _made()
    lease.join("a", "ana")
    fence = lease.fence
    for away in (1.0, PATIENCE - 1, 10 * PATIENCE):
        lease.leave("a")
        assert lease.controls("a").away
        clock.now += away
        lease.join("a", "ana")
        assert lease.allows("a", lease.fence)
        assert not lease.allows("a", fence)  # what the lost connection still held
    assert len(log) == 1


def test_another_person_takes_over_only_when_the_lease_has_run_out() -> None:
    lease, clock, log = _made()
    lease.join("a", "ana")
    lease.join("b", "ben")
    with pytest.raises(
        NotNowError, match=r"ana drives\. Ask for the controls, and you can drive when they hand over\."
    ):
        lease.take("b")
    lease.leave("a")
    clock.now += PATIENCE - 10
    with pytest.raises(NotNowError, match="you can drive in 10 s, if they stay away"):
        lease.take("b")
    clock.now += 10
    old = lease.fence
    lease.take("b")
    assert not lease.allows("a", old)
    assert lease.allows("b", lease.fence)
    assert log[-1] == "ben took over from ana, who was away."
    lease.join("a", "ana")
    assert not lease.allows("a", lease.fence)
    assert [spectator.name for spectator in lease.controls("b").spectators] == ["ana"]


def test_who_asked_gets_the_controls_when_they_are_let_go_handed_over_or_left() -> None:
    lease, clock, log = _made()
    for page, person in (("a", "ana"), ("b", "ben"), ("c", "cem")):
        lease.join(page, person)
    lease.ask("c")
    lease.ask("b")
    assert [seat.person for seat in lease.askers] == ["ben", "cem"]
    lease.give("a", "c")
    assert lease.allows("c", lease.fence)
    assert not lease.expire()
    lease.release("c")
    assert lease.allows("b", lease.fence)
    lease.ask("a")
    lease.leave("b")
    assert not lease.expire()
    clock.now += PATIENCE
    assert lease.expire()
    assert lease.allows("a", lease.fence)
    lease.release("a")
    assert lease.holder is None
    lease.ask("c")
    assert lease.allows("c", lease.fence)
    assert log[1:] == [
        "ana handed the controls to cem.",
        "cem handed the controls to ben.",
        "ana took over from ben, who was away.",
        "ana let the controls go.",
        "cem drives.",
    ]


def test_only_who_drives_hands_over_and_only_to_who_is_there() -> None:
    lease, _, _ = _made()
    lease.join("a", "ana")
    lease.join("b", "ben")
    with pytest.raises(NotNowError, match="Only the page that drives"):
        lease.give("b", "a")
    lease.leave("b")
    with pytest.raises(NotNowError, match="The person who asked has left"):
        lease.give("a", "b")


def test_a_second_tab_of_the_same_person_watches_until_they_want_to_drive_there() -> None:
    lease, _, log = _made()
    lease.join("a", "ana")
    lease.join("a2", "ana")
    assert not lease.allows("a2", lease.fence)
    lease.take("a2")
    assert lease.allows("a2", lease.fence)
    assert log[-1] == "ana drives from another tab."


def test_a_new_tab_drives_on_at_once_where_the_old_one_is_gone() -> None:
    lease, _, log = _made()
    lease.join("a1", "ana")
    old = lease.fence
    lease.leave("a1")
    lease.join("b1", "ben")
    assert not lease.allows("b1", lease.fence)
    lease.join("a2", "ana")
    assert lease.allows("a2", lease.fence)
    assert lease.fence > old
    assert log[-1] == "ana drives on; the tab that drove is gone."
    lease.join("a1", "ana")  # it comes back after all, and drives nothing
    assert not lease.allows("a1", lease.fence)


def test_the_id_of_a_seat_belongs_to_one_person_and_hides_the_key() -> None:
    assert seat_id("ana", "key") == seat_id("ana", "key") != seat_id("ben", "key")
    assert "key" not in seat_id("ana", "key")


@given(st.lists(st.tuples(st.sampled_from("jltargxe"), st.sampled_from("abc"), st.floats(0, 40)), max_size=40))
def test_there_is_never_more_than_one_who_drives_and_numbers_never_come_again(
    steps: list[tuple[str, str, float]],
) -> None:
    lease, clock, _ = _made()
    people = {"a": "ana", "b": "ben", "c": "ana"}
    holders: dict[int, str | None] = {}
    here: set[str] = set()
    for step, page, seconds in steps:
        clock.now += seconds
        if step == "j":
            lease.join(page, people[page])
            here.add(page)
        elif page in here:
            with contextlib.suppress(NotNowError):
                _do(lease, step, page, here)
        assert sum(lease.allows(page, lease.fence) for page in people) <= 1
        holder = lease.holder.id if lease.holder else None
        assert holders.setdefault(lease.fence, holder) == holder


def _do(lease: ControlLease, step: str, page: str, here: set[str]) -> None:
    if step == "l":
        lease.leave(page)
        here.discard(page)
    elif step == "t":
        lease.take(page)
    elif step == "a":
        lease.ask(page)
    elif step == "r":
        lease.release(page)
    elif step == "g":
        lease.give(page, "b")
    elif step == "e":
        lease.expire()
