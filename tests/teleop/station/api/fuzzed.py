"""A station to be fuzzed: its own process, which sends nothing to anybody. Prints the address and a token a role.

usage: python -m tests.teleop.station.api.fuzzed HOME
"""

import json
import sys
from pathlib import Path

import uvicorn

from robo_rlhf.accounts.roles import ROLES
from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Question, question_id
from teleop.station.app import create_app
from teleop.station.server import listen
from teleop.station.services import Station
from teleop.station.web.throttle import Tries
from tests.data.making import episode

DATASET = "demos"
EACH = 200  # questions of each kind


def fill(station: Station) -> None:
    """Record episodes, and ask about them, so that there is always a next question."""
    dataset = Dataset(station.home / DATASET, create=True, task="reach")
    for number in range(6):
        dataset.add(episode(f"e{number}", steps=12, seed=number, task="reach"))
    asked = []
    for kind in KINDS:
        for number in range(EACH):
            clips = tuple(Segment(f"e{place}", number % 6, 5) for place in range(KINDS[kind].num_clips.start))
            name = question_id("fuzz", number, kind, clips)
            role = ("gold", "practice", "work", "work")[number % 4]
            asked.append(Question(name, "fuzz", number, kind, "reach", clips, DATASET, overlap=3, role=role))
    station.store.add_questions(asked)


def main(home: Path) -> None:
    """Serve until the process is ended."""
    station = Station(home)
    station.bad_tokens = station.notes = Tries(10**9)  # tokens that let nobody in are part of it
    fill(station)
    tokens = {}
    for role in ROLES:
        person = station.people.add(role, role)
        tokens[role], _ = station.people.tokens.create(person, "fuzzing", role)
    listener = listen("127.0.0.1", 0, exactly=False)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"address": address, "tokens": tokens}), flush=True)
    config = uvicorn.Config(create_app(station), log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
