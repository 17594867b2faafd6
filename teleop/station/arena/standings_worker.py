"""Computes the standings of arenas for the station, in a separate process, so that no request waits for it.

It answers each line of its input, {"home", "database", "arena"}, by a line of JSON on its output: {} or {"error"}.
"""

from pathlib import Path
from typing import Any

from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.arena.standings import update_standings
from robo_rlhf.feedback.store import Store
from teleop.station.background.json_lines import answer_lines


def main() -> None:
    """Answer until the input ends."""
    answer_lines(_update)


def _update(store: Store, asked: dict[str, Any]) -> dict[str, Any]:
    update_standings(Arena(Path(asked["home"]), asked["arena"]), store)
    return {}


if __name__ == "__main__":
    main()
