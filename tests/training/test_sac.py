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
from robo_rlhf.core.types import Array, Episode, Step
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import sac
from robo_rlhf.training.sac import QEnsemble
from tests.forking import Forked
from tests.toy import ToyEnv, demonstrations

SHORT = sac.Config(
    num_envs=4,
    iterations=4,
    updates=0.1,
    batch=32,
    capacity=400,
    critic_width=16,
    save_every=1,
    refresh=3,
    members=3,
)
SHOWN = demonstrations(3)


def closeness(obs: Array, action: Array, next_obs: Array) -> Array:
    """A reward that a person might have taught: near the goal is good."""
    distance = np.hypot(next_obs[..., 0] - next_obs[..., 4], next_obs[..., 1] - next_obs[..., 5])
    reward: Array = (1 - np.tanh(distance)).astype(np.float32)
    return reward


def new_actor(width: int = 16) -> TanhGaussianPolicy:
    with seeded(0):
        return TanhGaussianPolicy(ToyEnv.obs_dim, ToyEnv.act_dim, width=width)


def short(folder: Path, config: sac.Config = SHORT, **arguments: Any) -> Run:
    """Train in `folder` with the short settings; return the run."""
    run = Run(folder, config)
    given: dict[str, Any] = {
        "env": ToyEnv(config.num_envs),
        "actor": new_actor(),
        "reward": closeness,
        "demonstrations": SHOWN,
    }
    sac.train(config, run, **given | arguments)
    return run


def traces(run: Run) -> dict[str, bytes]:
    """Everything of a run that must be the same between equal runs."""
    names = ("metrics.jsonl", "result.json", "checkpoints/policy.safetensors", "checkpoints/training.safetensors")
    return {name: (run.path / name).read_bytes() for name in names}


def weights(actor: torch.nn.Module) -> Array:
    return torch.cat([p.detach().flatten() for p in actor.parameters()]).numpy().copy()


def success(actor: Any) -> float:
    episodes = rollout(ToyEnv(50), actor, np.arange(50))
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


LEARNS = sac.Config(
    num_envs=8,
    iterations=8,
    batch=64,
    critic_width=64,
    actor_lr=1e-3,
    critic_lr=1e-3,
    temperature_lr=1e-2,
    tau=0.05,
    n_step=5,
    save_every=100,
    gamma=0.95,
)


def test_climbs_a_learned_reward_from_nothing(tmp_path: Path) -> None:
    config = dataclasses.replace(LEARNS, updates=0.3)
    run = short(tmp_path, config, actor=new_actor(64), demonstrations=())
    rows = run.metrics()
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert rows[0]["actor_updates"] == rows[0]["critic_updates"] == 96
    assert np.mean([row["reward"] for row in rows[-3:]]) > rows[0]["reward"] + 0.08
    assert rows[-1]["policy_value"] > rows[0]["policy_value"] + 0.2
    assert -1.5 < rows[-1]["entropy"] < -0.5  # the temperature brings it to its aim, half a nat below 0 an action


def test_learns_from_marks_of_success_and_demonstrations_alone(tmp_path: Path) -> None:
    config = dataclasses.replace(LEARNS, objective="success")

    def nobody(*_: Array) -> Array:
        raise AssertionError("there is no learned reward")

    actor = new_actor(64)
    assert success(actor) <= 0.1
    short(tmp_path, config, actor=actor, reward=nobody, demonstrations=demonstrations(20))
    assert success(actor) >= 0.5


def test_a_correction_starts_as_its_base_and_the_base_stays(tmp_path: Path) -> None:
    with seeded(0):
        actor = on_top_of(TanhGaussianPolicy, GaussianPolicy(6, 2, width=16), scale=0.3, width=16)
    assert actor.base is not None
    obs, base, before = ToyEnv(4).reset(np.arange(4)), weights(actor.base), weights(actor)
    np.testing.assert_allclose(actor.act(obs), actor.base.act(obs), atol=1e-6)
    run = short(tmp_path, actor=actor)
    np.testing.assert_array_equal(weights(actor.base), base)
    assert not np.array_equal(weights(actor), before)
    assert [row["actor_updates"] for row in run.metrics()] == [0, 16, 16, 16]  # values first
    loaded = load_policy(run.checkpoint_path("policy"), task="toy", obs_dim=6, act_dim=2)
    np.testing.assert_array_equal(loaded.act(obs), actor.act(obs))


def test_correction_penalty_keeps_a_correction_small(tmp_path: Path) -> None:
    corrections = []
    for correction_penalty in (0.0, 100.0):
        with seeded(0):
            actor = on_top_of(TanhGaussianPolicy, GaussianPolicy(6, 2, width=16), scale=0.3, width=16)
        config = dataclasses.replace(SHORT, actor_lr=1e-2, correction_penalty=correction_penalty)
        short(tmp_path / str(correction_penalty), config, actor=actor)
        features = actor.features(ToyEnv(20).reset(np.arange(20)))
        corrections.append(float(actor.correction(features).detach().square().mean().sqrt()))
    assert corrections[1] < 0.2 * corrections[0]


def test_a_refused_policy_leaves_what_it_saw_and_its_values(tmp_path: Path) -> None:
    with seeded(0):
        base = GaussianPolicy(6, 2, width=16)
    kept, config = (
        on_top_of(TanhGaussianPolicy, base, scale=0.3, width=16),
        dataclasses.replace(SHORT, iterations=2, capacity=4000),
    )
    first = short(tmp_path / "1", config, actor=on_top_of(TanhGaussianPolicy, base, scale=0.3, width=16)).load(
        "training"
    )
    assert first is not None
    before, one = weights(kept), dataclasses.replace(config, iterations=1)  # whose only updates are of the values
    run = short(tmp_path / "2", one, actor=kept, carry=first, refused=True)
    np.testing.assert_array_equal(weights(kept), before)
    second, _ = run.load("training") or ({}, {})
    np.testing.assert_array_equal(second["replay/action"][:2], first[0]["replay/action"])
    assert len(second["replay/action"]) == 3
    assert float(second["critic_step/0/step"]) == float(first[0]["critic_step/0/step"]) + 19  # refreshed, and 16
    assert np.exp(second["temperature/log"]) == pytest.approx(config.temperature)


def test_an_untrained_policy_after_a_refusal_is_told_the_scales(tmp_path: Path) -> None:
    first, actor = short(tmp_path / "1", demonstrations=()).load("training"), new_actor()
    assert first is not None
    short(tmp_path / "2", actor=actor, carry=first, refused=True, demonstrations=())
    np.testing.assert_array_equal(actor.normalizer.std.numpy(), first[0]["critics/normalizer.std"])


# What learning sees


def test_a_column_that_moves_only_later_is_scaled_anew_with_the_next_reward(tmp_path: Path) -> None:
    class Latecomer(ToyEnv):
        """The goal stands still in the first iteration, as a door does that nobody has reached."""

        turns = 0

        def reset(self, seeds: Array) -> Array:
            super().reset(seeds)
            self.turns += 1
            if self.turns == 1:
                self._state[:, 4:] = 0.0
            return self._observe()

    actor, env = new_actor(), Latecomer(4)
    first = short(tmp_path / "1", dataclasses.replace(SHORT, iterations=2), env=env, actor=actor, demonstrations=())
    assert actor.normalizer.std[4] == pytest.approx(1e-3)
    before = actor.normalizer.std.clone()
    short(tmp_path / "2", env=env, actor=actor, demonstrations=(), carry=first.load("training"))
    assert 0.1 < float(actor.normalizer.std[4]) < 1.0
    np.testing.assert_array_equal(actor.normalizer.std[:4].numpy(), before[:4].numpy())


def test_poisoned_task_reward_changes_nothing(tmp_path: Path) -> None:
    def poison(step: Step) -> Step:
        garbage = np.random.default_rng().integers(2, size=len(step.success)).astype(bool)
        return step._replace(reward=np.full_like(step.reward, np.nan), success=garbage)

    def poisoned(episode: Episode) -> Episode:
        reward, marks = np.full_like(episode.reward, np.nan), ~episode.success
        return dataclasses.replace(episode, reward=reward, success=marks)

    clean = short(tmp_path / "clean")
    spoiled = [poisoned(e) for e in SHOWN]
    other = short(tmp_path / "other", env=Wrong(4, poison), demonstrations=spoiled, diagnostics=lambda *_: 1e9)
    assert traces(clean) == traces(other)


def test_task_reward_and_success_are_never_even_read(tmp_path: Path) -> None:
    class Blind(tuple[Any, ...]):
        def __getattr__(self, name: str) -> Any:
            assert name in ("obs", "applied", "active", "faults"), name
            return self[Step._fields.index(name)]

    short(tmp_path, env=Wrong(4, lambda step: Blind(step)))  # type: ignore[arg-type, return-value]


def test_rewards_of_the_whole_replay_are_those_of_the_newest_model(tmp_path: Path) -> None:
    class Changing:
        """Another reward from the third iteration on."""

        def __init__(self, at: int) -> None:
            self.at, self.asked, self.seen = at, 0, list[tuple[int, ...]]()

        def refresh(self) -> tuple[bool, str]:
            self.asked += 1
            return self.asked == self.at, "a new reward" if self.asked == self.at else ""

        def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
            self.seen.append((self.asked, *obs.shape[:2]))
            return closeness(obs, action, next_obs) * (2 if self.asked >= self.at else 1)

    reward = Changing(3)
    run = short(tmp_path, reward=reward)
    shown, own = (len(max(SHOWN, key=len)), 3), (40, 4)
    first = [(1, *shown), (1, *own), (2, *own)]  # after the two that set the units
    again = [(3, *shown), (3, *own), (3, *own)]  # all that is remembered: the ring holds two blocks
    assert reward.seen[2:] == [*first, *again, (4, *own)]
    assert [event["iteration"] for event in run.events()] == [3]
    assert [row["critic_updates"] for row in run.metrics()] == [16, 16, 19, 16]


@pytest.mark.parametrize("text", ["success", "0.1 * task + learned"])
def test_a_named_reward_is_kept_over_kills(tmp_path: Path, text: str) -> None:
    config = dataclasses.replace(SHORT, objective=text, save_every=2)
    with pytest.raises(KeyboardInterrupt):
        short(tmp_path / "stopped", config, progress=stop_at(3))
    run = short(tmp_path / "stopped", config)
    assert traces(run) == traces(short(tmp_path / "whole", config))


def test_a_demonstration_marked_as_a_whole_succeeds_at_its_end(tmp_path: Path) -> None:
    marked = [dataclasses.replace(e, success=np.zeros_like(e.success)) for e in SHOWN]
    marked = [dataclasses.replace(e, meta=dataclasses.replace(e.meta, outcome="success")) for e in marked]
    config = dataclasses.replace(SHORT, objective="success", iterations=1)
    assert short(tmp_path / "marked", config, demonstrations=marked).metrics()[0]["reward_std"] > 0
    marked = [dataclasses.replace(e, meta=dataclasses.replace(e.meta, outcome="failure")) for e in marked]
    run = short(tmp_path / "unmarked", config, demonstrations=marked)
    assert run.metrics()[0]["reward_std"] == 0
    assert "nothing to maximise" in run.events()[0]["event"]


# Going on


def stop_at(done: int) -> Callable[[int, int, Any], None]:
    def progress(at: int, total: int, metrics: Any) -> None:
        if at == done:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("save_every", [1, 3])
@pytest.mark.parametrize("done", [1, 3])
def test_stopped_and_continued_equals_uninterrupted(tmp_path: Path, save_every: int, done: int) -> None:
    config = dataclasses.replace(SHORT, save_every=save_every)  # the ring of two blocks is full after two iterations
    with pytest.raises(KeyboardInterrupt):
        short(tmp_path / "stopped", config, progress=stop_at(done))
    assert traces(short(tmp_path / "stopped", config)) == traces(short(tmp_path / "whole", config))


def test_killed_and_continued_equals_uninterrupted(tmp_path: Path) -> None:
    def progress(done: int, total: int, metrics: Any) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    assert Forked(lambda: short(tmp_path / "killed", progress=progress), tmp_path).end()[0] == -signal.SIGKILL
    assert Run(tmp_path / "killed", SHORT).result() is None
    assert traces(short(tmp_path / "killed")) == traces(short(tmp_path / "whole"))


def test_a_finished_run_only_gives_back_its_policy(tmp_path: Path) -> None:
    trained, again = new_actor(), new_actor()
    before = traces(short(tmp_path, actor=trained))
    assert traces(short(tmp_path, actor=again, reward=lambda *_: pytest.fail("it trained again"))) == before
    np.testing.assert_array_equal(weights(again), weights(trained))


def test_the_caller_can_end_it_early(tmp_path: Path) -> None:
    run = short(tmp_path, on_iteration=lambda done, actor, metrics: done == 2)
    assert len(run.metrics()) == 2
    assert (run.result() or {})["iterations"] == 2


# Bad input


def test_a_reward_that_is_not_finite_stops_at_the_last_good_checkpoint(tmp_path: Path) -> None:
    calls = []

    def turns_bad(obs: Array, action: Array, next_obs: Array) -> Array:
        calls.append(1)
        value = closeness(obs, action, next_obs)
        value[3, 2] = np.nan if len(calls) == 6 else value[3, 2]
        return value

    with pytest.raises(NonFiniteError) as caught:
        short(tmp_path / "bad", reward=turns_bad)
    assert str(caught.value) == (
        "The learned reward is not finite (iteration 3 of sac on toy). "
        "The previous checkpoint is kept; the same command resumes from it."
    )
    assert (Run(tmp_path / "bad", SHORT).load("training") or ({}, {}))[1]["done"] == 2
    assert traces(short(tmp_path / "bad")) == traces(short(tmp_path / "good"))


def test_a_policy_or_observation_that_is_not_finite_is_named(tmp_path: Path) -> None:
    actor = new_actor()
    with torch.no_grad():
        actor.net[-1].bias[0] = torch.nan  # type: ignore[index, union-attr]
    with pytest.raises(NonFiniteError, match=r"The action of the policy is not finite \(step 1 of iteration 1 of sac"):
        short(tmp_path, actor=actor)
    spoiled = Wrong(4, lambda step: step._replace(obs=np.full((4, 6), np.nan, np.float32)), first=79)
    with pytest.raises(NonFiniteError, match="An observation is not finite"):
        short(tmp_path, env=spoiled)


def test_an_update_that_diverges_is_not_saved(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, critic_lr=1e38)
    with pytest.raises(NonFiniteError, match="A weight after the update is not finite"):
        short(tmp_path, config)
    assert Run(tmp_path, config).load("training") is None


def test_a_constant_reward_is_told(tmp_path: Path) -> None:
    run = short(tmp_path, reward=lambda obs, *_: np.full(obs.shape[:2], 0.3, np.float32))
    assert [event["iteration"] for event in run.events()] == [1, 2, 3, 4]
    assert "nothing to maximise" in run.events()[0]["event"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    short(tmp_path)
    with pytest.raises(CheckpointMismatchError, match="does not fit: expected a tanh_gaussian policy with settings"):
        short(tmp_path, actor=new_actor(32))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="copies of the environment for sac: expected num_envs of the config"):
        short(tmp_path, env=ToyEnv(5))
    with pytest.raises(ShapeError, match=r"policy for toy: expected shape \(6, 2\), got shape \(5, 2\)"):
        short(tmp_path, actor=TanhGaussianPolicy(5, 2))
    empty = SHOWN[0].slice(0, 0)
    with pytest.raises(InvalidValueError, match="expected at least one step, got an episode of 0 steps"):
        short(tmp_path, demonstrations=[empty])
    other = SHOWN[0].slice(0, 5, task="other")
    with pytest.raises(InvalidValueError, match="expected one of toy, got one of other"):
        short(tmp_path, demonstrations=[other])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_envs": 0}, "sac num_envs: expected at least 1, got 0."),
        ({"tau": 0.0}, "sac tau: expected more than 0, got 0.0."),
        ({"gamma": 1.5}, "sac gamma: expected a number from 0 to 1, got 1.5."),
        ({"correction_penalty": -0.1}, "sac correction_penalty: expected 0 or more, got -0.1."),
        ({"refresh": -1}, "sac refresh: expected 0 or more, got -1."),
        ({"subset": 3}, "sac subset: expected no more than all 2 members, got 3."),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        sac.Config(**changes)
    assert str(caught.value).startswith(message)


# Formulas


def test_the_density_is_that_of_the_squashed_variable() -> None:
    actor, generator = new_actor(), torch.Generator().manual_seed(0)
    features, noise = torch.randn(9, 6, generator=generator), torch.randn(9, 2, generator=generator)
    action, density = actor.sample(features, noise)
    mean, log_std = actor(features)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform()])
    torch.testing.assert_close(density, squashed.log_prob(action).sum(-1), atol=1e-4, rtol=1e-4)


def test_value_functions_are_alone_among_themselves() -> None:
    """Each member is the network that its slice of the weights makes."""
    critics = QEnsemble(6, 2, members=3, width=16, layers=2, layer_norm=False)
    inputs, action = torch.randn(5, 7), torch.randn(5, 2)
    found = critics(inputs, action)
    for e in range(3):
        h = torch.cat([inputs, action], -1)
        for i in range(3):
            h = h @ critics.weights[i][e].T + critics.biases[i][e]
            h = h.relu() if i < 2 else h
        torch.testing.assert_close(found[e], h[:, 0])
