"""The drift monitor against its bars: `make bench ARGS=tests/benchmarks/bench_drift.py`.

Two references: demonstrations of the scripted operator, with whom the operator in a changed world is compared; and a
policy's own episodes, with which the policy in that world is. Sets are of 20 episodes and looked at after each one.
A policy with one camera meets that camera 5 cm to the side.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core import guests
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.deploy.drift import EVERY, FIRST, WINDOW, Drift, ObservedPolicy, Watched
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.sim.tasks.pick_place import PickPlace
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FRAMES, FrameCache
from tests.benchmarks.homes import with_samples

pytestmark = pytest.mark.bench
SETS, REFERENCE, CHANGED = int(os.environ.get("DRIFT_SETS", "20")), 200, 5  # sets that are as usual; of a change
BATCH, UPDATES, SEEN = 50, 1500, 100  # the last: episodes of the reference of a policy that sees
SEEING = ["--cameras", "front", "--size", "64", "--proprioception-only", "--updates", "200", "--batch", "32"]
MOVED = 0.05  # [m]
SLOWER = 42.0  # [N s/m] added to the 2 of a finger and the 40 of its actuator: half the speed


class Changed(PickPlace):
    """The task with what is changed in its world."""

    change: Callable[[Any], None] | None = None

    def scene(self) -> Any:
        spec = super().scene()
        if self.change is not None:
            self.change(spec)
        return spec


class MovedCamera(PickPlace):
    """The task whose camera was pushed aside."""

    name = "moved_camera"

    def scene(self) -> Any:
        spec = super().scene()
        spec.camera("front").pos[1] += MOVED
        return spec


def heavier(spec: Any) -> None:
    spec.body("cube").first_geom().mass *= 3


def slower(spec: Any) -> None:
    for name in ("finger_left", "finger_right"):
        spec.joint(name).damping[0] += SLOWER


def act(who: str, policy: Path, count: int, first: int, change: Callable[[Any], None] | None = None) -> list[Episode]:
    """Return episodes of the operator, or of the policy, in a world with a change."""
    task = Changed()
    task.change = change  # type: ignore[method-assign]
    env = TaskEnv(task, BATCH)
    actor: Any = ScriptedOperator(env) if who == "operator" else load_policy(policy)
    found: list[Episode] = []
    for start in range(first, first + count, BATCH):
        seeds = np.arange(start, min(start + BATCH, first + count))
        if who == "operator":
            actor.reseed(np.pad(seeds, (0, BATCH - len(seeds)), mode="edge"))
        found += [replace(e, state=np.zeros((len(e) + 1, 0))) for e in rollout(env, actor, seeds, record_state=False)]
    env.close()
    return found


def alarms(learned: Drift, seen: Sequence[Watched]) -> dict[str, tuple[int, str]]:
    """Return the families that raise an alarm in a set: after how many episodes, and about what."""
    found: dict[str, tuple[int, str]] = {}
    for count in range(FIRST, len(seen) + 1):
        for one in learned.compare(seen[:count]):
            if one.alarm:
                found.setdefault(one.family, (count, one.name))
    return found


def sets(learned: Drift, observed: ObservedPolicy, episodes: Sequence[Episode]) -> list[dict[str, tuple[int, str]]]:
    seen = [learned.watch(episode, observed) for episode in episodes]
    return [alarms(learned, seen[k : k + WINDOW]) for k in range(0, len(seen) - WINDOW + 1, WINDOW)]


def cloned(home: Path, name: str, *words: str) -> Path:
    """Return the checkpoint of a policy that is cloned from the samples."""
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "train", "bc", "--task", "pick_place", "--run", name]
    words = ("--dataset", "samples/pick_place", *words, "--home", str(home))
    subprocess.run([*command, *words], check=True, capture_output=True)
    return home / "runs" / name / "checkpoints" / "policy.safetensors"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_samples(tmp_path_factory)


@pytest.mark.parametrize("who", ["operator", "policy"])
def test_changes_are_found_and_usual_sets_are_not(home: Path, who: str) -> None:
    """Bars: of 20 sets as usual, at most 1 alarm; mass tripled, gripper slower by half: each found within 20."""
    names, policy = PickPlace.obs_names, cloned(home, "cloned", "--updates", str(UPDATES))
    observed = ObservedPolicy([load_policy(policy)], names)
    usual = act(who, policy, REFERENCE + SETS * WINDOW, 500_000)
    learned = Drift.fit(observed, usual[:REFERENCE], names)
    as_usual = sets(learned, observed, usual[REFERENCE:])
    false = [found for found in as_usual if found]
    print(f"\n{who}, levels {learned.levels}, disagreement of {observed.kind}")
    print(f"as usual: {len(false)} of {len(as_usual)} sets raise an alarm {false}")
    for name, change in (("mass tripled", heavier), ("gripper slower by half", slower)):
        found = sets(learned, observed, act(who, policy, CHANGED * WINDOW, 600_000, change))
        after = [min((count for count, _ in one.values()), default=None) for one in found]
        print(f"{name}: {sum(map(bool, found))} of {len(found)} sets, after {after} episodes; the first by {found[0]}")
        assert all(found), f"{who}: not every set was found"
    if who == "operator":
        seen = sets(learned, observed, act("policy", policy, WINDOW, 700_000))
        print(f"the policy against demonstrations, nothing changed: {seen}")
    assert len(false) <= 1


@pytest.fixture
def moved() -> Iterator[str]:
    """The name of the task whose camera moved, which processes that draw may import."""
    name = f"{__name__}:{MovedCamera.__name__}"
    with guests.command_line([name], [], folder=True):
        yield name


def test_a_camera_that_moved_is_found_by_a_policy_that_sees(home: Path, moved: str) -> None:
    """Bars: of 20 sets as usual, at most 1 alarm; the camera moved by 5 cm: found within 20 in each set."""
    names, cache = PickPlace.obs_names, FrameCache(home / FRAMES)
    policy = load_policy(cloned(home, "seeing", *SEEING))
    sight = policy.sight
    assert sight is not None

    def pictures(episode: Episode) -> Mapping[str, Array]:
        found = see_episodes([episode], sight, cache, every=EVERY)
        return found.take(np.arange(len(found)))

    def see(name: str, count: int, first: int) -> list[Episode]:
        env = TaskEnv(TASKS[name](), BATCH)
        policy.look_at(env)
        found = list(rollout(env, policy, np.arange(first, first + count)))
        env.close()
        return found

    observed = ObservedPolicy([policy], names, pictures=pictures)
    learned = Drift.fit(observed, see("pick_place", SEEN, 500_000), names)
    as_usual = sets(learned, observed, see("pick_place", SETS * WINDOW, 510_000))
    false = [found for found in as_usual if found]
    print(f"\nlevels {learned.levels}\nas usual: {len(false)} of {len(as_usual)} sets raise an alarm {false}")
    found = sets(learned, observed, see(moved, CHANGED * WINDOW, 600_000))
    print(f"camera moved by {MOVED} m: {sum('features' in one for one in found)} of {len(found)} sets; {found}")
    assert all("features" in one for one in found)
    assert len(false) <= 1
