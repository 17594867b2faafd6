"""Base classes of trained policies: networks trained by imitation, and those that RL can fine-tune."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.model_files import Model
from robo_rlhf.core.types import Array

if TYPE_CHECKING:
    from robo_rlhf.sim.rendering.looks import Look
    from robo_rlhf.vision.observer import Shown
    from robo_rlhf.vision.sight import Sight

NO_TENSORS: Mapping[str, Tensor] = MappingProxyType({})
NO_PICTURES: Mapping[str, int] = MappingProxyType({})


class Actor(Protocol):
    """A policy that reinforcement learning can fine-tune: the interface for collecting episodes."""

    act_dim: int

    def seed(self, seed: int) -> None:
        """Set the source of the policy's own randomness."""
        ...

    def reset(self, num_envs: int) -> None:
        """Forget queued actions; episodes start in `num_envs` copies."""
        ...

    def features(self, obs: Array) -> Tensor:
        """Return the features (N, feature_dim) float32 of obs (N, obs_dim); called once per step, in order."""
        ...

    def explore(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return exploring actions (B, act_dim) in [-1, 1], sampled with standard normal `noise` (B, act_dim)."""
        ...


class Chunks(NamedTuple):
    """A batch of training examples for imitation."""

    obs: Tensor  # (B, history * obs_dim) float32, oldest first; history is 1 for most policies
    action: Tensor  # (B, H, act_dim) float32, the H actions from that observation on
    mask: Tensor  # (B, H) float32, 0 past the end of the episode
    weight: Tensor  # (B,) float32, weight of each example
    pictures: Mapping[str, Tensor] = NO_TENSORS  # camera → (B, history, H, W, 3) uint8, for policies that see


class Part(NamedTuple):
    """One network of a policy as a pure function, so that it can run without this class (see `robo_rlhf.deploy`).

    A policy acts by its parts in order: the first takes observations, each later one also the action of the one before.
    One that sees begins with a part that has `pictures`: its features follow the columns in the observations of others.
    """

    network: nn.Module  # which holds the weights
    function: Callable[..., Tensor]  # see `inputs`; returns actions (N, act_dim), of a chunk (N, chunk, act_dim)
    inputs: Mapping[str, int]  # name and columns of each argument (N, columns) float32: obs, noise or action
    chunk: int = 0  # actions predicted at once; 0 for a network that gives the action of one step
    execution_horizon: int = 1  # steps from one prediction to the next
    history: int = 1  # observations that a prediction is made from
    noise: str = ""  # distribution of the input "noise": normal or exponential
    ensemble_decay: float | None = None  # overlapping predictions are averaged, the k-th weighted by exp(-decay k)
    pictures: Mapping[str, int] = NO_PICTURES  # camera → side of its picture; each argument is (N, H, W, 3) uint8


class TrainedPolicy(Model):
    """A network that is a `Policy`. Normalisation lives inside it, as buffers, and so inside the checkpoint.

    Constructed by keyword arguments that are JSON values (kept as `settings`, so that a checkpoint can build it again)
    after `obs_dim` and `act_dim`.
    """

    chunk: int = 1  # H: actions predicted from one observation
    history: int = 1  # observations that one prediction is made from
    draws: int = 1  # random draws of the loss that an example is used for where examples are expensive, as pictures are
    sight: "Sight | None" = None  # the cameras whose pictures it sees; None for most

    def __init__(self, obs_dim: int, act_dim: int, **settings: Any) -> None:
        """Store the settings, so that the policy can be rebuilt."""
        super().__init__(obs_dim, act_dim, **settings)
        self.generator = torch.Generator().manual_seed(0)

    @abstractmethod
    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the normalisation from all training data, (M, obs_dim) and (M, act_dim)."""

    @abstractmethod
    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the imitation loss, a scalar; all randomness comes from `generator`."""

    @abstractmethod
    def reset(self, num_envs: int) -> None:
        """Forget queued actions; episodes start in `num_envs` copies."""

    @abstractmethod
    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) to actions (N, act_dim) in [-1, 1], without exploration."""

    def parts(self) -> list[Part]:
        """Return the networks of the policy as pure functions, for its export.

        Raises:
            InvalidValueError: policies of this kind have none.
        """
        raise InvalidValueError("export", f"a policy of kind {self.kind}", "a kind with parts(), as `Part` describes")

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers; where not, episodes may be played in any order."""
        return True

    def attends(self) -> bool:
        """Whether the next action depends on the next observation; else nothing has to be drawn for it."""
        return True

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras whose pictures it sees; none for most."""
        return () if self.sight is None else self.sight.cameras

    def look_at(self, env: "Shown", looks: "Sequence[Look]" = ()) -> None:
        """Let a policy with cameras look at the copies of `env` by itself, each in its look, or as it is where empty.

        Raises:
            NotNowError: it has cameras, and nothing of the environment can be drawn.
        """

    def seed(self, seed: int) -> None:
        """Set the source of the policy's own randomness (what a flow samples its noise from)."""
        self.generator.manual_seed(seed)


def first_step_loss(each: Tensor, batch: Chunks) -> Tensor:
    """Return the weighted mean, a scalar, of the losses (B,) of the first actions."""
    weight = batch.weight * batch.mask[:, 0]
    return (each * weight).sum() / weight.sum().clamp_min(1e-8)


class GaussianActor(TrainedPolicy):
    """A policy with a tractable likelihood, which reinforcement learning can fine-tune.

    A step is `features(obs)`, once and in order, then `distribution(features)`, as often as the learner likes:
    a residual policy advances its frozen base in `features`; for a plain network they are the observation.
    """

    log_std: nn.Parameter  # (act_dim,), initial deviation of exploration

    def features(self, obs: Array) -> Tensor:
        """Return the input (N, feature_dim) float32 of `distribution` for obs (N, obs_dim)."""
        return torch.as_tensor(obs, dtype=torch.float32)

    @abstractmethod
    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions, mean and deviation (B, act_dim), for (B, feature_dim)."""

    def draw(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return unclipped actions (B, act_dim), drawn by standard normal `noise` (B, act_dim)."""
        found = self.distribution(features)
        return found.mean + found.stddev * noise

    def explore(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return actions (B, act_dim) in [-1, 1], drawn by standard normal `noise` (B, act_dim)."""
        return self.draw(features, noise).clamp(-1.0, 1.0)

    def reset(self, num_envs: int) -> None:
        """Do nothing: a plain network has no state between steps."""

    def act(self, obs: Array) -> Array:
        """Return the mean action (N, act_dim), clipped to [-1, 1]."""
        with torch.inference_mode():
            action: Array = self.distribution(self.features(obs)).mean.clamp(-1.0, 1.0).numpy()
        return action

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers: it acts by the mean."""
        return False

    def parts(self) -> list[Part]:
        """Return the network from observations to the mean action."""
        return [Part(self, lambda obs: self.distribution(obs).mean.clamp(-1.0, 1.0), {"obs": self.obs_dim})]


class Normalizer(nn.Module):
    """z-scores, with a lower bound of the deviation, so that nearly constant columns are not amplified."""

    FLOOR = 1e-3

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        """Start as the identity on (..., dim)."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, data: Tensor) -> None:
        """Set mean and deviation from data (M, dim)."""
        self.mean.copy_(data.mean(0))
        self.std.copy_(data.std(0, correction=0).clamp_min(self.FLOOR))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., dim) to z-scores, clipped to ±10 so that unseen values cannot explode."""
        return ((x - self.mean) / self.std).clamp(-10.0, 10.0)


def mlp(sizes: list[int], activation: type[nn.Module]) -> nn.Sequential:
    """Return linear layers of these sizes with `activation` between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])
