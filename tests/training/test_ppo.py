import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Step
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import ppo
from tests.forking import Forked
from tests.toy import ToyEnv

SHORT = ppo.Config(num_envs=8, iterations=4, epochs=2, minibatch=64, warmup_epochs=2, save_every=1, critic_width=16)


def closeness(obs: Array, action: Array, next_obs: Array) -> Array:
    """A reward that a person might have taught: near the goal is good."""
    distance = np.hypot(next_obs[..., 0] - next_obs[..., 4], next_obs[..., 1] - next_obs[..., 5])
    reward: Array = (1 - np.tanh(distance)).astype(np.float32)
    return reward


def new_actor(width: int = 16) -> GaussianPolicy:
    with seeded(0):
        return GaussianPolicy(ToyEnv.obs_dim, ToyEnv.act_dim, width=width)


def short(folder: Path, config: ppo.Config = SHORT, **arguments: Any) -> Run:
    """Train in `folder` with the short settings; return the run."""
    run = Run(folder, config)
    given: dict[str, Any] = {"env": ToyEnv(config.num_envs), "actor": new_actor(), "reward": closeness} | arguments
    ppo.train(config, run, **given)
    return run


def traces(run: Run) -> dict[str, bytes]:
    """Everything of a run that must be the same between equal runs."""
    names = ("metrics.jsonl", "result.json", "checkpoints/policy.safetensors", "checkpoints/training.safetensors")
    return {name: (run.path / name).read_bytes() for name in names}


def weights(actor: GaussianActor) -> Array:
    return torch.cat([p.detach().flatten() for p in actor.parameters()]).numpy().copy()


def success(actor: GaussianActor) -> float:
    episodes = rollout(ToyEnv(100), actor, np.arange(100))
    return float(np.mean([episode.success[-1] for episode in episodes]))


class Wrong(ToyEnv):
    """The toy world with `change` made to every step from `first` on."""

    def __init__(self, num_envs: int, change: Callable[[Step], Step], first: int = 0, ends: bool = False) -> None:
        super().__init__(num_envs, ends=ends)
        self.change, self.left = change, first

    def step(self, action: Array) -> Step:
        step, self.left = super().step(action), self.left - 1
        return step if self.left >= 0 else self.change(step)


# Learning


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, GaussianActor]:
    config = ppo.Config(num_envs=32, iterations=20, minibatch=256, anchor=0.0, actor_lr=1e-3, save_every=20)
    run, actor = Run(tmp_path_factory.mktemp("learned") / "run", config), new_actor(64)
    return run, ppo.train(config, run, ToyEnv(32), actor, closeness)


def test_learns_the_toy_task_from_nothing(learned: tuple[Run, GaussianActor]) -> None:
    assert success(new_actor(64)) <= 0.05
    assert success(learned[1]) >= 0.7


def test_metrics_tell_what_happened(learned: tuple[Run, GaussianActor]) -> None:
    rows = learned[0].metrics()
    assert [row["step"] for row in rows] == list(range(1, 21))
    first, last = rows[0], rows[-1]
    assert last["reward"] > first["reward"] + 0.2
    assert first["actor_steps"] == first["approx_kl"] == first["anchor_kl"] == 0.0  # only the value function learns
    assert rows[1]["explained_variance"] > 0.3  # and it has learned
    assert last["explained_variance"] > 0.9
    assert last["anchor_kl"] > 0.1
    assert 0.05 < last["std"] < 0.5
    assert 0 < last["approx_kl"] < 0.03
    assert 0 < last["clip_fraction"] < 0.5


def test_the_saved_policy_is_the_one_trained(learned: tuple[Run, GaussianActor]) -> None:
    run, actor = learned
    obs = ToyEnv(8).reset(np.arange(8))
    loaded = load_policy(run.checkpoint_path("policy"), task="toy", obs_dim=6, act_dim=2)
    np.testing.assert_array_equal(loaded.act(obs), actor.act(obs))


def test_a_strong_anchor_holds_the_policy(tmp_path: Path) -> None:
    start, actor = weights(new_actor()), new_actor()
    run = short(tmp_path, dataclasses.replace(SHORT, anchor=1000.0, iterations=6), actor=actor)
    assert run.metrics()[-1]["anchor_kl"] < 0.002
    free = short(tmp_path / "free", dataclasses.replace(SHORT, anchor=0.0, iterations=6)).metrics()[-1]
    assert free["anchor_kl"] > 5 * run.metrics()[-1]["anchor_kl"]
    assert not np.array_equal(weights(actor), start)


def test_the_anchor_adapts_to_its_target(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, anchor=1.0, anchor_target=0.05, actor_lr=3e-3, iterations=25, epochs=4)
    rows = short(tmp_path, config).metrics()
    assert rows[0]["anchor_weight"] == 1.0
    assert rows[2]["anchor_weight"] < rows[1]["anchor_weight"] < 1.0  # the policy is still near: the anchor loosens
    assert 0.05 / 3 < np.mean([row["anchor_kl"] for row in rows[-5:]]) < 0.05 * 3


def test_a_residual_policy_learns_and_its_base_stays(tmp_path: Path) -> None:
    actor = on_top_of(ResidualPolicy, new_actor(), scale=0.5, std=0.2)
    base, correction = weights(actor.base), weights(actor)  # type: ignore[arg-type]
    short(tmp_path, actor=actor)
    np.testing.assert_array_equal(weights(actor.base), base)  # type: ignore[arg-type]
    assert not np.array_equal(weights(actor), correction)


def test_exploration_starts_from_the_deviation_asked_for(tmp_path: Path) -> None:
    own, asked = short(tmp_path / "own"), short(tmp_path / "asked", dataclasses.replace(SHORT, std=0.1))
    assert own.metrics()[0]["std"] == pytest.approx(0.3, rel=1e-4)
    assert asked.metrics()[0]["std"] == pytest.approx(0.1, rel=1e-4)


def test_the_policy_rests_when_it_has_moved_far_enough(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, actor_lr=3e-3, target_kl=0.005, epochs=8)
    row = short(tmp_path / "rests", config).metrics()[1]
    free = short(tmp_path / "free", dataclasses.replace(config, target_kl=0.0)).metrics()[1]
    assert free["actor_steps"] == 8 * 5
    assert 1 <= row["actor_steps"] < 8 * 5
    assert row["approx_kl"] < 0.005 < free["approx_kl"]


def test_without_an_end_the_value_function_goes_on(tmp_path: Path) -> None:
    rows = short(tmp_path, dataclasses.replace(SHORT, finite=False)).metrics()
    assert rows != short(tmp_path / "finite").metrics()


# What learning sees


def test_poisoned_task_reward_changes_nothing(tmp_path: Path) -> None:
    def poison(step: Step) -> Step:
        garbage = np.random.default_rng().integers(2, size=len(step.success)).astype(bool)
        return step._replace(reward=np.full_like(step.reward, np.nan), success=garbage)

    clean = short(tmp_path / "clean")
    poisoned = short(tmp_path / "poisoned", env=Wrong(8, poison), diagnostics=lambda *_: 1e9)
    assert traces(clean) == traces(poisoned)


def test_task_reward_and_success_are_never_even_read(tmp_path: Path) -> None:
    class Blind(tuple[Any, ...]):
        def __getattr__(self, name: str) -> Any:
            assert name in ("obs", "applied", "active", "faults"), name
            return self[Step._fields.index(name)]

    short(tmp_path, env=Wrong(8, lambda step: Blind(step)))  # type: ignore[arg-type, return-value]


def test_diagnostics_see_every_step_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int, Step]] = []
    short(tmp_path, diagnostics=lambda *given: seen.append(given))
    assert [(i, t) for i, t, _ in seen] == [(i + 1, t) for i in range(4) for t in range(40)]
    assert all(step.reward.shape == step.success.shape == (8,) for _, _, step in seen)


def test_the_reward_gets_whole_episodes_and_actions_as_applied(tmp_path: Path) -> None:
    calls = []

    def reward(obs: Array, action: Array, next_obs: Array) -> Array:
        calls.append((obs.copy(), action.copy(), next_obs.copy()))
        return closeness(obs, action, next_obs)

    short(tmp_path, dataclasses.replace(SHORT, std=2.0), reward=reward)
    assert len(calls) == 4
    obs, action, next_obs = calls[0]
    assert obs.shape == next_obs.shape == (40, 8, 6)
    np.testing.assert_array_equal(obs[1:], next_obs[:-1])
    assert action.shape == (40, 8, 2)
    assert np.abs(action).max() == 1.0
    assert not np.array_equal(obs[0], calls[1][0][0])  # every iteration has its own starts


def test_steps_after_the_end_of_an_episode_do_not_count(tmp_path: Path) -> None:
    def freeze(env: ToyEnv) -> Callable[[Step], Step]:
        """Every copy has ended after half of the episode."""

        def change(step: Step) -> Step:
            env.t = getattr(env, "t", -1) + 1  # type: ignore[attr-defined]
            return step._replace(active=np.full(8, env.t % 40 < 20))  # type: ignore[attr-defined]

        return change

    def run(name: str, scale: float) -> dict[str, bytes]:
        env = Wrong(8, lambda step: step)
        env.change = freeze(env)

        def reward(obs: Array, action: Array, next_obs: Array) -> Array:
            value = closeness(obs, action, next_obs)
            value[20:] *= scale
            return value

        return traces(short(tmp_path / name, env=env, reward=reward))

    assert run("small", 1.0) == run("large", 100.0)


# Going on


def test_the_same_seed_twice_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    first, second = short(tmp_path / "first"), short(tmp_path / "second")
    assert traces(first) == traces(second)
    other = short(tmp_path / "other", dataclasses.replace(SHORT, seed=1))
    assert first.metrics() != other.metrics()


class Stop:
    """The reward of the toy world, until call number `call`: then `end` is called."""

    def __init__(self, call: int, end: Callable[[], None]) -> None:
        self.call, self.end, self.calls = call, end, 0

    def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
        self.calls += 1
        if self.calls == self.call:
            self.end()
        return closeness(obs, action, next_obs)


@pytest.mark.parametrize("save_every", [1, 3])
@pytest.mark.parametrize("call", [1, 2, 4])
def test_stopped_and_continued_equals_uninterrupted(tmp_path: Path, save_every: int, call: int) -> None:
    config = dataclasses.replace(SHORT, save_every=save_every, anchor_target=0.01)

    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        short(tmp_path / "stopped", config, reward=Stop(call, press_ctrl_c))
    continued = Stop(0, press_ctrl_c)
    run = short(tmp_path / "stopped", config, reward=continued)
    assert traces(run) == traces(short(tmp_path / "whole", config))
    assert continued.calls == 4 - (call - 1) // save_every * save_every  # what was saved is not done again


def test_killed_and_continued_equals_uninterrupted(tmp_path: Path) -> None:
    stop = Stop(3, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert Forked(lambda: short(tmp_path / "killed", reward=stop), tmp_path).end()[0] == -signal.SIGKILL
    assert Run(tmp_path / "killed", SHORT).result() is None
    assert traces(short(tmp_path / "killed")) == traces(short(tmp_path / "whole"))


def test_a_finished_run_only_gives_back_its_policy(tmp_path: Path) -> None:
    trained = new_actor()
    run = short(tmp_path, actor=trained)
    before, again = traces(run), new_actor()
    short(tmp_path, actor=again, reward=Stop(1, lambda: pytest.fail("it trained again")))
    assert traces(run) == before
    np.testing.assert_array_equal(weights(again), weights(trained))


def test_the_caller_can_end_it_early(tmp_path: Path) -> None:
    run = short(tmp_path, on_iteration=lambda done, actor, metrics: done == 2)
    assert len(run.metrics()) == 2
    assert (run.result() or {})["iterations"] == 2
    (tmp_path / "result.json").unlink()  # killed just before the result was written
    assert (short(tmp_path).result() or {})["iterations"] == 2


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    short(tmp_path, progress=lambda done, total, metrics: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_round_goes_on_from_the_one_before(tmp_path: Path) -> None:
    first = short(tmp_path / "one")
    arrays, _ = first.load("training") or ({}, {})
    actor = new_actor()
    second = short(tmp_path / "two", dataclasses.replace(SHORT, seed=1, iterations=1), actor=actor, carry=(arrays, {}))
    # its only iteration trains the value function: the policy is the one of the round before, its anchor the clone
    trained = load_policy(first.checkpoint_path("policy"))
    np.testing.assert_array_equal(weights(actor), weights(trained))  # type: ignore[arg-type]
    assert second.metrics()[0]["anchor_kl"] > 0
    assert second.metrics()[0]["step"] == 1
    for name in ("actor_step/0/exp_avg", "anchor/net.0.weight"):
        np.testing.assert_array_equal((second.load("training") or ({}, {}))[0][name], arrays[name])


# Bad input


def nan(*shape: int) -> Array:
    return np.full(shape, np.nan, np.float32)


def test_a_reward_that_is_not_finite_stops_at_the_last_good_checkpoint(tmp_path: Path) -> None:
    def turns_bad(obs: Array, action: Array, next_obs: Array) -> Array:
        turns_bad.calls += 1  # type: ignore[attr-defined]
        value = closeness(obs, action, next_obs)
        value[3, 2] = np.nan if turns_bad.calls == 3 else value[3, 2]  # type: ignore[attr-defined]
        return value

    turns_bad.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(NonFiniteError) as caught:
        short(tmp_path / "bad", reward=turns_bad)
    assert str(caught.value) == (
        "The learned reward is not finite (iteration 3 of ppo on toy). "
        "The previous checkpoint is kept; the same command resumes from it."
    )
    _, meta = Run(tmp_path / "bad", SHORT).load("training") or ({}, {})
    assert meta["done"] == 2
    assert traces(short(tmp_path / "bad")) == traces(short(tmp_path / "good"))


def test_a_policy_that_is_not_finite_is_named(tmp_path: Path) -> None:
    actor = new_actor()
    with torch.no_grad():
        actor.log_std[0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"The action of the policy is not finite \(step 1 of iteration 1 of ppo"):
        short(tmp_path, actor=actor)


def test_an_observation_that_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match="An observation is not finite"):
        short(tmp_path, env=Wrong(8, lambda step: step._replace(obs=nan(8, 6)), first=79))


def test_an_update_that_diverges_is_not_saved(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, critic_lr=1e38)
    with pytest.raises(NonFiniteError, match="A weight after the update is not finite"):
        short(tmp_path, config)
    assert Run(tmp_path, config).load("training") is None


def test_a_constant_reward_moves_nothing(tmp_path: Path) -> None:
    actor = new_actor()
    start = weights(actor)
    run = short(tmp_path, actor=actor, reward=lambda obs, *_: np.full(obs.shape[:2], 0.3, np.float32))
    np.testing.assert_allclose(weights(actor), start, atol=1e-6)
    assert [event["iteration"] for event in run.events()] == [1, 2, 3, 4]
    assert "nothing to maximise" in run.events()[0]["event"]


def test_a_reward_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"the learned reward: expected shape \(40, 8\), got shape \(40,\)"):
        short(tmp_path, reward=lambda obs, *_: np.zeros(len(obs), np.float32))


def test_an_environment_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValueError, match="copies of the environment for ppo: expected num_envs of the config, 8"
    ):
        short(tmp_path, env=ToyEnv(4))


def test_a_policy_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"policy for toy: expected shape \(6, 2\), got shape \(5, 2\)"):
        short(tmp_path, actor=GaussianPolicy(5, 2))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    short(tmp_path)
    with pytest.raises(CheckpointMismatchError, match="does not fit: expected a gaussian policy with settings"):
        short(tmp_path, actor=new_actor(32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_envs": 0}, "ppo num_envs: expected at least 1, got 0"),
        ({"actor_lr": 0.0}, "ppo actor_lr: expected more than 0, got 0.0"),
        ({"anchor": -1.0}, "ppo anchor: expected 0 or more, got -1.0"),
        ({"gamma": 1.5}, "ppo gamma: expected a number from 0 to 1, got 1.5"),
        ({"anchor": 0.0, "anchor_target": 0.1}, "ppo anchor: expected more than 0 where anchor_target is, got 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        ppo.Config(**changes)
    assert str(caught.value) == message + "."


# Formulas


def normal(seed: int) -> torch.distributions.Normal:
    generator = torch.Generator().manual_seed(seed)
    return torch.distributions.Normal(
        torch.randn(7, 3, generator=generator), torch.rand(7, 3, generator=generator) + 0.1
    )


def test_divergence_and_entropy_are_those_of_torch() -> None:
    p, q = normal(0), normal(1)
    torch.testing.assert_close(ppo.divergence(p, q.mean, q.stddev), torch.distributions.kl_divergence(p, q).sum(-1))
    torch.testing.assert_close(ppo.entropy(p), p.entropy().sum(-1))


def test_ratios_of_log_prob_are_those_of_torch() -> None:
    p, q, action = normal(0), normal(1), torch.ones(7, 3)
    torch.testing.assert_close(
        ppo.log_prob(p, action) - ppo.log_prob(q, action), (p.log_prob(action) - q.log_prob(action)).sum(-1)
    )
