"""The main loop of the station's worker processes: one answer per line of input, until the input ends."""

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.feedback.store import Store

NICE = 10  # niceness of such a process


def answer_lines(work_out: Callable[[Store, dict[str, Any]], dict[str, Any]]) -> None:
    """Answer each JSON object of the input, which names its `database`, with what `work_out` finds, or its error."""
    os.nice(NICE)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints does not get between the answers
    open_store = cache(Store)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = work_out(open_store(asked["database"]), asked)
        except (RoboRlhfError, OSError, sa.exc.SQLAlchemyError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
