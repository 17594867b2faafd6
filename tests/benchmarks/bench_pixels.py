"""Learning from pictures against the bars: `pytest -m bench -s tests/benchmarks/bench_pixels.py`.

Each cell records by script where demonstrations are missing, clones from two cameras at 96 x 96 and proprioception,
evaluates, and adds a row to `results/pixels.jsonl`. Stop it at any instant: rows that are there are not made again, and
a training continues. ROBO_RLHF_BENCH_CELLS takes cells that match a pattern alone, such as "pick_place/50/*"
(TASK/DEMONSTRATIONS/LOOKS/SEED), ROBO_RLHF_BENCH_HOME keeps the runs (build/pixels), ROBO_RLHF_BENCH_EPISODES sets the
evaluation's episodes (200).
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.frame_cache import FrameCache, TrainingPictures
from robo_rlhf.vision.sight import Sight

pytestmark = pytest.mark.bench
ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).parent / "results" / "pixels.jsonl"
HOME = Path(os.environ.get("ROBO_RLHF_BENCH_HOME", ROOT / "build" / "pixels")).absolute()
EPISODES = int(os.environ.get("ROBO_RLHF_BENCH_EPISODES", "200"))
BARS = {("pick_place", 50): 0.75, ("pick_place", 200): 0.90, ("lift", 50): 0.90, ("drawer_open", 50): 0.90}
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
        "date": datetime.now(UTC).date().isoformat(),
    }


def test_cloning_from_pictures() -> None:
    """Run the cells without a row; print all of them beside their bars."""
    pattern = os.environ.get("ROBO_RLHF_BENCH_CELLS", "*")
    for cell in cells():
        if fnmatch(cell.name, pattern) and not any(row["command"] == cell.line for row in rows()):
            text = ROWS.read_bytes() if ROWS.exists() else b""
            write_atomic(ROWS, text + (json.dumps(run(cell)) + "\n").encode())
    shown = [
        {
            "cell": Cell(*(row[field] for field in Cell._fields)).name,
            "success": row["success"]["value"],
            "bar": BARS[row["task"], row["demos"]] if not row["looks"] else None,
            "minutes": row["training_processor_s"] / 60,
            "of": MINUTES[row["demos"]],
            **{name: one["value"] for name, one in row["in_looks"].items()},
        }
        for row in rows()
    ]
    print_rows(shown, as_json=False, title="cloning from two cameras at 96 x 96 and proprioception")


def test_samples_a_second(tmp_path: Path) -> None:
    """The loader alone, two cameras at 128 x 128 out of 50 episodes, 64 examples a batch."""
    cache, rng = FrameCache(tmp_path), np.random.default_rng(0)
    keys = [[f"{e:02d}{camera}" for camera in "ab"] for e in range(50)]
    for pair in keys:
        for key in pair:
            cache.put(key, rng.integers(256, size=(80, 128, 128, 3)).astype(np.uint8))

    def frames(key: str) -> Array:
        return cache.get(key)

    pictures = TrainingPictures([{key[-1]: (lambda key=key: frames(key)) for key in pair} for pair in keys], [80] * 50)
    for _ in range(5):
        pictures.take(rng.integers(len(pictures), size=(64, 1)))
    began = time.perf_counter()
    for _ in range(100):
        pictures.take(rng.integers(len(pictures), size=(64, 1)))
    rate = 6400 / (time.perf_counter() - began)
    print(f"{rate:,.0f} samples a second; the bar is 5,000")


def test_rollouts_against_bare_drawing() -> None:
    """Looking at 32 copies at two cameras, 96 x 96, with the steps between, against drawing the same states alone."""
    env, sight = make_env("pick_place", 32), Sight(("front", "wrist"), 96)
    drawer, action = Drawer("pick_place", sight), np.zeros((32, 5), np.float32)
    env.reset(np.arange(32))
    drawer.draw(env.get_state())
    took = {"bare": 0.0, "rollout": 0.0}
    for _ in range(5):
        state = env.get_state()
        began = time.perf_counter()
        for _ in range(6):
            drawer.draw(state)
        took["bare"] += time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(6):
            env.step(action)
            drawer.draw(env.get_state())
        took["rollout"] += time.perf_counter() - began
    drawer.close()
    print(f"{took['bare'] / took['rollout']:.0%} of bare drawing; the bar is 80 %")
