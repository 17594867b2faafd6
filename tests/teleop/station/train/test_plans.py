"""Plans on the train page: made in a process of its own, and shown in words."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.prediction.plan_file import store_plan
from teleop.station.train import plans
from tests.data.making import episode
from tests.pipeline.prediction.test_plan_file import a_plan
from tests.teleop.station.conftest import Visit

Started = list[tuple[Sequence[str], "subprocess.Popen[bytes]"]]
BOTH = {"task": "reach", "dataset": "mine"}


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """The commands that are started: each fails when it is let go on."""
    made: Started = []
    fails = "import sys; sys.stdin.read(); sys.exit(2)"

    def start(command: Sequence[str], log: Path, database: object) -> "subprocess.Popen[bytes]":
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("error: --cloning: expected at least 3, got 1.\n")
        child = subprocess.Popen([sys.executable, "-c", fails], stdin=subprocess.PIPE)
        made.append((command, child))
        return child

    monkeypatch.setattr(plans, "start_detached", start)
    Dataset(home / "mine", create=True, task="reach").add_many(
        episode(f"e{i}", steps=3, seed=i, task="reach", device="browser", outcome="success") for i in range(2)
    )
    yield made
    for _, child in made:
        child.kill()
        child.communicate()


def test_a_plan_is_made_and_shown(visit: Visit, home: Path, started: Started) -> None:
    operator = visit("operator")
    look: Callable[[], dict[str, object]] = lambda: operator.get("/api/train/plan", params=BOTH).json()  # noqa: E731
    assert look() == {"working": False, "why": "", "words": []}
    assert operator.post("/api/train/plan", json={**BOTH, "target": 95}).status_code == 200
    ((command, child),) = started
    words = ["plan", "--task", "reach", "--dataset", "mine", "--target", "95", "--home", str(home)]
    assert list(command) == words
    assert look()["working"] is True
    again = operator.post("/api/train/plan", json=BOTH)
    assert (again.status_code, len(started)) == (409, 1), again.text
    child.communicate()
    assert look() == {"working": False, "why": "--cloning: expected at least 3, got 1.", "words": []}
    store_plan(home, a_plan())
    assert look()["words"][2] == "Answers save most."  # type: ignore[index]


def test_who_may_not_and_what_is_not_there_is_refused(visit: Visit, started: Started) -> None:
    assert visit("annotator").post("/api/train/plan", json=BOTH).status_code == 403
    operator = visit("operator")
    for wrong in ({"task": "nothing"}, {"dataset": "../mine"}):
        assert operator.post("/api/train/plan", json={**BOTH, **wrong}).status_code == 404
        assert operator.get("/api/train/plan", params={**BOTH, **wrong}).status_code == 404
    assert operator.post("/api/train/plan", json={**BOTH, "target": 100}).status_code == 422
    assert started == []
