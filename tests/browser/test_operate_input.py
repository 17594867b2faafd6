"""Input mapping of held keys, pads, drags and gamepads: the pure functions of the page, in Chromium."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import OpenPage, Served

Call = Callable[..., Any]
TABLE = [
    {"name": "ahead", "axis": 0, "sign": 1, "held": True},
    {"name": "back", "axis": 0, "sign": -1, "held": True},
    {"name": "left", "axis": 1, "sign": 1, "held": True},
    {"name": "keep", "axis": None, "sign": 0, "held": False},
]
ARM = ["x", "y", "z", "yaw", "gripper"]


@pytest.fixture
def run(open_page: OpenPage, station: Served) -> Call:
    """Return a function that runs JavaScript with the module as `m`: `run("m.stick(a, b)", a=1, b=0)`."""
    page = open_page(f"{station.url}/sign-in")

    def call(code: str, **values: Any) -> Any:
        names = ", ".join(values)
        script = f"async ({{{names}}}) => {{ const m = await import('/static/x/operate/input.js'); return {code}; }}"
        return page.evaluate(script, values)

    return call


def test_keys_add_up_and_begin_gently(run: Call) -> None:
    twist = "m.fromKeys(new Map(held), table, now)"
    assert run(twist, held=[["ahead", 0]], table=TABLE, now=1000) == [1, 0, 0, 0, 0, 0]
    assert run(twist, held=[["ahead", 0], ["back", 0]], table=TABLE, now=1000) == [0, 0, 0, 0, 0, 0]
    assert run(twist, held=[["keep", 0]], table=TABLE, now=1000) == [0, 0, 0, 0, 0, 0]
    at_once = run(twist, held=[["left", 1000]], table=TABLE, now=1000)
    assert at_once == [0, pytest.approx(0.45), 0, 0, 0, 0]


def test_ahead_is_away_from_the_viewer_wherever_that_stands(run: Call) -> None:
    code = "m.toWorld([1, 0, 0, 0, 0, 0], azimuth, actions)"
    for azimuth, expected in ((0, [1, 0]), (90, [0, 1]), (180, [-1, 0]), (-90, [0, -1])):
        assert run(code, azimuth=azimuth, actions=ARM)[:2] == pytest.approx(expected)
    left = run("m.toWorld([0, 1, 0, 0, 0, 0.5], 90, actions)", actions=ARM)
    assert left == pytest.approx([-1, 0, 0, 0, 0, 0.5])
    assert run("m.toWorld([0, 0, 1, 1, 0, 0], 90, actions)", actions=ARM) == pytest.approx([0, 0, 1, 0, 1, 0])


def test_a_rover_is_driven_in_its_own_frame(run: Call) -> None:
    code = "m.toWorld([0.5, 1, 0, 0, 0, 0.2], 137, ['forward', 'turn'])"
    assert run(code) == pytest.approx([0.5, 0, 0, 0, 0, 1])


def test_together_nothing_is_faster_than_full_speed(run: Call) -> None:
    total = run("m.sum([[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1]])")
    assert total == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0, 0, 1])


def test_a_stick_has_a_dead_zone_and_reaches_its_end(run: Call) -> None:
    assert run("m.stick(0.1, 0.1)") == [0, 0]
    assert run("m.stick(1, 0)") == pytest.approx([1, 0])
    assert run("m.stick(-1, -1)") == pytest.approx([-(0.5**0.5), -(0.5**0.5)])
    half = run("m.stick(0.5, 0)")[0]
    assert 0.1 < half < 0.5


def test_a_gamepad_moves_turns_and_presses(run: Call) -> None:
    buttons = [{"pressed": index in (0, 5), "value": 0} for index in range(17)]
    code = "(({twist, takeover, slow, pressed}) => [twist, takeover, slow, [...pressed]])(m.fromGamepad(pad))"
    twist, takeover, slow, pressed = run(code, pad={"axes": [0, -1, 1, 0], "buttons": buttons})
    assert twist == pytest.approx([1, 0, 0, 0, 0, -1])
    assert (takeover, slow, pressed) == (True, False, ["gripper"])
    code = "m.fromGamepad({axes: [0, 0, 0, 0], buttons: []}).twist"
    assert run(code) == [0] * 6


def test_pads_under_thumbs(run: Call) -> None:
    assert run("m.fromPad('move', 0, -1)") == pytest.approx([1, 0, 0, 0, 0, 0])
    assert run("m.fromPad('move', -1, 0)") == pytest.approx([0, 1, 0, 0, 0, 0])
    assert run("m.fromPad('lift', 0, -1)") == pytest.approx([0, 0, 1, 0, 0, 0])
    assert run("m.fromPad('lift', 1, 0)") == pytest.approx([0, 0, 0, 0, 0, -1])


def test_a_drag_is_caught_up_with_and_then_stops(run: Call) -> None:
    code = """(() => {
      const drag = new m.Drag(); drag.add(-64, 0, 640, false);
      const taken = [];
      for (let i = 0; i < 8; i++) taken.push(drag.take(1));
      return taken;
    })()"""
    taken = run(code)
    assert sum(step[1] for step in taken) == pytest.approx(4, abs=0.05)  # a tenth of the view
    assert max(step[1] for step in taken) <= 1
    assert taken[-1] == [0] * 6


def test_latency_is_that_of_the_oldest_change_that_a_picture_shows(run: Call) -> None:
    code = """(() => {
      const latency = new m.Latency();
      latency.sent(1, 100, true); latency.sent(2, 150, false); latency.sent(3, 160, true);
      return [latency.usual, latency.shown(0, 200), latency.shown(2, 200), latency.shown(2, 210), latency.shown(9, 220),
              latency.usual];
    })()"""
    assert run(code) == [None, None, 100, None, 60, 100]
