"""Training of every kind of policy: killed after any update and continued, it ends as if it had never been killed.

Each case trains on the toy world for a few steps. `until` is called with the number of updates done and stops the
training by an exception, as a signal would.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run, read_checkpoint
from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.training import bc, ppo, sac
from tests.toy import SeenToyEnv, ToyEnv, demonstrations

Until = Callable[[int], None]
EPISODES = demonstrations(4)


class KilledError(Exception):
    pass


def clone(config: bc.Config) -> Callable[[Run, Until], None]:
    def train(run: Run, until: Until) -> None:
        def score(policy: TrainedPolicy) -> float:
            policy.seed(0)
            policy.reset(1)
            return float(policy.act(EPISODES[0].obs[:1]).sum())

        bc.train(config, run, EPISODES, score=score, progress=lambda done, total, metrics: until(done))

    return train


def closeness(obs: Array, action: Array, next_obs: Array) -> Array:
    return -np.abs(next_obs[..., :2] - next_obs[..., 4:]).sum(-1)


def seeing(env: SeenToyEnv) -> VisualPolicy:
    """Return a flow that sees the toy world, and of its columns only the goal."""
    shown = {"cameras": ["eye"], "size": 16, "columns": [4, 5], "encoder_settings": {"width": 4, "features": 8}}
    base = VisualPolicy(ToyEnv.obs_dim, ToyEnv.act_dim, settings={"width": 16, "execution_horizon": 4}, **shown)
    base.look_at(env)
    return base


def fine_tune_from_pictures(config: ppo.Config) -> Callable[[Run, Until], None]:
    def train(run: Run, until: Until) -> None:
        env = SeenToyEnv(config.num_envs)
        with seeded(0):
            actor = on_top_of(ResidualPolicy, seeing(env), width=16, own_encoder=config.learn_encoder)
        ppo.train(config, run, env, actor, closeness, progress=lambda done, total, metrics: until(done))

    return train


def fine_tune(config: ppo.Config) -> Callable[[Run, Until], None]:
    def train(run: Run, until: Until) -> None:
        with seeded(0):
            actor = GaussianPolicy(ToyEnv.obs_dim, ToyEnv.act_dim, width=16)
        env = ToyEnv(config.num_envs)
        ppo.train(config, run, env, actor, closeness, progress=lambda done, total, metrics: until(done))

    return train


def learn_off_policy(config: sac.Config, *, sees: bool = False) -> Callable[[Run, Until], None]:
    def train(run: Run, until: Until) -> None:
        env = SeenToyEnv(config.num_envs) if sees else ToyEnv(config.num_envs)
        with seeded(0):
            base = seeing(env) if isinstance(env, SeenToyEnv) else GaussianPolicy(env.obs_dim, env.act_dim, width=16)
            actor = on_top_of(TanhGaussianPolicy, base, width=16)
        sac.train(
            config,
            run,
            env,
            actor,
            closeness,
            demonstrations=() if sees else EPISODES,
            progress=lambda done, total, metrics: until(done),
        )

    return train


SETTINGS = {"width": 16}
PPO = ppo.Config(num_envs=4, iterations=10, epochs=1, minibatch=64, warmup_epochs=1, save_every=3)
SAC = sac.Config(num_envs=2, iterations=10, updates=0.05, batch=16, critic_width=16, capacity=300, save_every=3)
CASES: dict[str, Callable[[Run, Until], None]] = {
    "bc flow": clone(bc.Config(settings=SETTINGS, updates=10, save_every=3, log_every=2, candidates=3, warmup=2)),
    "bc gaussian": clone(bc.Config("gaussian", SETTINGS, updates=10, save_every=3, log_every=1)),
    "bc residual": clone(bc.Config("residual", SETTINGS, updates=10, save_every=4, log_every=1)),
    "bc mixture": clone(bc.Config("mixture", SETTINGS, updates=10, save_every=3, log_every=1, select_every=4)),
    "bc act": clone(bc.Config("act", {**SETTINGS, "chunk": 5}, updates=10, save_every=4, log_every=1, batch=32)),
    "bc recurrent": clone(bc.Config("recurrent", SETTINGS, updates=10, save_every=4, log_every=1, batch=32)),
    "ppo": fine_tune(PPO),
    "ppo from pictures": fine_tune_from_pictures(PPO),
    "ppo from pictures, its encoders too": fine_tune_from_pictures(replace(PPO, learn_encoder=True)),
    "sac": learn_off_policy(SAC),
    "sac from pictures": learn_off_policy(SAC, sees=True),
}


SLOW = [pytest.param(name, marks=pytest.mark.slow) if "pictures" in name else name for name in CASES]


@pytest.fixture(scope="module", params=SLOW)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def uninterrupted(case: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    CASES[case](Run(path, {}), lambda done: None)
    return path


@pytest.mark.parametrize("kills", [[1], [5], [2, 4, 8]])
def test_killed_and_resumed_equals_uninterrupted(
    case: str, uninterrupted: Path, kills: list[int], tmp_path: Path
) -> None:
    for kill in kills:

        def until(done: int, kill: int = kill) -> None:
            if done == kill:
                raise KilledError

        with pytest.raises(KilledError):
            CASES[case](Run(tmp_path, {}), until)
    CASES[case](Run(tmp_path, {}), lambda done: None)
    assert_equal_runs(tmp_path, uninterrupted)


def assert_equal_runs(one: Path, other: Path) -> None:
    for name in ("metrics.jsonl", "result.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    a, b = (read_checkpoint(path / "checkpoints" / "policy.safetensors") for path in (one, other))
    assert a[0].keys() == b[0].keys()
    for name, value in a[0].items():
        np.testing.assert_array_equal(value, b[0][name], err_msg=name)
    assert json.dumps(a[1]) == json.dumps(b[1])
