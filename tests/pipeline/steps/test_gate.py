"""The gates of the main job: a worse policy does not replace a better one, and the job continues with the better."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.context import Context
from robo_rlhf.pipeline.steps import gate as gates
from robo_rlhf.pipeline.steps.evaluation import EVALUATED
from robo_rlhf.pipeline.steps.gate import OveroptimizationAlarm, may_replace
from robo_rlhf.pipeline.steps.observers import NullObserver
from tests.pipeline.making import do, fresh_home, read, short_config, traces
from tests.toy import ToyEnv, ToyOperator


class Idle:
    """A policy that does nothing."""

    def reset(self, num_envs: int) -> None: ...

    def act(self, obs: Array) -> Array:
        return np.zeros((len(obs), 2), np.float32)


def decide(path: Path, old: object, new: object, env: VecEnv | None = None) -> bool:
    """Let the gate of the first round decide, in as much of a context as it needs."""
    config: Any = SimpleNamespace(gate_episodes=30, num_envs=10, task="toy")
    nothing: Any = None
    context = Context(config, Run(path, {}), path, env or ToyEnv(10), nothing, NullObserver())
    policies: Any = [SimpleNamespace(network=network, success=None) for network in (old, new)]
    return may_replace(context, *policies, 1)


def test_a_worse_policy_does_not_replace_a_better_one(tmp_path: Path) -> None:
    good, bad = ToyOperator(noise=0.0, pause=0.0), Idle()
    assert not decide(tmp_path / "a", good, bad)
    assert decide(tmp_path / "b", bad, good)
    (event,) = [e for e in Run(tmp_path / "a", {}).events() if e["event"] == "gate"]
    assert event["round"] == 1
    assert not event["accepted"]
    assert event["reason"].startswith("refused: shown to be worse, -")
    assert not decide(tmp_path / "a", good, good)  # decided already
    shown = Dataset(tmp_path / "b" / EVALUATED)  # of the new policy
    assert shown.ids() == tuple(f"round-1-gate-{gates.GATE_SEED + i}" for i in range(3))
    assert all(shown.load(name).state.shape[1] for name in shown.ids())


def test_where_no_success_is_known_returns_are_compared(tmp_path: Path) -> None:
    class Unmarked(ToyEnv):
        def step(self, action: Array) -> Step:
            step = super().step(action)
            return step._replace(success=np.zeros_like(step.success))

    assert not decide(tmp_path, ToyOperator(noise=0.0, pause=0.0), Idle(), Unmarked(10))


def test_the_alarm_ends_a_round_and_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    alarm, stops = OveroptimizationAlarm(run, 20, window=2), []
    for i, good in enumerate([15, 18, 19, 18, 17, 2], start=1):
        run.log(i, {"reward": 0.1 * i})
        step = SimpleNamespace(reward=np.zeros(20), active=np.ones(20, bool), success=np.arange(20) < good, faults={})
        alarm.observe(i, 0, step)  # type: ignore[arg-type]
        stops.append(alarm.log(i, None, {}))
    assert stops == [False] * 5 + [True]
    event = run.events()[-1]
    assert event["event"].startswith("over-optimised")
    assert event["iteration"] == 6
    assert "the learned reward rose by" in event["why"]


@pytest.mark.slow
def test_a_job_with_gates_goes_on_from_what_it_kept(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in the first round: the second starts from the clone, and a killed job knows what was decided."""
    real, decided = gates.replacement, []

    def refuse_once(old: Array, new: Array, **given: Any) -> Any:
        decided.append(1)
        decision = real(old, new, **given)
        return decision._replace(accepted=len(decided) > 1)

    monkeypatch.setattr(gates, "replacement", refuse_once)
    home = fresh_home(reach_home, tmp_path / "home")
    path = do(short_config(gate=True, gate_episodes=8), home)
    assert [read(path, f"round-{n}/gate/result.json")["accepted"] for n in (1, 2)] == [False, True]
    first = traces(path)
    assert b'"anchor_kl": 0.0' in first["round-2/finetune/metrics.jsonl"].splitlines()[0]  # it is the clone
    for name in ("result.json", "after/result.json", "round-2/finetune/result.json"):
        (path / name).unlink()
    decided[:] = [1]
    assert traces(do(short_config(gate=True, gate_episodes=8), home)) == first
