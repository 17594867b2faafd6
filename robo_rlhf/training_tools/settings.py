"""Settings of the algorithms, apart from what uses them: to read or refuse them takes neither torch nor MuJoCo."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from robo_rlhf.core.checks import check_seed
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.data.training_arrays.correction_weights import Weighting
from robo_rlhf.policies import POLICIES
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.fitting.settings import FitSettings
from robo_rlhf.rewards.reward_sum import RewardSum


@dataclass(frozen=True)
class BCSettings:
    """What to imitate with, and how long."""

    policy: str = "flow"
    """Kind of policy."""
    settings: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Settings of the policy, as its constructor names them."""
    updates: int = 6000
    """Gradient steps."""
    batch: int = 256
    """Examples a gradient step."""
    learning_rate: float = 1e-3
    """AdamW's rate after warm-up; falls to zero along a cosine."""
    warmup: int = 100
    """Gradient steps in which the rate rises from zero."""
    weight_decay: float = 1e-4
    """AdamW's weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the averaged weights, which are the ones that act."""
    obs_noise: float = 0.02
    """Noise added to observations, in deviations of each column."""
    obs_noise_least: float = 1.0
    """Share of it where a column is zero; it grows with the column, up to all of it. 1 adds as much everywhere."""
    idle: float = 0.05
    """Steps in which no action is larger than this are cut out; 0 keeps all."""
    idle_keep: int = 2
    """Steps kept of each idle stretch."""
    correction_weight: float = 1.0
    """Weight of steps in which a person corrected a policy."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers of the forward pass; auto takes bfloat16 where the processor computes with it (three times as fast)."""
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
        for name in ("updates", "batch", "candidates", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"bc {name}", getattr(self, name), "at least 1")
        if not 0 <= self.obs_noise_least <= 1:
            raise InvalidValueError("bc obs_noise_least", self.obs_noise_least, "a number from 0 to 1")
        if self.select_every < 0:
            raise InvalidValueError("bc select_every", self.select_every, "0 or more")

    @property
    def selects(self) -> bool:
        """Whether there are several snapshots to choose from."""
        return self.candidates > 1 or self.select_every > 0


@dataclass(frozen=True)
class DAggerSettings:
    """What to imitate with, and how much corrections count."""

    clone: BCSettings = field(default_factory=BCSettings)
    """How demonstrations and corrections are imitated."""
    weights: Weighting = field(default_factory=Weighting)
    """How much corrected steps count."""


@dataclass(frozen=True)
class RewardSettings:
    """What kind of reward to learn, and how."""

    reward: str = "ensemble"
    """Kind of reward model."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the model, as its constructor names them."""
    fit: FitSettings = field(default_factory=FitSettings)
    """How it is fitted."""
    demonstration_weight: float = 0.0
    """How much "a demonstration is better than the policy" counts in all, as a share of the answers' weight."""
    success_weight: float = 0.0
    """How much "an episode marked as a success ends better than one that failed" counts in all, as such a share."""
    unlabeled: int = 0
    """Clips that nobody judged, for models that foretell steps and for pseudo-labels."""
    weigh_people: bool = True
    """Whether answers count by how reliable their giver is, as far as several people answered the same questions."""
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
        for name in ("demonstration_weight", "success_weight", "unlabeled"):
            if not getattr(self, name) >= 0:
                raise InvalidValueError(f"reward {name}", getattr(self, name), "a number from 0")
        if self.save_every < 1:
            raise InvalidValueError("reward save_every", self.save_every, "at least 1")


@dataclass(frozen=True)
class RLSettings:
    """What every such learner is told; each has sizes and rates of its own as defaults."""

    ALGORITHM: ClassVar[str]

    objective: str = "learned"
    """What is climbed: a sum of terms, such as "learned + 0.2 * success + 0.5 * distance(of=[0, 1])"."""
    num_envs: int = 16
    """Copies of the environment; an iteration is one episode of each."""
    iterations: int = 40
    """Iterations."""
    actor_lr: float = 3e-4
    """Adam's rate for the policy."""
    critic_lr: float = 3e-4
    """Adam's rate for what judges states."""
    gamma: float = 0.99
    """Discount a step."""
    critic_width: int = 256
    """Units a hidden layer of what judges states."""
    critic_layers: int = 2
    """Hidden layers of what judges states."""
    max_grad_norm: float = 10.0
    """Largest norm of a gradient, of each network."""
    finite: bool = True
    """Whether values see the time left and are worth nothing at the horizon; else they go on there."""
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
        self.check("num_envs", "iterations", "critic_width", "save_every", fits=lambda x: x >= 1, wanted="at least 1")
        self.check("actor_lr", "critic_lr", "max_grad_norm", fits=lambda x: x > 0, wanted="more than 0")
        check_seed("--seed", self.seed)
        self.check("critic_layers", fits=lambda x: x >= 0, wanted="at least 0")
        self.check("gamma", fits=lambda x: 0 <= x <= 1, wanted="a number from 0 to 1")

    def check(self, *names: str, fits: Callable[[float], bool], wanted: str) -> None:
        """Refuse those of the settings `names` that do not fit.

        Raises:
            InvalidValueError: the first of them; `wanted` says what would.
        """
        for name in names:
            if not fits(getattr(self, name)):
                raise InvalidValueError(f"{self.ALGORITHM} {name}", getattr(self, name), wanted)


@dataclass(frozen=True)
class PPOSettings(RLSettings):
    """How to fine-tune."""

    ALGORITHM: ClassVar[str] = "ppo"

    num_envs: int = 64
    """Copies of the environment; an iteration is one episode of each."""
    iterations: int = 60
    """Iterations."""
    epochs: int = 5
    """Passes over the data of an iteration."""
    minibatch: int = 1024
    """Steps a gradient."""
    critic_lr: float = 1e-3
    """Adam's rate for the value function."""
    gae_lambda: float = 0.95
    """Weight of long against short advantage estimates, 0 to 1."""
    clip: float = 0.2
    """How far the likelihood ratio may move before its gradient stops."""
    target_kl: float = 0.03
    """The policy rests for the remainder of an iteration once a minibatch has moved this far; 0 lets it go on."""
    entropy: float = 0.0
    """Bonus for the entropy of the policy."""
    anchor: float = 0.05
    """Weight of the KL from the policy to the cloned one, summed over actions; 0 lets it go."""
    anchor_target: float = 0.0
    """If above 0, the weight of the anchor is adapted to keep that KL near this value."""
    std: float = 0.0
    """Deviation of exploration to start from, for every action; 0 keeps the policy's own."""
    max_grad_norm: float = 0.5
    """Largest norm of a gradient, for policy and value function each."""
    critic_width: int = 128
    """Units a hidden layer of the value function."""
    warmup: int = 1
    """First iterations that train only the value function, because it knows nothing yet of this reward."""
    warmup_epochs: int = 20
    """Passes over the data of such an iteration."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        super().__post_init__()
        self.check("epochs", "minibatch", "warmup_epochs", fits=lambda x: x >= 1, wanted="at least 1")
        self.check("clip", fits=lambda x: x > 0, wanted="more than 0")
        at_least_none = ("target_kl", "entropy", "anchor", "anchor_target", "std", "warmup")
        self.check(*at_least_none, fits=lambda x: x >= 0, wanted="at least 0")
        self.check("gae_lambda", fits=lambda x: 0 <= x <= 1, wanted="a number from 0 to 1")
        if self.anchor_target and not self.anchor:
            raise InvalidValueError("ppo anchor", self.anchor, "more than 0 where anchor_target is")


@dataclass(frozen=True)
class SACUpdateSettings(RLSettings):
    """How large the steps are, and what takes them."""

    temperature_lr: float = 3e-4
    """Adam's rate for the temperature."""
    tau: float = 0.005
    """How fast the value functions that targets come from follow."""
    members: int = 2
    """Value functions."""
    subset: int = 2
    """How many of them, drawn for each update, the least value is taken of."""
    layer_norm: bool = True
    """Whether hidden layers of the value functions are normalised, which keeps them from inventing values."""
    temperature: float = 0.05
    """Weight of entropy to start from, where returns have deviation 1; it is learned."""
    target_entropy: float = -0.5
    """Entropy that the temperature aims at, an action [nat]."""
    backup_entropy: bool = True
    """Whether entropy to come is part of values."""
    correction_penalty: float = 0.0
    """What the largest correction of one column of an action costs, by its square, where returns have deviation 1; of
    a policy on top of another. Where values hardly tell actions apart, nothing else keeps it near the other."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
        """
        super().__post_init__()
        self.check("members", "subset", fits=lambda x: x >= 1, wanted="at least 1")
        self.check("temperature_lr", "temperature", "tau", fits=lambda x: x > 0, wanted="more than 0")
        self.check("correction_penalty", fits=lambda x: x >= 0, wanted="at least 0")
        self.check("tau", fits=lambda x: x <= 1, wanted="a number from 0 to 1")
        if self.subset > self.members:
            raise InvalidValueError(f"{self.ALGORITHM} subset", self.subset, f"no more than all {self.members} members")


@dataclass(frozen=True)
class SACSettings(SACUpdateSettings):
    """How to learn."""

    ALGORITHM: ClassVar[str] = "sac"

    updates: float = 0.5
    """Updates a step of one copy."""
    batch: int = 256
    """Steps an update learns from."""
    demonstration_share: float = 0.5
    """Share of each batch that comes from demonstrations, where there are some."""
    n_step: int = 3
    """Steps of reward before the value function takes over."""
    capacity: int = 300_000
    """Steps that are remembered."""
    warmup: int = 1
    """First iterations that train only the value functions, where the policy is on top of another or was trained."""
    refresh: int = 200
    """Updates of the value functions alone after the reward has changed."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range, or the reward is not written as a sum.
            UnknownNameError: the reward has an unknown term.
        """
        super().__post_init__()
        self.check("batch", "n_step", "capacity", fits=lambda x: x >= 1, wanted="at least 1")
        self.check("updates", fits=lambda x: x > 0, wanted="more than 0")
        self.check("warmup", "refresh", fits=lambda x: x >= 0, wanted="at least 0")
        self.check("demonstration_share", fits=lambda x: 0 <= x < 1, wanted="a number from 0 to less than 1")
