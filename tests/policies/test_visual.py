"""Policies that see: every kind behind an encoder, whole in a checkpoint, looking only when they have to."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError, NotNowError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Observation
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.masked import MaskedPolicy, load_for
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from tests.toy import ToyEnv

OBS, ACT, SIZE = 6, 2, 16
CAMERAS = ("front", "wrist")
KINDS = [name for name in POLICIES if name not in ("visual", "residual", "tanh_gaussian")]


def make(kind: str = "gaussian", obs_dim: int = OBS, act_dim: int = ACT, **more: object) -> VisualPolicy:
    chosen: dict[str, object] = {"cameras": CAMERAS, "size": SIZE, "columns": [0, 3], "encoder_settings": {"width": 4}}
    with seeded(0):
        settings = dict(POLICIES[kind].example)
        chosen |= more
        policy = VisualPolicy(obs_dim, act_dim, policy=kind, settings=settings, **chosen)  # type: ignore[arg-type]
    draw = torch.Generator().manual_seed(0)
    policy.fit_normalizer(torch.randn(32, obs_dim, generator=draw), torch.rand(32, act_dim, generator=draw) * 2 - 1)
    return policy


def batch(policy: VisualPolicy, count: int = 8) -> Chunks:
    """Examples in which the first action is the brightness of the front picture, and nothing of the columns."""
    draw = torch.Generator().manual_seed(1)
    bright = torch.randint(256, (count, policy.history, 1, 1, 1), generator=draw, dtype=torch.uint8)
    front = bright.repeat(1, 1, SIZE, SIZE, 3)
    front[:, :, : SIZE // 2] = 0
    action = (bright[:, -1, 0, 0].float() / 127.5 - 1).view(count, 1, 1).repeat(1, policy.chunk, ACT)
    obs = torch.zeros(count, policy.history * OBS)
    return Chunks(
        obs, action, torch.ones(action.shape[:2]), torch.ones(count), {"front": front, "wrist": front.flip(0)}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_from_pictures_and_comes_back_from_a_checkpoint(kind: str, tmp_path: Path) -> None:
    policy = make(kind)
    examples = batch(policy)
    first = policy.loss(examples, torch.Generator().manual_seed(0))
    first.backward()  # type: ignore[no-untyped-call]
    assert policy.encoder is not None
    assert all(p.grad is not None for p in policy.encoder.parameters())
    path = tmp_path / "policy.safetensors"
    save_policy(policy, path, {"task": "toy"})
    loaded = load_policy(path, obs_dim=OBS, act_dim=ACT)
    assert isinstance(loaded, VisualPolicy)
    rng = np.random.default_rng(0)
    shown = {n: rng.integers(256, size=(3, SIZE, SIZE, 3)).astype(np.uint8) for n in CAMERAS}
    seen = Observation(np.ones((3, OBS), np.float32), shown)
    found = []
    for one in (policy, loaded):
        one.seed(0)
        one.reset(3)
        found.append([one.act(seen).copy() for _ in range(3)])
    assert np.array_equal(*map(np.stack, found))
    assert found[0][0].shape == (3, ACT)


def test_the_loss_falls_by_what_is_in_the_picture() -> None:
    policy = make(shift=0, jitter=0.0)
    examples = batch(policy, 32)
    optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = policy.loss(examples, torch.Generator().manual_seed(0))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_picture_is_encoded_once_for_all_random_draws_of_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, encoded, drawn = make("flow", shift=0, jitter=0.0), list[int](), list[int]()
    assert policy.encoder is not None
    examples, encode, learn = batch(policy), policy.encoder.forward, policy.inner.loss
    monkeypatch.setattr(policy.encoder, "forward", lambda shown: encoded.append(len(shown["front"])) or encode(shown))
    monkeypatch.setattr(policy.inner, "loss", lambda b, g: drawn.append(len(b.obs)) or learn(b, g))
    losses = torch.stack([policy.loss(examples, torch.Generator().manual_seed(seed)) for seed in range(40)])
    monkeypatch.setattr(policy.inner, "draws", 1)
    single = torch.stack([policy.loss(examples, torch.Generator().manual_seed(seed)) for seed in range(40)])
    assert set(encoded) == {8}
    assert set(drawn[:40]) == {64}
    assert set(drawn[40:]) == {8}
    assert losses.mean().item() == pytest.approx(single.mean().item(), rel=0.2)  # the same loss
    assert losses.std() < 0.6 * single.std()  # seen more clearly


def test_hidden_columns_change_nothing_and_shown_ones_do() -> None:
    policy, rng = make(), np.random.default_rng(0)
    shown = {n: rng.integers(256, size=(2, SIZE, SIZE, 3)).astype(np.uint8) for n in CAMERAS}
    columns = rng.normal(size=(2, OBS)).astype(np.float32)
    action = policy.act(Observation(columns, shown)).copy()
    for index in range(OBS):
        other = columns.copy()
        other[:, index] += 1.0
        same = np.array_equal(policy.act(Observation(other, shown)), action)
        assert same == (index not in (0, 3))
    changed = {**shown, "wrist": 255 - shown["wrist"]}
    assert not np.array_equal(policy.act(Observation(columns, changed)), action)


def test_a_policy_with_cameras_refuses_columns_alone_and_some_of_its_cameras() -> None:
    policy = make()
    policy.reset(1)
    with pytest.raises(InvalidValueError, match="columns alone"):
        policy.act(np.zeros((1, OBS), np.float32))
    picture = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(InvalidValueError, match="pictures of wrist too"):
        policy.act(Observation(np.zeros((1, OBS), np.float32), {"front": picture}))
    with pytest.raises(InvalidValueError, match="some of 0 to 5, or cameras"):
        make(cameras=(), columns=[9])


@pytest.fixture(scope="module")
def env() -> TaskEnv:
    return TaskEnv(TASKS["pick_place"](), 2, nthread=1)


def test_in_an_environment_it_looks_by_itself_and_only_when_it_predicts(env: TaskEnv, tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    policy = make("flow", env.obs_dim, env.act_dim)
    policy.inner.execution_horizon = 3  # type: ignore[assignment]
    save_policy(policy, path, {"task": env.name, "mask_delay": 1})
    loaded = load_for(path, env)
    assert isinstance(loaded, MaskedPolicy)
    assert isinstance(loaded.policy, VisualPolicy)
    assert loaded.policy.observer is not None
    policy.look_at(env)
    looks = counted(policy, env)
    policy.seed(0)
    (first, second) = rollout(env, policy, np.array([1, 2]), steps=5)
    assert len(looks) == 2
    assert np.array_equal(looks[1], np.stack([first.state[3], second.state[3]]))
    assert policy.seen["wrist"].shape == (2, SIZE, SIZE, 3)
    policy.seed(0)
    again = rollout(env, policy, np.array([1, 2]), steps=5)
    assert np.array_equal(again[0].action, first.action)


def counted(policy: VisualPolicy, env: TaskEnv) -> list[Array]:
    """Return a list that gets the states whenever the policy looks."""
    assert policy.observer is not None
    looks, observe = list[Array](), policy.observer.observe

    def noted(columns: Array, state: Array | None = None) -> Observation:
        looks.append(env.get_state())
        return observe(columns, state)

    policy.observer.observe = noted  # type: ignore[method-assign]
    return looks


def test_a_correction_sees_what_its_base_sees_and_begins_as_it(env: TaskEnv, tmp_path: Path) -> None:
    base = make("flow", env.obs_dim, env.act_dim)
    base.look_at(env)
    actor = on_top_of(ResidualPolicy, base, width=8)
    found = []
    for policy in (base, actor):
        policy.seed(0)
        found.append(rollout(env, policy, np.array([1, 2]), steps=4)[0].action)
    assert np.allclose(*found, atol=1e-6)
    actor.reset(2)
    obs = env.reset(np.array([1, 2]))
    features = actor.features(obs)
    assert features.shape == (2, 2 + base.features + env.act_dim)
    hidden = obs.copy()
    hidden[:, 12] += 1.0
    actor.seed(0)
    actor.reset(2)
    same = actor.features(hidden)
    actor.seed(0)
    actor.reset(2)
    assert torch.equal(same, actor.features(obs))
    path = tmp_path / "policy.safetensors"
    save_policy(actor, path, {"task": env.name})
    assert isinstance(load_for(path, env), ResidualPolicy)


def test_sac_corrects_what_is_seen_and_values_have_the_whole_observation(env: TaskEnv) -> None:
    base = make(obs_dim=env.obs_dim, act_dim=env.act_dim).eval()
    base.look_at(env)
    actor = on_top_of(TanhGaussianPolicy, base, scale=0.5)
    with torch.no_grad():
        list(actor.net.parameters())[-2].normal_()
    obs = env.reset(np.array([1, 2]))
    actor.seed(0)
    actor.reset(2)
    features = actor.features(obs)
    assert features.shape == (2, actor.feature_dim) == (2, env.obs_dim + base.inner.obs_dim + env.act_dim)
    assert np.array_equal(features[:, : env.obs_dim], obs)
    changed = features.clone()
    changed[:, : env.obs_dim] += 1.0
    assert torch.equal(actor.mean_action(changed), actor.mean_action(features))
    changed[:, env.obs_dim : -env.act_dim] += 1.0
    assert not torch.allclose(actor.mean_action(changed), actor.mean_action(features))
    assert (actor.mean_action(features) - features[:, -env.act_dim :]).abs().max() < 0.51


def test_an_environment_without_states_is_refused() -> None:
    with pytest.raises(NotNowError, match="cannot act in toy"):
        make().look_at(NoStates(1))


class NoStates(ToyEnv):
    """A toy whose states are nobody's business."""

    def get_state(self) -> Array:
        """Return nothing."""
        return np.zeros((self.num_envs, 0))
