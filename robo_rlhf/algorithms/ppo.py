"""`robo-rlhf train ppo`: fine-tune one policy on one learned reward."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import untrained_policy
from robo_rlhf.algorithms.reinforcement import Reinforcement
from robo_rlhf.core.errors import InvalidValueError

if TYPE_CHECKING:
    from robo_rlhf.core.types import VecEnv
    from robo_rlhf.policies.base import GaussianActor

SETTINGS = Settings("robo_rlhf.training_tools.settings:PPOSettings")


@ALGORITHMS.register("ppo")
@dataclass(frozen=True, kw_only=True)
class PPO(Reinforcement):
    """Fine-tune a policy on a learned reward, or another. The same command continues where a killed one stopped.

    The learned reward may change meanwhile: its file is read again when it is written. A policy that was trained with
    an observation mask keeps it; rewards see the full observation.

    Example:
        robo-rlhf train ppo --policy clone --reward recordings/runs/main/round-3/reward --run better
        robo-rlhf train ppo --policy clone --objective success
    """

    name: ClassVar = "ppo"

    policy: Path
    """The policy to start from: a checkpoint, a run's folder, or the name of a run in the data home."""
    residual_scale: float = 0.2
    """Largest correction of an action, where the policy has no likelihood and is corrected rather than changed."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Reinforcement` refuses, and encoders that are to learn and are none of a correction's own.

        Raises:
            InvalidValueError: the policy has no cameras, or is a correction that sees by the cloned encoders.
        """
        super().check()
        if not self.config.learn_encoder:
            return
        from robo_rlhf.policies.checkpoint import load_meta

        assert self.start is not None
        kind, settings = (load_meta(self.start)["policy"][name] for name in ("kind", "settings"))
        if not (settings.get("cameras") or settings.get("own_encoder")):
            expected = "one that was cloned with --cameras, or whose correction was begun with --learn-encoder"
            raise InvalidValueError("--policy with --learn-encoder", f"one of kind {kind} without encoders", expected)

    def train(self, session: Session) -> list[Row]:
        """Fine-tune the policy."""
        from robo_rlhf.training import ppo

        with self.world() as env:
            actor, reward = self.actor(env), self.learned_reward(env)
            run = session.open(self.config, self.asked(env))
            label = f"fine-tuning on {env.name}"
            with self.watched(run, env) as live, session.progress(label, ("reward", "anchor_kl")) as progress:
                ppo.train(self.config, run, env, actor, reward, progress=progress, live=live)
        return self.policy_rows(run)

    def actor(self, env: "VecEnv") -> "GaussianActor":
        """Return the policy, or a correction on top of it where it has no likelihood."""
        from robo_rlhf.core.learning import seeded
        from robo_rlhf.policies.base import GaussianActor
        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.policies.on_base import on_top_of
        from robo_rlhf.policies.residual import ResidualPolicy
        from robo_rlhf.vision.observer import own_looks

        assert self.start is not None
        policy = load_policy(self.start, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
        policy.look_at(env, own_looks(policy.sight))
        if isinstance(policy, GaussianActor):
            return policy
        with seeded(self.config.seed):
            scale, std, own = self.residual_scale, self.config.std, self.config.learn_encoder
            return on_top_of(ResidualPolicy, policy, scale=scale, std=std or scale / 2, own_encoder=own)

    @classmethod
    def example(cls, home: Path) -> "PPO":
        """Correct an untrained policy of reach, by its success."""
        settings = SETTINGS.load()(
            objective="task", num_envs=2, iterations=10, epochs=1, minibatch=64, warmup_epochs=1, save_every=3
        )
        return cls(policy=untrained_policy(home), home=home, config=settings)
