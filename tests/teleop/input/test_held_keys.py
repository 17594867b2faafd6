import numpy as np

from teleop.input.held_keys import HOLD, ONCE, HeldKeys
from teleop.input.terminal_keys import Flags, Focus, KeyEvent

W, A, SPACE = KeyEvent("KeyW"), KeyEvent("KeyA"), KeyEvent("Space")


def up(event: KeyEvent) -> KeyEvent:
    return event._replace(kind="release")


def test_without_releases_a_key_is_held_for_a_moment_after_it_was_heard() -> None:
    keys = HeldKeys()
    keys.feed([W, A], 0.0)
    np.testing.assert_array_equal(keys.twist(HOLD), [1, 1, 0, 0, 0, 0])
    keys.feed([W], HOLD)
    np.testing.assert_array_equal(keys.twist(1.5 * HOLD), [1, 0, 0, 0, 0, 0])
    assert not keys.twist(2.1 * HOLD).any()


def test_with_releases_a_key_is_held_until_it_is_released() -> None:
    keys = HeldKeys()
    keys.feed([Flags(releases=True), W, A], 0.0)
    np.testing.assert_array_equal(keys.twist(9.0), [1, 1, 0, 0, 0, 0])
    keys.feed([up(W)], 9.0)
    np.testing.assert_array_equal(keys.twist(9.0), [0, 1, 0, 0, 0, 0])


def test_opposite_keys_cancel_and_both_keys_of_one_thing_count_once() -> None:
    keys = HeldKeys()
    keys.feed([W, KeyEvent("ArrowUp"), A, KeyEvent("KeyD")], 0.0)
    np.testing.assert_array_equal(keys.twist(0.0), [1, 0, 0, 0, 0, 0])


def test_a_window_that_loses_the_focus_lets_go() -> None:
    keys = HeldKeys()
    keys.feed([Flags(releases=True), W, Focus(gained=False)], 0.0)
    assert not keys.twist(0.0).any()


def test_a_key_that_repeats_is_one_press() -> None:
    keys = HeldKeys()
    times = [0.0, 0.5, *np.arange(0.53, 2.0, 0.03), 2.0 + ONCE]
    assert [t for t in times if keys.feed([SPACE], t)] == [0.0, 2.0 + ONCE]
    releases = HeldKeys()
    repeat = SPACE._replace(kind="repeat")
    assert releases.feed([Flags(releases=True), SPACE, repeat, repeat, up(SPACE), SPACE], 0.0) == ["gripper"] * 2


def test_going_back_may_be_said_again_sooner() -> None:
    keys = HeldKeys()
    back = KeyEvent("Backspace")
    assert [t for t in (0.0, 0.1, 0.4, 0.7) if keys.feed([back], t)] == [0.0, 0.4, 0.7]


def test_slow_is_shift_in_either_way() -> None:
    old, new = HeldKeys(), HeldKeys()
    old.feed([W._replace(shift=True)], 0.0)
    new.feed([Flags(releases=True), KeyEvent("ShiftLeft", shift=True), W._replace(shift=True)], 0.0)
    assert old.holds("slow", 0.1)
    assert not old.holds("slow", 0.1 + HOLD)
    assert new.holds("slow", 5.0)
    new.feed([up(KeyEvent("ShiftLeft"))], 5.0)
    assert not new.holds("slow", 5.0)


def test_keys_with_control_and_keys_of_nothing_do_nothing() -> None:
    keys = HeldKeys()
    assert keys.feed([KeyEvent("KeyG", control=True), KeyEvent("F9"), KeyEvent("")], 0.0) == []
    assert keys.held(0.0) == ()
