"""Style by answers alone, carry_upright: `pytest -m bench -s tests/benchmarks/bench_style.py`.

No term of the task's reward tells how the cup is carried. The simulated teacher minds how far it tilts, and how near
it comes to the glass; what the policy then does is judged by these two style measures over 200 episodes.
ROBO_RLHF_BENCH_SEEDS sets the number of seeds (5), ROBO_RLHF_BENCH_FIRST_SEED the first of them (0),
ROBO_RLHF_BENCH_AT_ONCE the jobs that run at a time (2), one torch thread each.
"""

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.table import print_rows

pytestmark = pytest.mark.bench
FIRST = int(os.environ.get("ROBO_RLHF_BENCH_FIRST_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "5")))
AT_ONCE = int(os.environ.get("ROBO_RLHF_BENCH_AT_ONCE", "2"))
SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
JOB = ["run", "--task", "carry_upright", "--demos", "24", "--labels", "200", "--rounds", "3", "--json"]
MINDED = ["--set", "teacher.minds=tilt,clearance"]


def job(seed: int, home: Path) -> dict[str, Any]:
    """Do the main job of a seed in a process of its own; return what was before and after."""
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *JOB, *MINDED, "--seed", str(seed), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    row = row_of(seed, found["before"], found["after"])
    print(json.dumps(row), flush=True)
    return row


def row_of(seed: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return success [%] and both measures, before and after, and by how much [%] they are better."""
    old, new = ({name: run["style"][name]["value"] for name in ("tilt", "clearance")} for run in (before, after))
    return {
        "seed": seed,
        "cloned [%]": 100 * before["success"]["value"],
        "fine-tuned [%]": 100 * after["success"]["value"],
        "tilt [rad]": f"{old['tilt']:.3f} → {new['tilt']:.3f}",
        "less tilt [%]": 100 * (1 - new["tilt"] / old["tilt"]),
        "clearance [mm]": f"{1000 * old['clearance']:.1f} → {1000 * new['clearance']:.1f}",
        "more clearance [%]": 100 * (new["clearance"] / old["clearance"] - 1),
    }


def test_style_that_no_reward_term_tells(tmp_path: Path) -> None:
    """Tilt and clearance improve by at least 40 % on average, and success is kept within 2 points."""
    (tmp_path / "samples").symlink_to(SAMPLES)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda seed: job(seed, tmp_path), SEEDS))
    print()
    print_rows(rows, as_json=False, title=f"carry_upright, {len(rows)} seeds, 200 episodes each")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(used.ru_utime + used.ru_stime) / len(rows):.0f} s of the processor a job")
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0] if "[%]" in name}
    print({name: round(value, 1) for name, value in mean.items()})
    assert mean["fine-tuned [%]"] >= mean["cloned [%]"] - 2
    assert mean["less tilt [%]"] >= 40
    assert mean["more clearance [%]"] >= 40
