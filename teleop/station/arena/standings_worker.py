"""Computes the standings of arenas for the station, in a separate process, so that no request waits for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.arena.standings import update_standings
from robo_rlhf.feedback.store import Store
from teleop.station.background.with_errors import Answer, with_store


def start(home: Path, database: str) -> Callable[[Any], Answer]:
    """Return what answers the name of an arena in the worker process, by {} or {"error"}."""

    def update(store: Store, name: str) -> Answer:
        update_standings(Arena(home, name), store)
        return {}

    return with_store(database, update)
