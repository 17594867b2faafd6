"""A station in a separate process that can be killed and started again, and what its database holds afterwards."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_rlhf.accounts.people import People
from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, leases, questions
from tests.service.crowd import Plan, Seen

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # [s] for a station to answer on a busy machine
SIGN_IN = 600.0  # [s] for hundreds to sign in there


class Running:
    """A station over a data home and a database, at one port."""

    def __init__(self, home: Path, database: str, *words: str) -> None:
        """Start it, with further `words` on its command line."""
        self.home, self.database, self.words = home, database, words
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = (home / "station.log").open("a")
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        """Start the process and wait until it answers."""
        command = [sys.executable, "-m", "robo_rlhf.cli.main", "serve", "--no-open", "--port", str(self.port)]
        command += ["--home", str(self.home), "--database", self.database, *self.words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=self.log, text=True)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sign-in", timeout=PATIENCE):
                    return self.process
            except OSError:
                assert self.process.poll() is None, (self.home / "station.log").read_text()[-2000:]
                assert time.monotonic() < until, "no station"
                time.sleep(0.02)

    def kill_and_start(self) -> float:
        """Kill it with SIGKILL, start it at once, and return how long it was until it answered [s]."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        self.log.close()

    def busy(self) -> float:
        """Return the processor time of the process [s]."""
        return busy(self.process.pid)


def busy(pid: int) -> float:
    """Return the processor time of a process [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(home: Path, database: str, *words: str) -> Iterator[Running]:
    """Run a station."""
    station = Running(home, database, *words)
    try:
        yield station
    finally:
        station.stop()


def links(database: str, names: Sequence[str]) -> dict[str, str]:
    """Return a token for each person with which they sign in; those who have no account get one."""
    people = People(database)
    try:
        known = {person.name: person for person in people.list()}
        found = {name: known.get(name) or people.add(name, "annotator") for name in names}
        return {name: people.sessions.link(person) for name, person in found.items()}
    finally:
        people.close()


class Crowd:
    """The process of the crowd."""

    def __init__(self, plan: Plan) -> None:
        """Start it and wait until all have signed in."""
        command = [sys.executable, "-m", "tests.service.crowd"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.longest = plan.warm + plan.seconds + plan.grace + PATIENCE
        self._say(json.dumps(asdict(plan)))
        told = self._hear(SIGN_IN)
        assert told == {"signed_in": len(plan.links)}, told

    def begin(self) -> None:
        """Let them work."""
        self._say("")

    def call_it_a_day(self) -> None:
        """Have them finish what they do, and stop."""
        self._say("")

    def end(self) -> Seen:
        """Wait until they are done and return what they saw."""
        seen = Seen(**self._hear(self.longest))
        self.process.wait(10)
        return seen

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _hear(self, longest: float) -> dict[str, Any]:
        """Return the next line within so many seconds."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], longest)[0], f"the crowd said nothing for {longest:.0f} s"
        line = self.process.stdout.readline()
        assert line, "the crowd has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def crowd(plan: Plan) -> Iterator[Crowd]:
    """Have a crowd."""
    people = Crowd(plan)
    try:
        yield people
    finally:
        people.close()


def wait_for_answers(database: str, more: int) -> None:
    """Wait until so many more answers of people are there than now."""
    with Store(database) as store:
        wanted, until = store.mark() + more, time.monotonic() + PATIENCE
        while store.mark() < wanted:
            assert time.monotonic() < until, "nobody answers"
            time.sleep(0.05)


def check_nothing_lost(store: Store, seen: Seen, run: str, since: int = 0) -> None:
    """Check that each acknowledged answer is there once, and none else since a mark; no question went to too many."""
    mine = sa.select(answers).join(questions, questions.c.id == answers.c.question_id)
    mine = mine.where(questions.c.run == run, answers.c.annotator_kind == "human")
    crowded = sa.select(questions.c.id).where(questions.c.given + questions.c.held > questions.c.overlap)
    out = sa.select(leases.c.question_id, sa.func.count().label("people"), questions.c.overlap)
    out = out.join(questions, questions.c.id == leases.c.question_id).where(leases.c.purpose == "work")
    out = out.where(questions.c.run == run, sa.or_(leases.c.counted == 1, leases.c.state == "live"))
    with store.database.read() as connection:
        rows = connection.execute(mine).all()
        assert connection.scalars(crowded).all() == []
        held = connection.execute(out.group_by(leases.c.question_id, questions.c.overlap)).all()
    keys = Counter(row.idempotency_key for row in rows if row.number > since)
    assert set(seen.acknowledged) <= set(keys), "an acknowledged answer is lost"
    assert set(keys) <= set(seen.sent), "an answer that nobody gave"
    assert max(keys.values(), default=0) <= 1, "an answer is doubled"
    work = [row for row in rows if row.standing in COUNTED]
    assert len({(row.question_id, row.annotator) for row in work}) == len(work), "a person was asked twice"
    assert all(row.people <= row.overlap for row in held), "a question went to too many"
