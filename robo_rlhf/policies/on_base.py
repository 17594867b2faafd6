"""A policy on top of a frozen one of any kind: what it learns is a bounded correction (residual policy learning).

Johannink et al. 2019 and Silver et al. 2018. The weights of the base are part of the policy and so of its checkpoint,
and learning starts from exactly the base.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from robo_rlhf.core.types import Array, Observation
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, Normalizer, Part, TrainedPolicy, first_step_loss
from robo_rlhf.policies.own_encoder import OwnEncoder
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.vision.observer import Shown


class PolicyOnBase(TrainedPolicy):
    """A policy that may have a base; its features end with the base's action."""

    base: TrainedPolicy | None
    normalizer: Normalizer  # of observations; that of the base is unchanged
    eyes: OwnEncoder | None  # encoders of the correction's own, where it does not see by those of the base

    def freeze_base(self, kind: str, settings: Mapping[str, Any]) -> None:
        """Build the base, if `kind` names one; `on_top_of` loads its weights."""
        base = POLICIES[kind](self.obs_dim, self.act_dim, **settings).requires_grad_(False) if kind else None
        self.base, self.eyes = base, None
        self.sight = None if base is None else base.sight
        self.seen_dim = base.inner.obs_dim if isinstance(base, VisualPolicy) else self.obs_dim

    def seen(self, obs: Array | Observation) -> Tensor:
        """Return (N, seen_dim), what the correction gets of obs (N, obs_dim): what its base saw in its last step.

        That is all of it, or, under a base with cameras, the columns shown to it now and the features of its last look.
        """
        return torch.as_tensor(self.base.shown if isinstance(self.base, VisualPolicy) else obs, dtype=torch.float32)

    def look_at(self, env: Shown, looks: Sequence[Look] = ()) -> None:
        """Let the base look at `env`."""
        if self.base is not None:
            self.base.look_at(env, looks)

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the z-scores of observations; those of a base, and of what its cameras show, are unchanged."""
        if self.seen_dim == self.obs_dim:
            self.normalizer.fit(obs)

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers: only where those of its base do."""
        return self.base is not None and self.base.samples()

    def seed(self, seed: int) -> None:
        """Set the base's source of randomness."""
        if self.base is not None:
            self.base.seed(seed)

    def reset(self, num_envs: int) -> None:
        """Reset the base, clearing its queued actions."""
        if self.base is not None:
            self.base.reset(num_envs)

    def features(self, obs: Array | Observation) -> Tensor:
        """Advance the base by one step and return (N, feature_dim) for obs (N, obs_dim); with pictures, where given."""
        base = None
        if self.base is not None:
            acted = self.base.act(obs)  # type: ignore[arg-type]  # pictures are given to a base with cameras alone
            base = torch.tensor(acted, dtype=torch.float32)
        return self.join(self.seen(obs), base)

    @abstractmethod
    def join(self, obs: Tensor, base: Tensor | None) -> Tensor:
        """Return the features (N, feature_dim) of what is seen (N, seen_dim) and the base's action, if any."""

    def parts(self) -> list[Part]:
        """Return those of the base, and the network that corrects its action."""

        def step(obs: Tensor, action: Tensor | None = None) -> Tensor:
            return self.mean_action(self.join(obs, action)).clamp(-1.0, 1.0)

        if self.base is None:
            return [Part(self, step, {"obs": self.obs_dim})]
        return [*self.base.parts(), Part(self, step, {"obs": self.seen_dim, "action": self.act_dim})]

    @abstractmethod
    def mean_action(self, features: Tensor) -> Tensor:
        """Return the action (B, act_dim) without exploration for features (B, feature_dim)."""

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error of the first action, on top of a new prediction of the base."""
        self.seed(int(torch.randint(2**31, (), generator=generator)))
        self.reset(len(batch.obs))
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            features = self.features(batch.obs.numpy())
        each = (self.mean_action(features) - batch.action[:, 0]).square().mean(-1)
        return first_step_loss(each, batch)


P = TypeVar("P", bound=PolicyOnBase)


def on_top_of(kind: type[P], base: TrainedPolicy, **settings: Any) -> P:
    """Return a policy over a copy of `base`, with the base's z-scores; at first it acts exactly as `base`."""
    policy = kind(base.obs_dim, base.act_dim, base_kind=base.kind, base_settings=dict(base.settings), **settings)
    assert policy.base is not None
    policy.base.load_state_dict(base.state_dict())
    if isinstance(base, VisualPolicy) and isinstance(policy.base, VisualPolicy):
        policy.base.observer = base.observer
        if policy.eyes is not None and base.encoder is not None:
            policy.eyes.encoder.load_state_dict(base.encoder.state_dict())
    known = getattr(base.inner if isinstance(base, VisualPolicy) else base, "normalizer", None)
    if isinstance(known, Normalizer):
        policy.normalizer.load_state_dict(known.state_dict())
    return policy
