"""Settings of the algorithms, in a separate module: reading and checking them needs neither torch nor MuJoCo."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from robo_rlhf.core.checks import Range, above, at_least, check_ranges, check_seed, within
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.registry import Choices
from robo_rlhf.data.training_arrays.correction_weights import Weighting
from robo_rlhf.policies import POLICIES
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.reward_sum import RewardSum


@dataclass(frozen=True)
class BCSettings:
    """Settings of behaviour cloning."""

    policy: Annotated[str, Choices(POLICIES)] = "flow"
    """Kind of policy."""
    settings: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Settings of the policy, as its constructor names them."""
    updates: int = 6000
    """Gradient steps."""
    batch: int = 256
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
    obs_noise_least: float = 1.0
    """Share of that noise where a column is zero; it grows with the column, up to all of it. 1: the same everywhere."""
    idle: float = 0.05
    """Idle steps, in which no action is larger than this, are removed; 0 keeps all."""
    idle_keep: int = 2
    """Steps kept of each idle stretch."""
    correction_weight: float = 1.0
    """Weight of steps in which an operator corrected a policy."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward pass; auto: bfloat16 where the processor supports it (three times as fast)."""
    candidates: int = 1
    """Snapshots, evenly over the second half, of which the one that scores best in rollouts is kept."""
    select_every: int = 0
    """Gradient steps from one such snapshot to the next, over all of the training; 0 takes `candidates` instead."""
    save_every: int = 1000
    """Gradient steps between checkpoints of the training itself."""
    log_every: int = 100
    """Gradient steps between rows of metrics."""
    seed: int = 0
    """Seed of initial weights, batches and noise."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
            UnknownNameError: no such kind of policy.
        """
        POLICIES.check(self.policy)
        check_seed("--seed", self.seed)
        ranges = {"updates batch candidates save_every log_every": at_least(1), "obs_noise_least": within(0, 1)}
        check_ranges(self, "bc {}", {**ranges, "select_every": at_least(0, "0 or more")})

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
class CPLSettings:
    """Settings of contrastive preference learning."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the Gaussian policy, as its constructor names them."""
    clone_updates: int = 2000
    """Gradient steps that imitate all clips first."""
    updates: int = 1000
    """Gradient steps on the comparisons."""
    batch: int = 64
    """Comparisons per gradient step."""
    clone_batch: int = 256
    """Steps per gradient step of imitation."""
    clone_learning_rate: float = 1e-3
    """Adam's rate while imitating."""
    learning_rate: float = 1e-4
    """Adam's rate on the comparisons."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    steps: int = 64
    """Steps of a clip that a gradient step sees, a part of longer ones; shorter clips count as if they were as long."""
    alpha: float = 0.1
    """Weight of the log likelihoods: the temperature of the maximum-entropy problem."""
    bias: float = 0.25
    """How much of the other clip's likelihood is contrasted, in (0, 1]; below 1 the policy stays near the clips."""
    clone_weight: float = 4.0
    """Weight of imitating the better clips while contrasting them."""
    save_every: int = 500
    """Gradient steps between checkpoints of the training itself."""
    log_every: int = 100
    """Gradient steps between rows of metrics."""
    seed: int = 0
    """Seed of initial weights and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
        """
        check_seed("--seed", self.seed)
        ranges: dict[str, Range] = {
            "updates batch clone_batch steps save_every log_every": at_least(1),
            "clone_updates clone_weight": at_least(0, "0 or more"),
            "learning_rate clone_learning_rate clip alpha": above(0),
            "bias": (lambda share: 0 < share <= 1, "a number in (0, 1]"),
        }
        check_ranges(self, "cpl {}", ranges)


@dataclass(frozen=True)
class RewardSettings:
    """Settings of reward learning."""

    reward: Annotated[str, Choices(REWARDS)] = "ensemble"
    """Kind of reward model."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the model, as its constructor names them."""
    fit: FitSettings = field(default_factory=FitSettings)
    """Settings of the fit."""
    demonstration_weight: float = 0.0
    """Total weight of the prior "a demonstration is better than the policy", as a share of the answers' weight."""
    success_weight: float = 0.0
    """Total weight of the prior "an episode marked as a success ends better than one that failed", as such a share."""
    unlabeled: int = 0
    """Unlabelled clips, for models that predict steps and for pseudo-labels."""
    weigh_people: bool = True
    """Whether answers are weighted by their annotator's reliability, where several answered the same questions."""
    save_every: int = 200
    """Updates between checkpoints of the training itself."""
    seed: int = 0
    """Seed of initial weights and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
            UnknownNameError: no such kind of reward model.
        """
        REWARDS.check(self.reward)
        check_seed("--seed", self.seed)
        weights = at_least(0, "a number from 0")
        ranges = {"demonstration_weight success_weight unlabeled": weights, "save_every": at_least(1)}
        check_ranges(self, "reward {}", ranges)


@dataclass(frozen=True)
class RLSettings:
    """Settings shared by the RL algorithms; each has separate defaults for sizes and rates."""

    ALGORITHM: ClassVar[str]
    RANGES: ClassVar[dict[str, Range]]  # of the fields of a subclass

    objective: str = "learned"
    """The reward to maximise: a sum of terms, such as "learned + 0.2 * success + 0.5 * distance(of=[0, 1])"."""
    num_envs: int = 16
    """Copies of the environment; an iteration is one episode of each."""
    iterations: int = 40
    """Iterations."""
    actor_lr: float = 3e-4
    """Adam's rate for the policy."""
    critic_lr: float = 3e-4
    """Adam's rate for the value functions."""
    gamma: float = 0.99
    """Discount per step."""
    critic_width: int = 256
    """Units per hidden layer of the value functions."""
    critic_layers: int = 2
    """Hidden layers of the value functions."""
    max_grad_norm: float = 10.0
    """Largest norm of a gradient, of each network."""
    finite: bool = True
    """Whether values see the time left and are zero at the horizon; else they bootstrap there."""
    save_every: int = 5
    """Iterations between checkpoints."""
    seed: int = 0
    """Seed of episodes, exploration and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        RewardSum(self.objective)
        check_seed("--seed", self.seed)
        ranges = {
            "num_envs iterations critic_width save_every": at_least(1),
            "actor_lr critic_lr max_grad_norm": above(0),
            "critic_layers": at_least(0),
            "gamma": within(0, 1),
        }
        check_ranges(self, f"{self.ALGORITHM} {{}}", {**ranges, **self.RANGES})


@dataclass(frozen=True)
class PPOSettings(RLSettings):
    """Settings of PPO."""

    ALGORITHM: ClassVar[str] = "ppo"
    RANGES: ClassVar[dict[str, Range]] = {
        "epochs minibatch warmup_epochs": at_least(1),
        "clip": above(0),
        "target_kl entropy anchor anchor_target std warmup": at_least(0),
        "gae_lambda": within(0, 1),
    }

    num_envs: int = 64
    """Copies of the environment; an iteration is one episode of each."""
    iterations: int = 60
    """Iterations."""
    epochs: int = 5
    """Passes over the data of an iteration."""
    minibatch: int = 1024
    """Steps per minibatch."""
    critic_lr: float = 1e-3
    """Adam's rate for the value function."""
    gae_lambda: float = 0.95
    """Lambda of the generalised advantage estimates, 0 (one step) to 1 (whole returns)."""
    clip: float = 0.2
    """Clipping range of the likelihood ratio."""
    target_kl: float = 0.03
    """Target KL: no more policy steps in an iteration once a minibatch exceeds it; 0: no limit."""
    entropy: float = 0.0
    """Bonus for the entropy of the policy."""
    anchor: float = 0.05
    """Weight of the KL from the policy to the cloned one, summed over actions; 0: no penalty."""
    anchor_target: float = 0.0
    """If above 0, the weight of the anchor is adapted to keep that KL near this value."""
    std: float = 0.0
    """Initial deviation of exploration, for every action; 0 keeps that of the policy."""
    max_grad_norm: float = 0.5
    """Largest norm of a gradient, for policy and value function each."""
    critic_width: int = 128
    """Units per hidden layer of the value function."""
    warmup: int = 1
    """First iterations that train only the value function, which is not fitted to this reward yet."""
    warmup_epochs: int = 20
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
    RANGES: ClassVar[dict[str, Range]] = {
        "batch n_step capacity members subset": at_least(1),
        "updates temperature_lr temperature tau": above(0),
        "warmup refresh correction_penalty": at_least(0),
        "demonstration_share": (lambda share: 0 <= share < 1, "a number from 0 to less than 1"),
        "tau": within(0, 1),
    }

    updates: float = 0.5
    """Updates per environment step of one copy."""
    batch: int = 256
    """Steps per update."""
    demonstration_share: float = 0.5
    """Share of each batch that comes from demonstrations, where there are some."""
    n_step: int = 3
    """Steps of the n-step returns."""
    capacity: int = 300_000
    """Capacity of the replay buffer, in steps."""
    warmup: int = 1
    """First iterations that train only the value functions, where the policy is on top of another or was trained."""
    refresh: int = 200
    """Updates of the value functions alone after the reward has changed."""
    temperature_lr: float = 3e-4
    """Adam's rate for the temperature."""
    tau: float = 0.005
    """Rate at which the target value functions follow."""
    members: int = 2
    """Value functions."""
    subset: int = 2
    """Size of the random subset of them, drawn for each update, over which the minimum is taken."""
    layer_norm: bool = True
    """Whether hidden layers of the value functions are normalised, which limits extrapolation errors."""
    temperature: float = 0.05
    """Initial weight of entropy, where returns have deviation 1; it is learned."""
    target_entropy: float = -0.5
    """Target entropy of the temperature, per action [nat]."""
    backup_entropy: bool = True
    """Whether values include future entropy."""
    correction_penalty: float = 0.0
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
