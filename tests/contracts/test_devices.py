"""What holds for every device."""

import pytest

from robo_rlhf.types import Source
from teleop.devices import DEVICES


@pytest.mark.parametrize("name", list(DEVICES))
def test_a_device_says_what_it_is(name: str) -> None:
    device = DEVICES[name]
    assert device.name == name
    assert isinstance(device.source, Source)
