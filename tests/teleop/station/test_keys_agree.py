"""A key means the same on every page that plays clips, and where a robot is driven."""

from collections import defaultdict

from teleop.input.key_bindings import KEYS as DRIVING
from teleop.input.player_keys import PLAYER
from teleop.station.library.keys import KEYS as LIBRARY
from teleop.station.probe.keys import KEYS as PROBE
from teleop.station.review.keys import KEYS as REVIEW
from teleop.station.signal.keys import KEYS as SIGNAL

PAGES = {"operate": DRIVING, "library": LIBRARY, "probe": PROBE, "review": REVIEW, "signal": SIGNAL}
HARMFUL = {"keep", "discard", "delete", "undo", "note"}  # a slip of these costs work
OTHERS = {  # where an arrow or page key does not play: in the grid, under the hand that drives, and as an answer
    "library": {"left", "right", "up", "down", "preview", "page_before", "page_after"},
    "signal": {"good", "bad"},
    "operate": {"gripper", "rewind"},
}
ALIKE = {"first_frame": "again"}  # one page plays from there


def test_keys_of_players_and_those_that_cost_work_mean_one_thing() -> None:
    meanings: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for page, table in PAGES.items():
        for binding in table:
            if binding.axis is None and binding.act not in OTHERS.get(page, ()):
                for key in binding.keys:
                    meanings[key][ALIKE.get(binding.act, binding.act)].add(page)
    shared = {key for binding in PLAYER.values() for key in binding.keys}
    shared |= {key for key, acts in meanings.items() if HARMFUL & acts.keys()} - {"Backspace", "Delete"}
    wrong = {key: dict(acts) for key, acts in meanings.items() if key in shared and len(acts) > 1}
    assert wrong == {}
