"""Speed of export and import: `make bench ARGS=tests/benchmarks/bench_formats.py`.

FORMATS_EPISODES makes the import shorter. The comparison with LeRobot's own writer is left out: it needs an
environment of its own (`tests/formats/kinds/test_lerobot.py`).
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.formats.exporting import export
from tests.benchmarks.bench_data import robot_episode

pytestmark = pytest.mark.bench
SAMPLES = Path(__file__).parents[2] / "recordings" / "samples" / "pick_place"
EPISODES = int(os.environ.get("FORMATS_EPISODES", "10000"))
AT_ONCE = 500


def test_pictures_are_drawn_and_encoded(tmp_path: Path) -> None:
    """Two cameras at 256 x 256, drawn from states and encoded, with all that an export writes: ≥ 300 frames/s."""
    reader = Reader(SAMPLES)
    infos = reader.list()
    began = time.perf_counter()
    export(reader, infos, tmp_path / "set", "lerobot", cameras=("front", "wrist"), size=256)
    seconds = time.perf_counter() - began
    frames = 2 * sum(info.length for info in infos)
    print(f"\n{frames:,} frames in {seconds:.1f} s: {frames / seconds:.0f} frames/s")
    assert frames / seconds >= 300


def test_many_episodes_come_in(tmp_path: Path) -> None:
    """Episodes of states alone: ≥ 200 a second, and at most 500 MB of memory in the process that imports."""
    made = Dataset(tmp_path / "made", create=True)
    for first in range(0, EPISODES, AT_ONCE):
        made.add_many(robot_episode(i) for i in range(first, min(first + AT_ONCE, EPISODES)))
    export(made, made.list(), tmp_path / "set", "lerobot")
    program = (
        "import resource, sys, time; from pathlib import Path; from robo_rlhf.formats.importing import import_place\n"
        "began = time.perf_counter(); count = import_place(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "peaks = [resource.getrusage(who).ru_maxrss / 1000 for who in (0, -1)]\n"
        "print(count, time.perf_counter() - began, *peaks)"
    )  # a process of its own: its memory is not that of what is above
    command = [sys.executable, "-c", program, str(tmp_path / "set"), str(tmp_path / "back")]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    count, seconds, peak, helper = int(done[0]), *map(float, done[1:])
    memory = f"{peak:.0f} MB, reader {helper:.0f} MB"
    print(f"\n{count:,} episodes in {seconds:.1f} s: {count / seconds:.0f} a second; {memory}")
    assert count / seconds >= 200
    assert max(peak, helper) <= 500
