"""Two stations on one database, and people who are at one of them and go to the other when it restarts."""

import time
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.feedback.store import Store
from tests.service.crowd import Plan, Seen
from tests.service.filling import Amount, fill, films
from tests.service.running import check_nothing_lost, crowd, links, running


class Outcome(NamedTuple):
    """What people saw."""

    seen: Seen
    ready: list[float]  # [s] until each station answered again


def two_stations(folder: Path, database: str, *, people: int, every: float, seconds: float) -> Outcome:
    """Let people answer while both stations are restarted, one after the other, and check what is stored.

    They go straight to the stations, as a proxy would send them: to the other one where theirs does not answer.
    """
    much = Amount(clips=2000, answers=3 * people, waiting=round(people * (seconds / every + 10)), people=people)
    homes = folder / "one", folder / "two"
    for home in homes:
        films(home, much)
    with Store(database) as store:
        store.tasks.set_sharing(gold_share=0.0)
        fill(store, much)
        since = store.mark()
    names = [f"p{i}" for i in range(people)]
    proxied = "--proxy", "127.0.0.1"  # a session of one is a session of the other
    with running(homes[0], database, *proxied) as one, running(homes[1], database, *proxied) as other:
        plan = Plan(one.port, links(database, names), much.run, every=every, warm=every, seconds=seconds)
        plan.other_port = other.port
        with crowd(plan) as them:
            them.begin()
            time.sleep(every + seconds / 4)
            ready = []
            for station in (one, other):
                station.process.terminate()
                station.process.wait(60)
                began = time.monotonic()
                station.start()
                ready.append(time.monotonic() - began)
                time.sleep(seconds / 4)
            seen = them.end()
    with Store(database) as store:
        check_nothing_lost(store, seen, much.run, since)
    assert set(seen.statuses) <= {"200", "503"}, (seen.statuses, seen.odd[:5])
    assert seen.statuses.get("503", 0) <= 2 * people, "more than while restarting"
    assert seen.broken >= people // 2, "nobody noticed the restarts"
    assert seen.doubled == 0
    assert len(seen.acknowledged) >= people * seconds / every / 2
    return Outcome(seen, ready)
