"""One update of soft actor-critic: one step each of value functions, policy and temperature.

Haarnoja et al. 2018, with the temperature learned, and what Ball et al. 2023 ("RLPD") add to the value functions:
layer normalisation, and targets from the minimum over a random subset of the ensemble.
"""

import copy

import torch
from torch import Tensor, nn

from robo_rlhf.core.learning import Flat, seeded
from robo_rlhf.core.types import Array
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.training_tools.critics import QEnsemble
from robo_rlhf.training_tools.replay_buffer import ReplayBatch
from robo_rlhf.training_tools.settings import SACUpdateSettings


class Temperature(nn.Module):
    """The weight of entropy, as its logarithm."""

    def __init__(self, value: float) -> None:
        """Start from `value`."""
        super().__init__()
        self.log = nn.Parameter(torch.tensor([value]).log())


class SACUpdate:
    """Policy, value functions, temperature and their optimisers."""

    def __init__(self, config: SACUpdateSettings, actor: TanhGaussianPolicy) -> None:
        """Start from `actor`."""
        self.config, self.actor = config, actor
        with seeded(config.seed):
            self.critics = QEnsemble(
                actor.obs_dim,
                actor.act_dim,
                members=config.members,
                width=config.critic_width,
                layers=config.critic_layers,
                layer_norm=config.layer_norm,
            )
        self.targets, self.temperature = copy.deepcopy(self.critics), Temperature(config.temperature)
        self.actor_step = Flat(actor, config.actor_lr)
        self.critic_step = Flat(self.critics, config.critic_lr)
        self.temperature_step = Flat(self.temperature, config.temperature_lr)
        self.target_weights = Flat(self.targets, config.critic_lr).value
        self.targets.requires_grad_(False)
        self.generator = torch.Generator()  # of exploration in training; reset by the learner
        self.learning = [p for p in actor.parameters() if p.requires_grad]

    def update_critics(self, batch: ReplayBatch, inputs: Tensor, later: Tensor, members: Array) -> Tensor:
        """Take one step of the value functions and their targets; return loss and mean value (2,)."""
        config = self.config
        with torch.no_grad():
            action, log_prob = self.actor.sample(batch.next_features, self.noise(len(batch.action)))
            value = self.targets(later, action)  # (E, B)
            value = (value if config.subset == config.members else value[members.tolist()]).amin(0)
            if config.backup_entropy:
                value = value - self.temperature.log.exp() * log_prob
            target = batch.gain + batch.discount * value  # (B,)
        found = self.critics(inputs, batch.action)
        loss = (found - target).square().mean(1).sum()
        loss.backward()
        self.critic_step.step(config.max_grad_norm)
        self.target_weights.lerp_(self.critic_step.value, config.tau)
        return torch.stack([loss.detach(), found.detach().mean()])

    def update_actor(self, features: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step of the policy; return its entropy and the value of what it does."""
        action, log_prob = self.actor.sample(features, self.noise(len(features)))
        value = self.critics(inputs, action).amin(0)
        loss = (self.temperature.log.detach().exp() * log_prob - value).mean()
        if self.config.correction_penalty and self.actor.base is not None:
            loss = loss + self.config.correction_penalty * self.actor.correction(features).square().sum(-1).mean()
        loss.backward(inputs=self.learning)  # no gradient for the weights of the value functions
        self.actor_step.step(self.config.max_grad_norm)
        return -log_prob.detach().mean(), value.detach().mean()

    def update_temperature(self, entropy: Tensor) -> None:
        """Raise the temperature where the entropy is below its target, else lower it."""
        target = self.config.target_entropy * self.actor.act_dim
        self.temperature_step.grad[0] = entropy - target  # of log temperature * (entropy - target)
        self.temperature_step.step(self.config.max_grad_norm)

    def noise(self, count: int) -> Tensor:
        """Return standard normal numbers (count, act_dim)."""
        return torch.randn(count, self.actor.act_dim, generator=self.generator)

    def modules(self) -> list[tuple[str, nn.Module]]:
        """Return the modules with weights, by their names in checkpoints."""
        named = [("actor", self.actor), ("critics", self.critics), ("targets", self.targets)]
        return [*named, ("temperature", self.temperature)]

    def steps(self) -> list[tuple[str, Flat]]:
        """Return the optimisers, by their names in checkpoints."""
        return [
            ("actor_step", self.actor_step),
            ("critic_step", self.critic_step),
            ("temperature_step", self.temperature_step),
        ]
