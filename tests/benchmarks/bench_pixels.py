"""Learning from pictures against the bars: `pytest -m bench -s tests/benchmarks/bench_pixels.py`.

Each cell records by script where demonstrations are missing, clones from two cameras at 96 x 96 and proprioception,
evaluates, and adds a row to `results/pixels.jsonl`. Stop it at any instant: rows that are there are not made again, and
a training continues. ROBO_RLHF_BENCH_CELLS takes cells that match a pattern alone, such as "pick_place/50/*"
(TASK/DEMONSTRATIONS/LOOKS/SEED; "reward", "loop"), ROBO_RLHF_BENCH_HOME keeps the runs (build/pixels),
ROBO_RLHF_BENCH_EPISODES sets the evaluation's episodes (200), ROBO_RLHF_BENCH_MAIN names a finished main job on
pick_place in that home whose answers the reward learns from (one is done where it is empty). A row that misses its bar
fails the bench. What drawing and reading pictures cost: `bench_sight.py`.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.files import write_atomic

pytestmark = pytest.mark.bench
ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).parent / "results" / "pixels.jsonl"
HOME = Path(os.environ.get("ROBO_RLHF_BENCH_HOME", ROOT / "build" / "pixels")).absolute()
MAIN = os.environ.get("ROBO_RLHF_BENCH_MAIN", "")
EPISODES = int(os.environ.get("ROBO_RLHF_BENCH_EPISODES", "200"))
BARS = {("pick_place", 50): 0.75, ("pick_place", 200): 0.90, ("lift", 50): 0.90, ("drawer_open", 50): 0.90}
FORESEEN, APART = 0.85, 0.05  # of held-out pairs by a reward from pictures, and how far below one from states
LOOKS_LOST = 0.10  # at most, from the usual look to unseen ones, trained on 16
GAINED, ENOUGH, LOOP_MINUTES = 0.10, 0.95, 60.0  # of the whole loop: above the cloned policy, or in all
MINUTES = {50: 15.0, 200: 40.0}  # of the processor, training alone
UPDATES = {50: 4500, 200: 12000}
SEES = ["--cameras", "front,wrist", "--size", "96", "--proprioception-only"]


class Cell(NamedTuple):
    """One training."""

    task: str
    demos: int
    looks: int
    seed: int

    @property
    def name(self) -> str:
        """TASK/DEMONSTRATIONS/LOOKS/SEED."""
        return "/".join(map(str, self))

    @property
    def train(self) -> list[str]:
        """The words of its command."""
        size = ["--demos", str(self.demos), "--updates", str(UPDATES[self.demos]), "--batch", "64"]
        more = ["--looks", str(self.looks)] if self.looks else []
        seed = ["--save-every", "100", "--seed", str(self.seed)]
        return ["train", "bc", "--task", self.task, *size, *SEES, *more, *seed]

    @property
    def line(self) -> str:
        """Its command as a user writes it."""
        return " ".join(["robo-rlhf", *self.train])

    @property
    def evaluate(self) -> list[str]:
        """The words of the command that measures it, behind the name of its run."""
        looks = ["--looks", "16"] if self.task == "pick_place" and self.demos == 50 else []
        return ["--episodes", str(EPISODES), *looks]


def cells() -> list[Cell]:
    """Return all cells, seed by seed."""
    looks = [("pick_place", 50, 16)]
    return [Cell(*one, seed) for seed in range(3) for one in [*((*bar, 0) for bar in BARS), *looks]]


def rows() -> list[dict[str, Any]]:
    """Return the rows that there are."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def command(words: list[str]) -> tuple[list[dict[str, Any]] | dict[str, Any], float]:
    """Run a command of the program; return its JSON, and the seconds of the processor it took with its workers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = [sys.executable, "-m", "robo_rlhf.cli.main", *words, "--home", str(HOME), "--json"]
    done = subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = done.stdout
    start = min(i for i in (text.find("["), text.find("{")) if i >= 0)
    return json.loads(text[start:]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(cell: Cell) -> Mapping[str, Any]:
    """Do what a cell asks and return its row."""
    if not (HOME / "samples" / cell.task).exists():
        most = max(demos for task, demos in BARS if task == cell.task)
        command(["samples", "--tasks", cell.task, "--episodes", str(most), "--no-pace"])
    name = cell.name.replace("/", "-")
    _, training = command([*cell.train, "--run", name])
    found, measuring = command(["evaluate", name, *cell.evaluate])
    assert isinstance(found, dict)
    looks = {kind: one["success"] for kind, one in found.get("looks", {}).items()}
    return {
        **cell._asdict(),
        "command": cell.line,
        "episodes": found["episodes"],
        "success": found["success"],
        "success_any_time": found["success_at_any_time"],
        "in_looks": looks,
        "training_processor_s": round(training, 1),  # of the last session, where it was stopped and continued
        "evaluation_processor_s": round(measuring, 1),
    }


def reward_row() -> dict[str, Any]:
    """Learn a reward from the answers of a main job on pick_place, from states and from pictures; return both."""
    main = MAIN or "main"
    if not MAIN:
        command(["run", "--task", "pick_place", "--demos", "24", "--labels", "200", "--seed", "0", "--run", main])
    learn = ["train", "reward", "--task", "pick_place", "--questions-of", main, "--seed", "0"]
    command([*learn, "--run", "from-states"])
    seen = [*learn, *SEES, "--encoder-from", "pick_place-50-0-0", "--run", "from-pixels"]
    _, training = command(seen)
    judge = [sys.executable, "-c", JUDGE, *(str(HOME / "runs" / name) for name in (main, "from-states", "from-pixels"))]
    found = json.loads(subprocess.run(judge, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    asked = "robo-rlhf " + " ".join(seen)
    return {"cell": "reward", "seed": 0, "command": asked, "foreseen": found, "training_processor_s": training}


def loop_row() -> dict[str, Any]:
    """Do the whole loop from pictures; return what it came to beside the cloned policy."""
    words = ["run", "--task", "pick_place", "--demos", "50", "--dataset", "samples/pick_place", "--labels", "200"]
    words += [*SEES, "--minutes", "0", "--set", f"clone.updates={UPDATES[50]}", "--seed", "0", "--run", "loop"]
    found, spent = command(words)
    assert isinstance(found, dict)
    cloned, final = (found[when]["success"] for when in ("before", "after"))
    asked = "robo-rlhf " + " ".join(words)
    return {"cell": "loop", "seed": 0, "command": asked, "cloned": cloned, "success": final, "processor_s": spent}


JUDGE = """
import json, sys
from pathlib import Path
from robo_rlhf.core.learning import use_one_thread
use_one_thread()
from tests.benchmarks.held_out import compared
print(json.dumps(compared(*map(Path, sys.argv[1:]))))
"""


def keep(row: Mapping[str, Any]) -> None:
    """Add a row to those that there are."""
    text = ROWS.read_bytes() if ROWS.exists() else b""
    write_atomic(ROWS, text + (json.dumps({**row, "date": datetime.now(UTC).date().isoformat()}) + "\n").encode())


def wanted(name: str) -> bool:
    """Whether a cell is asked for."""
    return fnmatch(name, os.environ.get("ROBO_RLHF_BENCH_CELLS", "*"))


def test_cloning_from_pictures() -> None:
    """Run the cells without a row; hold the newest row of each against its bar."""
    for cell in cells():
        if wanted(cell.name) and not any(row["command"] == cell.line for row in rows()):
            keep(run(cell))
    newest = {Cell(*(row[field] for field in Cell._fields)): row for row in rows() if "cell" not in row}
    shown = [
        {
            "cell": cell.name,
            "success": row["success"]["value"],
            "bar": BARS[cell.task, cell.demos] if not cell.looks else None,
            "minutes": row["training_processor_s"] / 60,
            "of": MINUTES[cell.demos],
            **{name: one["value"] for name, one in row["in_looks"].items()},
        }
        for cell, row in newest.items()
        if wanted(cell.name)
    ]
    print_rows(shown, as_json=False, title="cloning from two cameras at 96 x 96 and proprioception")
    missed = [
        row["cell"] for row in shown if row["bar"] and (row["success"] < row["bar"] or row["minutes"] > row["of"])
    ]
    lost = {row["cell"]: row["success"] - row["unseen looks"] for row in shown if not row["bar"]}
    missed += [f"{name} in unseen looks" for name, points in lost.items() if points > LOOKS_LOST]
    assert not missed, f"below their bars: {', '.join(missed)}"


@pytest.mark.parametrize("name", ["reward", "loop"])
def test_reward_and_loop(name: str) -> None:
    """Learn a reward from pictures, do the whole loop; hold both against their bars."""
    if wanted(name) and not any(row.get("cell") == name for row in rows()):
        keep({"reward": reward_row, "loop": loop_row}[name]())
    row = next((row for row in reversed(rows()) if row.get("cell") == name), None)
    if row is None:
        pytest.skip("there is no row, and none was asked for")
    print(row)
    if name == "reward":
        assert row["foreseen"]["any"]["from-pixels"] >= FORESEEN  # those of one stage are hard from states too
        for pairs, each in row["foreseen"].items():
            assert each["from-pixels"] >= each["from-states"] - APART, pairs
    else:
        after, before = row["success"]["value"], row["cloned"]["value"]
        assert after >= min(ENOUGH, before + GAINED)
        assert row["processor_s"] <= 60 * LOOP_MINUTES
