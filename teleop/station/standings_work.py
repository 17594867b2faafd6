"""Writes down how arenas stand, for the station: a process of its own, so that nobody waits for it.

It answers each line of its input, {"home", "database", "arena"}, by a line of JSON on its output: {} or {"error"}.
"""

import json
import os
import sys
from pathlib import Path

import sqlalchemy as sa

from robo_rlhf.errors import RoboRlhfError
from robo_rlhf.feedback.arena import Arena
from robo_rlhf.feedback.standings import renew
from robo_rlhf.feedback.store import Store

NICE = 10  # how much the process gives way to others


def main() -> None:
    """Answer until the input ends."""
    os.nice(NICE)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints does not get between the answers
    stores: dict[str, Store] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            where = asked["database"]
            store = stores.get(where) or stores.setdefault(where, Store(where))
            renew(Arena(Path(asked["home"]), asked["arena"]), store)
            answer = {}
        except (RoboRlhfError, OSError, sa.exc.SQLAlchemyError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
