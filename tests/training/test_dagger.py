"""Learning from takeovers: what is imitated, and that it helps, with a scripted operator who watches the policy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode, Policy, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.training_arrays.correction_weights import Weighting
from robo_rlhf.policies.checkpoint import load_meta
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.training import bc, dagger
from tests.sim.operators.takeover import TakeoverOperator
from tests.toy import demonstrations

SMALL = bc.Config("gaussian", {"width": 8}, updates=4, batch=32)


def corrected(episode: Episode, start: int = 20, stop: int = 30) -> Episode:
    source = np.full(len(episode), int(Source.POLICY), np.uint8)
    source[start:stop] = Source.CORRECTION
    return replace(episode, source=source)


def reached(env: TaskEnv, policy: Policy) -> float:
    episodes = rollout(env, policy, np.arange(1000, 1000 + env.num_envs), record_state=False)
    return float(np.mean([e.success.any() for e in episodes]))


def test_takeovers_help_where_the_clone_fails(reach_home: Path, tmp_path: Path) -> None:
    shown = list(Dataset(reach_home / "samples" / "reach").load_all())[:3]
    env, judged = make_env("reach", 16, 1), make_env("reach", 32, 1)
    assert isinstance(env, TaskEnv)
    assert isinstance(judged, TaskEnv)
    config = bc.Config(settings={"width": 128, "layers": 2, "noise": 0.0}, updates=250, batch=128)
    clone = bc.fit(config, shown)
    watcher = TakeoverOperator(env, clone, ScriptedOperator(env), patience=8)
    taken = rollout(env, watcher, np.arange(500, 516), source=watcher.source)
    learned = dagger.train(dagger.Config(config), Run(tmp_path, {}), shown, taken)
    before, after = reached(judged, clone), reached(judged, learned)
    assert before < 0.6
    assert after > before + 0.2


def test_only_episodes_with_a_correction_are_added(tmp_path: Path) -> None:
    shown = demonstrations(2)
    run = Run(tmp_path, {})
    dagger.train(dagger.Config(SMALL), run, shown, [corrected(shown[0]), shown[1]], meta={"mask_delay": 3})
    meta = load_meta(run.checkpoint_path("policy"))
    assert (meta["algorithm"], meta["demonstrations"], meta["corrections"], meta["mask_delay"]) == ("dagger", 2, 1, 3)
    result = run.result()
    assert result is not None
    assert result["examples"] < 2 * 40 + 10 + 1


def test_corrections_without_demonstrations(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    dagger.train(dagger.Config(replace(SMALL, idle=0.0)), run, [], [corrected(demonstrations(1)[0])])
    result = run.result()
    assert result is not None
    assert result["examples"] == 10


def test_a_larger_share_pulls_the_policy_to_the_corrections() -> None:
    one, other = demonstrations(2)
    shown = replace(one, action=np.full_like(one.action, 0.5))
    taken = corrected(replace(one, action=np.full_like(other.action, -0.5)))
    config = replace(SMALL, settings={"width": 32}, updates=150, idle=0.0)
    found = [
        bc.fit(config, [shown, taken], weighting=Weighting(share=share, before=0)).act(one.obs[20:30]).mean()
        for share in (0.1, 0.9)
    ]
    assert found[0] > found[1] + 0.3


def test_bad_input_is_named(tmp_path: Path) -> None:
    one, other = demonstrations(2)
    with pytest.raises(
        InvalidValueError, match=r"an operator took over from a policy, got 1 episodes without a corrected"
    ):
        dagger.train(dagger.Config(SMALL), Run(tmp_path, {}), [one], [other])
    foreign = corrected(replace(other, meta=replace(other.meta, task="lift")))
    with pytest.raises(InvalidValueError, match="expected episodes of one task, got lift"):
        dagger.train(dagger.Config(SMALL), Run(tmp_path, {}), [one], [foreign])
    obs = other.obs.copy()
    obs[7, 2] = np.nan
    broken = corrected(replace(other, obs=obs, meta=replace(other.meta, id="broken")))
    with pytest.raises(NonFiniteError, match=r"observation is not finite \(episode broken, frame 7\)\. Leave this"):
        dagger.train(dagger.Config(SMALL), Run(tmp_path, {}), [one], [broken])
    assert not (tmp_path / "checkpoints").exists()
