"""The contract of trained policies, on a small one and a little data."""

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robo_rlhf.contracts.clauses import Contract, require, require_array, require_same
from robo_rlhf.core.learning import Adam, seeded
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Policy, Source
from robo_rlhf.data.training_arrays.examples import chunk_examples
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, GaussianActor, TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy, save_policy

OBS_DIM, ACT_DIM, STEPS = 6, 2, 30
TRAINING, RATE = 40, 1e-2  # updates and learning rate of the trial's fit


class PolicyTrial:
    """A kind of policy on trial, with the settings of a small one."""

    def __init__(self, kind: type[TrainedPolicy], settings: Mapping[str, Any] | None = None) -> None:
        """Use the kind's own example where no settings are given."""
        self.kind, self.settings = kind, dict(kind.example if settings is None else settings)

    def make(self) -> TrainedPolicy:
        """Return an untrained policy whose normalisation is fitted."""
        with seeded(0):
            policy = self.kind(OBS_DIM, ACT_DIM, **self.settings)
        obs = torch.from_numpy(np.concatenate([episode.obs[:-1] for episode in self.episodes]))
        policy.fit_normalizer(obs, torch.from_numpy(np.concatenate([episode.action for episode in self.episodes])))
        return policy

    @cached_property
    def episodes(self) -> list[Episode]:
        """Demonstrations: a point that goes to a goal, with noise in the hand."""
        return [_demonstration(seed) for seed in range(4)]

    def batch(self, policy: TrainedPolicy) -> Chunks:
        """Return all examples that the demonstrations hold for `policy`."""
        obs, action, mask, weight, _ = map(
            torch.from_numpy, chunk_examples(self.episodes, policy.chunk, policy.history)
        )
        return Chunks(obs, action, mask, weight)


def _demonstration(seed: int) -> Episode:
    rng = np.random.default_rng(seed)
    place, goal = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2)
    obs, actions, velocity = [], [], np.zeros(2)
    for _ in range(STEPS + 1):
        obs.append([*place, *velocity, *goal])
        action = np.clip((goal - place) / 0.1 + 0.2 * rng.standard_normal(2), -1, 1)
        actions.append(action)
        velocity = 0.5 * velocity + 0.05 * action
        place = place + velocity
    return Episode(
        obs=np.array(obs, np.float32),
        action=np.array(actions[:-1], np.float32),
        state=np.zeros((STEPS + 1, 0)),
        reward=np.zeros(STEPS, np.float32),
        success=np.zeros(STEPS + 1, np.bool_),
        source=np.full(STEPS, int(Source.SCRIPTED), np.uint8),
        signals={},
        meta=EpisodeMeta(f"demonstration-{seed}", "trial", seed, 0.05, "success"),
    )


def acts_in_range(trial: PolicyTrial) -> None:
    """Actions are (N, act_dim) float32 in [-1, 1], also where observations are far from all that was seen."""
    policy, act = trial.make(), trial.kind.act
    require(isinstance(policy, Policy), "it lacks reset or act", trial.kind)
    for n in (1, 5):
        policy.reset(n)
        for t in range(20):
            obs = np.full((n, OBS_DIM), 1e3 * (t % 3), np.float32)
            action = require_array(policy.act(obs), "act", (n, ACT_DIM), "float32", act)
            require(np.abs(action).max() <= 1.0, "act gives actions outside [-1, 1]", act)


def same_seed_same_actions(trial: PolicyTrial) -> None:
    """After `seed` and `reset` the same observations give the same actions: nothing is left of the episode before."""
    policy, found = trial.make(), []
    seen = np.random.default_rng(0).normal(size=(5, 3, OBS_DIM)).astype(np.float32)
    for _ in range(2):
        policy.seed(3)
        policy.reset(3)
        found.append([policy.act(obs).copy() for obs in seen])
        policy.act(1e2 * seen[0])
    require_same(found[0], found[1], "the same seed and observations give other actions after a reset", trial.kind.act)


def copies_do_not_mix(trial: PolicyTrial) -> None:
    """The actions of a copy do not depend on the observations of the others."""
    policy, rng, found = trial.make(), np.random.default_rng(0), list[Array]()
    seen = rng.normal(size=(12, OBS_DIM)).astype(np.float32)
    for _ in range(2):
        policy.seed(3)
        policy.reset(4)
        others = rng.normal(size=(12, 4, OBS_DIM)).astype(np.float32)
        others[:, 1] = seen
        found.append(np.stack([policy.act(obs)[1] for obs in others]))
    text = "the actions of one copy depend on the observations of others"
    require(np.allclose(found[0], found[1], atol=1e-5), text, trial.kind.act)


def checkpoint_builds_the_same(trial: PolicyTrial) -> None:
    """A checkpoint builds the same policy again: its settings are plain JSON values, and all it knows is in it."""
    policy = trial.make()
    obs = np.random.default_rng(0).normal(size=(3, OBS_DIM)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.safetensors"
        save_policy(policy, path, {"task": "trial"})
        loaded = load_policy(path, task="trial", obs_dim=OBS_DIM, act_dim=ACT_DIM)
    require(type(loaded) is type(policy), "a checkpoint builds another kind of policy", trial.kind)
    found = []
    for one in (policy, loaded):
        one.seed(0)
        one.reset(3)
        found.append([one.act(obs).copy() for _ in range(3)])
    require_same(found[0], found[1], "a policy out of a checkpoint acts otherwise than before", trial.kind)


def loss_falls(trial: PolicyTrial) -> None:
    """The loss is a scalar that comes from the generator alone, and training lowers it."""
    policy, loss = trial.make(), trial.kind.loss
    batch = trial.batch(policy)
    first = [policy.loss(batch, torch.Generator().manual_seed(1)) for _ in range(2)]
    require(first[0].shape == (), f"the loss has shape {tuple(first[0].shape)}, expected a scalar", loss)
    require(torch.isfinite(first[0]), "the loss is NaN or infinite", loss)
    require(first[0].item() == first[1].item(), "the loss is not deterministic: same batch and generator differ", loss)
    optimizer = Adam([p for p in policy.parameters() if p.requires_grad], RATE)
    for _ in range(TRAINING):
        optimizer.zero_grad()
        policy.loss(batch, torch.Generator().manual_seed(1)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    last = policy.loss(batch, torch.Generator().manual_seed(1)).item()
    text = f"the loss does not fall: {first[0].item():.4g} before and {last:.4g} after {TRAINING} updates"
    require(last < first[0].item(), text, loss)


def only_what_has_weight_teaches(trial: PolicyTrial) -> None:
    """Examples without weight, and steps past the end of an episode, do not change the loss."""
    policy = trial.make()
    batch = trial.batch(policy)
    weight = torch.zeros_like(batch.weight)
    weight[:10] = 1.0
    spoilt = batch.action.clone()
    spoilt[10:] = 1.0
    spoilt[batch.mask == 0] = -1.0
    one = policy.loss(batch._replace(weight=weight), torch.Generator().manual_seed(1)).item()
    other = policy.loss(batch._replace(weight=weight, action=spoilt), torch.Generator().manual_seed(1)).item()
    text = "examples without weight, or steps past the end (mask 0), change the loss"
    require(np.isclose(one, other, rtol=1e-5), text, trial.kind.loss)


def actor_acts_by_its_mean(trial: PolicyTrial) -> None:
    """A policy that RL can fine-tune acts by the mean of its distribution, which has gradients."""
    policy = trial.make()
    if not isinstance(policy, GaussianActor):
        return
    made_by = type(policy).distribution
    obs = np.random.default_rng(0).normal(size=(7, OBS_DIM)).astype(np.float32)
    policy.seed(0)
    policy.reset(7)
    distribution = policy.distribution(policy.features(obs))
    shapes = tuple(distribution.mean.shape), tuple(distribution.stddev.shape)
    text = f"mean and deviation have shapes {shapes}, expected {(7, ACT_DIM)}"
    require(shapes == ((7, ACT_DIM),) * 2, text, made_by)
    require((distribution.stddev > 0).all(), "a deviation is not above 0", made_by)
    policy.seed(0)
    policy.reset(7)
    mean = distribution.mean.detach().clamp(-1, 1).numpy()
    require(np.allclose(policy.act(obs), mean, rtol=1e-6), "act is not the mean of the distribution", trial.kind.act)
    distribution.log_prob(distribution.mean.detach() + 0.1).sum().backward()  # type: ignore[no-untyped-call]
    learns = any(p.grad is not None for p in policy.parameters())
    require(learns, "the likelihood has no gradient", made_by)


CONTRACT = Contract(
    POLICIES,
    PolicyTrial,
    (
        acts_in_range,
        same_seed_same_actions,
        copies_do_not_mix,
        checkpoint_builds_the_same,
        loss_falls,
        only_what_has_weight_teaches,
        actor_acts_by_its_mean,
    ),
)
