"""A program that answers the questions of a run over the REST interface of a station."""

import json
import subprocess
import time
import urllib.request
from typing import Any

from robo_rlhf.accounts.people import People
from tests.browser.conftest import Served

PATIENCE = 600.0  # [s] for an answer of a station on a busy machine, where drawing has the lowest priority


def answer_all(station: Served, run: "subprocess.Popen[str]") -> int:
    """Answer the questions of a run until it ends, A and B by turns; return how many there were.

    The clips of the first question are loaded before it is answered.
    """
    people = People(station.home / "feedback.db")
    token, _ = people.tokens.create(people.administrator(), "answers", "annotator")
    people.close()
    try:
        return _answer(station, token, run)
    except BaseException:
        run.kill()
        run.wait()
        raise


def _answer(station: Served, token: str, run: "subprocess.Popen[str]") -> int:
    given = 0
    while run.poll() is None:
        asked = json.loads(call(station, token, "/api/v1/leases", {}))["question"]
        if asked is None:
            time.sleep(0.2)
            continue
        for clip in asked["clips"] if not given else ():
            assert len(call(station, token, clip["address"])) > 1000
        answer = {"question": asked["question"], "lease": asked["lease"], "value": {"choice": "AB"[given % 2]}}
        call(station, token, "/api/v1/answers", {**answer, "key": f"k{given}"})
        given += 1
    return given


def call(station: Served, token: str, address: str, body: Any = None) -> bytes:
    """Return what the station answers; raises HTTPError where it refuses."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(station.url + address, data, headers), timeout=PATIENCE) as got:
        content: bytes = got.read()
    return content
