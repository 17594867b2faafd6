"""`robo-rlhf train sac`: learn a policy off-policy, with demonstrations in every batch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import recorded, untrained_policy
from robo_rlhf.algorithms.reinforcement import Reinforcement
from robo_rlhf.core.checks import DatasetName
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, find_dataset
from robo_rlhf.data.layout import require_dataset

if TYPE_CHECKING:
    from robo_rlhf.core.types import Episode, VecEnv
    from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy

SETTINGS = Settings("robo_rlhf.training_tools.settings:SACSettings")


@ALGORITHMS.register("sac")
@dataclass(frozen=True, kw_only=True)
class SAC(Reinforcement):
    """Learn by soft actor-critic, with demonstrations in every batch. The same command continues where one stopped.

    From nothing, or as a bounded correction on top of a policy of any kind. The learned reward may change meanwhile:
    its file is read again when it is written, and relabels the whole replay buffer. A policy that was trained with an
    observation mask keeps it; rewards see the full observation.

    Example:
        robo-rlhf train sac --policy clone --reward recordings/runs/main/round-3/reward --run better
        robo-rlhf train sac --task reach --objective success --demos 20
    """

    name: ClassVar = "sac"

    policy: Path | None = None
    """The policy to start from: a checkpoint, a run's folder, or the name of a run in the data home; else a new one."""
    dataset: DatasetName = ""
    """Dataset of demonstrations in the data home; samples/TASK where empty."""
    demos: int | None = None
    """How many demonstrations, the first successes by id; 0 goes without. Else what the dataset holds, at most 25."""
    residual_scale: float = 0.3
    """Largest correction of an action, where learning starts from a policy of another kind."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Reinforcement` refuses, a dataset that is not there, and a reward with cameras.

        Raises:
            InvalidValueError: steps that are kept and judged again by such a reward have no pictures.
        """
        super().check()
        if self.judge is not None:
            from robo_rlhf.rewards.checkpoint import load_meta

            cameras = load_meta(self.judge)["reward"]["settings"].get("cameras")
            if cameras:
                expected = "one without cameras: steps that are kept have no pictures; `train ppo` takes it"
                raise InvalidValueError("--reward", f"one that sees {', '.join(cameras)}", expected)
        if self.demos != 0 and (self.dataset or self.task):
            require_dataset(data_home(self.home), self.dataset or f"samples/{self.task}")

    def train(self, session: Session) -> list[Row]:
        """Learn the policy."""
        from robo_rlhf.training import sac

        with self.world() as env:
            shown, actor, reward = self.demonstrations(env.name), self.actor(env), self.learned_reward(env)
            asked = {"residual_scale": self.residual_scale, "demonstrations": [e.meta.id for e in shown]}
            run = session.open(self.config, {**self.asked(env), **asked})
            label = f"learning on {env.name}"
            with self.watched(run, env) as live, session.progress(label, ("reward", "policy_value")) as progress:
                sac.train(self.config, run, env, actor, reward, demonstrations=shown, progress=progress, live=live)
        return self.policy_rows(run)

    def demonstrations(self, task: str) -> "list[Episode]":
        """Return the demonstrations asked for.

        Raises:
            NotFoundError: there is no such dataset.
            InvalidValueError: it holds fewer successes of the task.
        """
        if self.demos == 0:
            return []
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.pipeline.demonstrations import USUAL

        name = self.dataset or f"samples/{task}"
        found = Dataset(find_dataset(data_home(self.home), name)).list(task=task, outcome="success")
        wanted = min(USUAL, max(len(found), 1)) if self.demos is None else self.demos
        if len(found) < wanted:
            raise InvalidValueError("--demos", wanted, f"at most the {len(found)} successes of {task} in {name}")
        return self.episodes_of(name, [info.meta.id for info in found[:wanted]])

    def actor(self, env: "VecEnv") -> "TanhGaussianPolicy":
        """Return a new policy, the one to start from, or a correction on top of that where it is of another kind."""
        from robo_rlhf.core.learning import seeded
        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.policies.on_base import on_top_of
        from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
        from robo_rlhf.vision.observer import own_looks

        with seeded(self.config.seed):
            if self.start is None:
                return TanhGaussianPolicy(env.obs_dim, env.act_dim)
            policy = load_policy(self.start, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
            policy.look_at(env, own_looks(policy.sight))
            if isinstance(policy, TanhGaussianPolicy):
                return policy
            return on_top_of(TanhGaussianPolicy, policy, scale=self.residual_scale, std=0.3)

    @classmethod
    def example(cls, home: Path) -> "SAC":
        """Correct an untrained policy of reach, with three demonstrations, by its reward."""
        recorded(home)
        settings = SETTINGS.load()(
            objective="task",
            num_envs=2,
            iterations=10,
            updates=0.05,
            batch=16,
            critic_width=16,
            capacity=300,
            save_every=3,
        )
        return cls(policy=untrained_policy(home), demos=3, home=home, config=settings)
