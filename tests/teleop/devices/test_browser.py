import time

import numpy as np
import pytest

from teleop.devices.browser import TAKEOVER, Browser
from teleop.ipc.messages import Input
from tests.teleop.making import world


@pytest.fixture
def device() -> Browser:
    return Browser(world())


def said(sequence: int, x: float = 0.0, *, fence: int = 1, **fields: object) -> Input:
    return Input("input", fence, sequence, (x, 0, 0, 0, 0, 0), -1.0, 7.0 * sequence, **fields)  # type: ignore[arg-type]


def test_before_the_first_message_nothing_is_heard(device: Browser) -> None:
    with device as opened:
        command = opened.read()
        assert (command.active, command.twist.any(), opened.sequence, opened.at) == (False, False, 0, 0.0)


def test_it_says_what_the_newest_message_says(device: Browser) -> None:
    assert device.put(said(1, 0.25))
    assert device.put(said(2, 0.5, takeover=True))
    command = device.read()
    np.testing.assert_array_equal(command.twist, [0.5, 0, 0, 0, 0, 0])
    assert (command.gripper, command.active, command.buttons) == (-1.0, True, {TAKEOVER})
    assert (device.sequence, device.at) == (2, 14.0)
    time.sleep(0.03)
    assert 0.03 <= device.read().age < 1


def test_late_and_repeated_messages_do_not_count(device: Browser) -> None:
    device.put(said(5, 0.5))
    for late in (5, 4, 1):
        assert not device.put(said(late, -1.0))
    assert device.read().twist[0] == 0.5


def test_a_new_lease_counts_anew_and_ends_the_old_one(device: Browser) -> None:
    device.put(said(500, 0.5, fence=3))
    assert not device.put(said(501, 0.1, fence=2))
    assert device.put(said(1, 0.2, fence=4))
    assert not device.put(said(502, 0.1, fence=3))
    assert (device.read().twist[0], device.fence) == (0.2, 4)


def test_an_idle_operator_moves_nothing_but_has_a_gripper(device: Browser) -> None:
    device.put(Input("input", 1, 1, (1, 1, 1, 1, 1, 1), 1.0, 0.0, idle=True))
    command = device.read()
    assert (command.active, command.gripper, command.twist.any()) == (False, 1.0, False)
