"""What drawing and reading pictures cost: `pytest -m bench -s tests/benchmarks/bench_sight.py`.

$ROBO_RLHF_LEROBOT names the interpreter of an environment with lerobot[dataset] 0.6, whose loader is the other side of
one of them. Sides take turns, and ratios of one run are compared.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv

import robo_rlhf  # noqa: F401 - which registers the environments
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats.exporting import export
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.rendering.renderer import FrameRenderer
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FrameCache, TrainingPictures
from robo_rlhf.vision.sight import Sight

pytestmark = pytest.mark.bench
ROOT = Path(__file__).parents[2]
LEROBOT = os.environ.get("ROBO_RLHF_LEROBOT", "")
CAMERAS, COPIES, BATCH = ("front", "wrist"), 32, 64
SAMPLES_A_SECOND, TIMES_LEROBOT = 5000.0, 10.0
OF_BARE, TIMES_ASYNC = 0.8, 1.2
MEMORY = 3 * 2**30  # [bytes]


def rate_of(pictures: TrainingPictures, batches: int) -> float:
    """Return the examples a second of a loader."""
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    for _ in range(batches):
        pictures.take(rng.integers(len(pictures), size=(BATCH, 1)))
    return batches * BATCH / (time.perf_counter() - began)


def test_samples_a_second(tmp_path: Path) -> None:
    """The loader alone, two cameras at 128 x 128 out of 50 episodes."""
    cache, rng = FrameCache(tmp_path), np.random.default_rng(0)
    keys = [{camera: f"{number:02d}{camera}" for camera in CAMERAS} for number in range(50)]
    for key in (key for pair in keys for key in pair.values()):
        cache.put(key, rng.integers(256, size=(80, 128, 128, 3)).astype(np.uint8))

    def reader(key: str) -> Callable[[], Array]:
        return lambda: cache.get(key)

    pictures = TrainingPictures([{name: reader(key) for name, key in pair.items()} for pair in keys], [80] * 50)
    rate_of(pictures, 5)
    rate = max(rate_of(pictures, 100) for _ in range(3))
    print(f"\n{rate:,.0f} samples a second; the bar is {SAMPLES_A_SECOND:,.0f}")
    assert rate >= SAMPLES_A_SECOND


THEIRS = """
import sys, time
import torch
torch.set_num_threads(1)
from lerobot.datasets.lerobot_dataset import LeRobotDataset
made = LeRobotDataset("bench", root=sys.argv[1])
loader = torch.utils.data.DataLoader(made, batch_size=64, shuffle=True, num_workers=0)
for line in sys.stdin:
    began, count = time.perf_counter(), 0
    for batch in loader:
        count += len(batch["action"])
        if count >= int(line):
            break
    print(count / (time.perf_counter() - began), flush=True)
"""


@pytest.mark.skipif(not LEROBOT, reason="$ROBO_RLHF_LEROBOT names no interpreter with lerobot")
def test_samples_a_second_against_lerobot(tmp_path: Path) -> None:
    """The same frames, two cameras at 128 x 128, as LeRobot's loader reads them out of video."""
    samples = Dataset(ROOT / "recordings" / "samples" / "pick_place")
    infos = samples.list()[:8]
    export(samples, infos, tmp_path / "set", "lerobot", cameras=CAMERAS, size=128)
    episodes = [samples.load(info.meta.id) for info in infos]
    ours = see_episodes(episodes, Sight(CAMERAS, 128), FrameCache(tmp_path / "frames"))
    words = [LEROBOT, "-c", THEIRS, str(tmp_path / "set")]
    told: dict[str, Any] = {"env": {**os.environ, "HF_HUB_OFFLINE": "1"}, "text": True}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **told) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ratios = []
        for turn in range(4):
            process.stdin.write(f"{BATCH if turn else 1}\n")
            process.stdin.flush()
            theirs, mine = float(process.stdout.readline()), rate_of(ours, 50)
            if turn:  # the first opens files
                ratios.append(mine / theirs)
                print(f"\n{mine:,.0f} samples a second, LeRobot {theirs:,.0f}")
        process.stdin.close()
    ratio = float(np.median(ratios))
    print(f"{ratio:.1f} times LeRobot's loader; the bar is {TIMES_LEROBOT:g}")
    assert ratio >= TIMES_LEROBOT


class Seeing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A copy of a task as most would write it: each observation with the pictures of two cameras."""

    def __init__(self) -> None:
        """Make the copy."""
        super().__init__(gymnasium.make("robo_rlhf/PickPlace-v0"))
        box = gymnasium.spaces.Box(0, 255, (96, 96, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict(
            {"state": self.env.observation_space, **dict.fromkeys(CAMERAS, box)}
        )
        self.batch = self.env.unwrapped.batch  # type: ignore[attr-defined]  # of GymEnv
        self.renderer: FrameRenderer | None = None

    def seen(self, obs: Array) -> dict[str, Array]:
        """Return the observation with its pictures."""
        if self.renderer is None:
            self.renderer = FrameRenderer(self.batch.model, 96, 96, "fast")
        state = self.batch.get_state()[0]
        return {"state": obs, **{name: self.renderer.frame(state, name) for name in CAMERAS}}

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset."""
        obs, info = self.env.reset(**options)
        return self.seen(obs), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        obs, *rest = self.env.step(action)
        return self.seen(obs), *rest  # type: ignore[return-value]


def test_rollouts_against_bare_drawing_and_gymnasium() -> None:
    """32 copies that are stepped and seen by two cameras at 96 x 96: against drawing alone, and AsyncVectorEnv.

    The second bar is on the clock, which beside other work favours the side with more processes, and on the processor.
    """
    env, sight = make_env("pick_place", COPIES), Sight(CAMERAS, 96)
    drawer, action = Drawer("pick_place", sight), np.zeros((COPIES, 5), np.float32)
    env.reset(np.arange(COPIES))
    drawer.draw(env.get_state())
    others = AsyncVectorEnv([Seeing] * COPIES, context="forkserver")  # a fork of this process could hang in its threads
    others.reset(seed=0)

    def bare() -> None:
        drawer.draw(env.get_state())

    def rollout() -> None:
        env.step(action)
        drawer.draw(env.get_state())

    def theirs() -> None:
        others.step(action)

    sides = [bare, rollout, theirs]
    for side in sides:
        side()
    mine = [os.getpid(), *map(int, (n for task in Path("/proc/self/task").iterdir() for n in children(task)))]
    processes = {theirs: [process.pid for process in others.processes]}
    turns, worked = [], dict.fromkeys(sides, 0.0)
    for turn in range(6):
        times = {}
        for side in sides[:: 1 if turn % 2 else -1]:
            began, before = time.perf_counter(), processor_of(processes.get(side, mine))
            for _ in range(5):
                side()
            times[side] = time.perf_counter() - began
            worked[side] += processor_of(processes.get(side, mine)) - before
        turns.append((times[bare] / times[rollout], times[theirs] / times[rollout]))
    others.close()
    drawer.close()
    of_bare, of_theirs = np.median(turns, axis=0)
    print(f"\n{of_bare:.0%} of bare drawing, the bar is {OF_BARE:.0%}; {of_theirs:.2f} times AsyncVectorEnv")
    less = worked[theirs] / worked[rollout]
    print(f"{less:.2f} times as much for the same processor time; the bar is {TIMES_ASYNC:g}")
    assert less >= TIMES_ASYNC
    assert of_bare >= OF_BARE
    assert of_theirs >= TIMES_ASYNC


def test_memory_of_training(tmp_path: Path) -> None:
    """Clone 200 demonstrations from two cameras at 96 x 96, 300 updates: all processes, shared pages counted once."""
    program, home = [sys.executable, "-m", "robo_rlhf.cli.main"], ["--home", str(tmp_path)]
    recorded = ["samples", "--tasks", "pick_place", "--episodes", "200", "--no-pace"]
    subprocess.run([*program, *recorded, *home], cwd=ROOT, check=True)
    train = ["train", "bc", "--task", "pick_place", "--demos", "200", "--cameras", ",".join(CAMERAS)]
    most, ended = [0], threading.Event()
    with subprocess.Popen([*program, *train, "--updates", "300", "--run", "memory", *home], cwd=ROOT) as process:

        def watch() -> None:
            while not ended.wait(0.2):
                most[0] = max(most[0], memory_of(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        process.wait()
        ended.set()
        watcher.join()
    assert process.returncode == 0
    print(f"\n{most[0] / 2**30:.2f} GiB at most; the bar is {MEMORY / 2**30:g}")
    assert 0 < most[0] <= MEMORY


def processor_of(processes: list[int]) -> float:
    """Return the time [s] that processes worked (Linux)."""
    stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in processes]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def memory_of(process: int) -> int:
    """Return the memory [bytes] of a process and all that it started, shared pages in shares (Linux)."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            waiting += [int(n) for task in Path(f"/proc/{one}/task").iterdir() for n in children(task)]
        except OSError:  # it has ended
            continue
    return total


def children(task: Path) -> list[str]:
    """Return the processes that a thread started."""
    return (task / "children").read_text().split()
