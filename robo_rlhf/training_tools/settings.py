"""Settings of the algorithms, in a separate module: reading and checking them needs neither torch nor MuJoCo."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from robo_rlhf.core.checks import (
    CheckedSettings,
    Count,
    NotNegative,
    Positive,
    Seed,
    Share,
    WholeNumber,
    above,
    below,
    in_range,
    within,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.registry import Choices
from robo_rlhf.data.training_arrays.correction_weights import Weighting
from robo_rlhf.policies import POLICIES
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.reward_sum import RewardSum


@dataclass(frozen=True)
class BCSettings(CheckedSettings):
    """Settings of behaviour cloning."""

    LABEL: ClassVar[str] = "bc {}"

    policy: Annotated[str, Choices(POLICIES)] = "flow"
    """Kind of policy."""
    settings: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Settings of the policy, as its constructor names them."""
    updates: Count = 6000
    """Gradient steps."""
    batch: Count = 256
    """Examples per gradient step."""
    learning_rate: float = 1e-3
    """AdamW's rate after warm-up; falls to zero along a cosine."""
    warmup: int = 100
    """Gradient steps in which the rate rises from zero."""
    weight_decay: float = 1e-4
    """AdamW's weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the averaged weights, which the policy acts with."""
    obs_noise: float = 0.02
    """Noise added to observations, in deviations of each column."""
    obs_noise_least: Share = 1.0
    """Share of that noise where a column is zero; it grows with the column, up to all of it. 1: the same everywhere."""
    idle: float = 0.05
    """Idle steps, in which no action is larger than this, are removed; 0 keeps all."""
    idle_keep: int = 2
    """Steps kept of each idle stretch."""
    correction_weight: float = 1.0
    """Weight of steps in which an operator corrected a policy."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward pass; auto: bfloat16 where the processor supports it (three times as fast)."""
    candidates: Count = 1
    """Snapshots, evenly over the second half, of which the one that scores best in rollouts is kept."""
    select_every: WholeNumber = 0
    """Gradient steps from one such snapshot to the next, over all of the training; 0 takes `candidates` instead."""
    save_every: Count = 1000
    """Gradient steps between checkpoints of the training itself."""
    log_every: Count = 100
    """Gradient steps between rows of metrics."""
    seed: Seed = 0
    """Seed of initial weights, batches and noise."""

    @property
    def selects(self) -> bool:
        """Whether there are several snapshots to choose from."""
        return self.candidates > 1 or self.select_every > 0


@dataclass(frozen=True)
class DAggerSettings:
    """Settings of learning from corrections."""

    clone: BCSettings = field(default_factory=BCSettings)
    """Settings of behaviour cloning, from demonstrations and corrections."""
    weights: Weighting = field(default_factory=Weighting)
    """Weights of corrected steps."""


@dataclass(frozen=True)
class CPLSettings(CheckedSettings):
    """Settings of contrastive preference learning."""

    LABEL: ClassVar[str] = "cpl {}"

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the Gaussian policy, as its constructor names them."""
    clone_updates: WholeNumber = 2000
    """Gradient steps that imitate all clips first."""
    updates: Count = 1000
    """Gradient steps on the comparisons."""
    batch: Count = 64
    """Comparisons per gradient step."""
    clone_batch: Count = 256
    """Steps per gradient step of imitation."""
    clone_learning_rate: Positive = 1e-3
    """Adam's rate while imitating."""
    learning_rate: Positive = 1e-4
    """Adam's rate on the comparisons."""
    clip: Positive = 1.0
    """Largest norm of the gradient."""
    steps: Count = 64
    """Steps of a clip that a gradient step sees, a part of longer ones; shorter clips count as if they were as long."""
    alpha: Positive = 0.1
    """Weight of the log likelihoods: the temperature of the maximum-entropy problem."""
    bias: Annotated[float, in_range(lambda share: 0 < share <= 1, "a number in (0, 1]")] = 0.25
    """How much of the other clip's likelihood is contrasted, in (0, 1]; below 1 the policy stays near the clips."""
    clone_weight: NotNegative = 4.0
    """Weight of imitating the better clips while contrasting them."""
    save_every: Count = 500
    """Gradient steps between checkpoints of the training itself."""
    log_every: Count = 100
    """Gradient steps between rows of metrics."""
    seed: Seed = 0
    """Seed of initial weights and batches."""


@dataclass(frozen=True)
class RewardSettings(CheckedSettings):
    """Settings of reward learning."""

    LABEL: ClassVar[str] = "reward {}"

    reward: Annotated[str, Choices(REWARDS)] = "ensemble"
    """Kind of reward model."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the model, as its constructor names them."""
    fit: FitSettings = field(default_factory=FitSettings)
    """Settings of the fit."""
    demonstration_weight: NotNegative = 0.0
    """Total weight of the prior "a demonstration is better than the policy", as a share of the answers' weight."""
    success_weight: NotNegative = 0.0
    """Total weight of the prior "an episode marked as a success ends better than one that failed", as such a share."""
    unlabeled: WholeNumber = 0
    """Unlabelled clips, for models that predict steps and for pseudo-labels."""
    weigh_people: bool = True
    """Whether answers are weighted by their annotator's reliability, where several answered the same questions."""
    per_group: bool = False
    """Whether each group that people name learns a reward of its own; "learned" is their mean then."""
    save_every: Count = 200
    """Updates between checkpoints of the training itself."""
    seed: Seed = 0
    """Seed of initial weights and batches."""


@dataclass(frozen=True)
class RLSettings(CheckedSettings):
    """Settings shared by the RL algorithms; each has separate defaults for sizes and rates."""

    ALGORITHM: ClassVar[str]

    objective: str = "learned"
    """The reward to maximise: a sum of terms, such as "learned + 0.2 * success + 0.5 * distance(of=[0, 1])"."""
    num_envs: Count = 16
    """Copies of the environment; an iteration is one episode of each."""
    iterations: Count = 40
    """Iterations."""
    actor_lr: Positive = 3e-4
    """Adam's rate for the policy."""
    critic_lr: Positive = 3e-4
    """Adam's rate for the value functions."""
    gamma: Share = 0.99
    """Discount per step."""
    critic_width: Count = 256
    """Units per hidden layer of the value functions."""
    critic_layers: WholeNumber = 2
    """Hidden layers of the value functions."""
    max_grad_norm: Positive = 10.0
    """Largest norm of a gradient, of each network."""
    finite: bool = True
    """Whether values see the time left and are zero at the horizon; else they bootstrap there."""
    save_every: Count = 5
    """Iterations between checkpoints."""
    seed: Seed = 0
    """Seed of episodes, exploration and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        super().__post_init__()
        RewardSum(self.objective)


@dataclass(frozen=True)
class PPOSettings(RLSettings):
    """Settings of PPO."""

    ALGORITHM: ClassVar[str] = "ppo"
    LABEL: ClassVar[str] = "ppo {}"

    num_envs: Count = 64
    """Copies of the environment; an iteration is one episode of each."""
    iterations: Count = 60
    """Iterations."""
    epochs: Count = 5
    """Passes over the data of an iteration."""
    minibatch: Count = 1024
    """Steps per minibatch."""
    critic_lr: Positive = 1e-3
    """Adam's rate for the value function."""
    gae_lambda: Share = 0.95
    """Lambda of the generalised advantage estimates, 0 (one step) to 1 (whole returns)."""
    clip: Positive = 0.2
    """Clipping range of the likelihood ratio."""
    target_kl: NotNegative = 0.03
    """Target KL: no more policy steps in an iteration once a minibatch exceeds it; 0: no limit."""
    entropy: NotNegative = 0.0
    """Bonus for the entropy of the policy."""
    anchor: NotNegative = 0.05
    """Weight of the KL from the policy to the cloned one, summed over actions; 0: no penalty."""
    anchor_target: NotNegative = 0.0
    """If above 0, the weight of the anchor is adapted to keep that KL near this value."""
    std: NotNegative = 0.0
    """Initial deviation of exploration, for every action; 0 keeps that of the policy."""
    choice_weight: NotNegative = 0.0
    """Weight of the loss that makes actions likelier that people chose, where they were asked about actions."""
    learn_encoder: bool = False
    """Whether the correction of a policy with cameras learns encoders of its own, which begin as the cloned ones; else
    it sees by the cloned ones, which stay as they are. Each update reads the pictures again, which takes minutes."""
    max_grad_norm: Positive = 0.5
    """Largest norm of a gradient, for policy and value function each."""
    critic_width: Count = 128
    """Units per hidden layer of the value function."""
    warmup: WholeNumber = 1
    """First iterations that train only the value function, which is not fitted to this reward yet."""
    warmup_epochs: Count = 20
    """Passes over the data of such an iteration."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        super().__post_init__()
        if self.anchor_target and not self.anchor:
            raise InvalidValueError("ppo anchor", self.anchor, "more than 0 where anchor_target is")


@dataclass(frozen=True)
class SACSettings(RLSettings):
    """Settings of SAC."""

    ALGORITHM: ClassVar[str] = "sac"
    LABEL: ClassVar[str] = "sac {}"

    updates: Positive = 0.5
    """Updates per environment step of one copy."""
    batch: Count = 256
    """Steps per update."""
    demonstration_share: Annotated[float, below(1)] = 0.5
    """Share of each batch that comes from demonstrations, where there are some."""
    n_step: Count = 3
    """Steps of the n-step returns."""
    capacity: Count = 300_000
    """Capacity of the replay buffer, in steps."""
    warmup: WholeNumber = 1
    """First iterations that train only the value functions, where the policy is on top of another or was trained."""
    refresh: WholeNumber = 200
    """Updates of the value functions alone after the reward has changed."""
    temperature_lr: Positive = 3e-4
    """Adam's rate for the temperature."""
    tau: Annotated[float, above(0), within(0, 1)] = 0.005
    """Rate at which the target value functions follow."""
    members: Count = 2
    """Value functions."""
    subset: Count = 2
    """Size of the random subset of them, drawn for each update, over which the minimum is taken."""
    layer_norm: bool = True
    """Whether hidden layers of the value functions are normalised, which limits extrapolation errors."""
    temperature: Positive = 0.05
    """Initial weight of entropy, where returns have deviation 1; it is learned."""
    target_entropy: float = -0.5
    """Target entropy of the temperature, per action [nat]."""
    backup_entropy: bool = True
    """Whether values include future entropy."""
    correction_penalty: NotNegative = 0.0
    """Correction penalty of a policy on top of another: quadratic cost of the largest correction of one column of an
    action, where returns have deviation 1. It keeps the policy near the other where values of actions hardly differ."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        super().__post_init__()
        if self.subset > self.members:
            raise InvalidValueError(f"{self.ALGORITHM} subset", self.subset, f"no more than all {self.members} members")
