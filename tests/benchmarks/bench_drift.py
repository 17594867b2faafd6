"""The drift monitor against its bars: `make bench ARGS=tests/benchmarks/bench_drift.py`.

Two references: demonstrations of the scripted operator, with whom the operator in a changed world is compared; and a
policy's own episodes, with which the policy in that world is. Sets are of 20 episodes and looked at after each one.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.types import Episode
from robo_rlhf.deploy.drift import FIRST, WINDOW, Drift, ObservedPolicy, Watched
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks.pick_place import PickPlace
from tests.benchmarks.homes import with_samples

pytestmark = pytest.mark.bench
SETS, REFERENCE, CHANGED = int(os.environ.get("DRIFT_SETS", "20")), 200, 5  # sets that are as usual; of a change
BATCH, UPDATES = 50, 1500
SLOWER = 42.0  # [N s/m] added to the 2 of a finger and the 40 of its actuator: half the speed


class Changed(PickPlace):
    """The task with what is changed in its world."""

    change: Callable[[Any], None] | None = None

    def scene(self) -> Any:
        spec = super().scene()
        if self.change is not None:
            self.change(spec)
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


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = with_samples(tmp_path_factory)
    words = ["train", "bc", "--task", "pick_place", "--dataset", "samples/pick_place", "--run", "cloned"]
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *words, "--updates", str(UPDATES), "--home", str(home)]
    subprocess.run(command, check=True, capture_output=True)
    return home / "runs" / "cloned" / "checkpoints" / "policy.safetensors"


@pytest.mark.parametrize("who", ["operator", "policy"])
def test_changes_are_found_and_usual_sets_are_not(policy: Path, who: str) -> None:
    """Bars: of 20 sets as usual, at most 1 alarm; mass tripled, gripper slower by half: each found within 20.

    Of a policy that moves its gripper by parts, a slower one is found in more than half of the sets.
    """
    names = PickPlace.obs_names
    observed = ObservedPolicy([load_policy(policy)], names)
    usual = act(who, policy, REFERENCE + SETS * WINDOW, 500_000)
    learned = Drift.fit(observed, usual[:REFERENCE], names, {})
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
