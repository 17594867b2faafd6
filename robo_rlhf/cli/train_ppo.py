"""`robo-rlhf train ppo`: fine-tune one policy on one learned reward."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.checking import (
    MaybeWorld,
)
from robo_rlhf.cli.climbing import check_objective, find_checkpoint, load_reward_function, make_env_for
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.robots import OnRobot
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    RunName,
)
from robo_rlhf.core.files import data_home, run_folder

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import VecEnv
    from robo_rlhf.policies.base import GaussianActor


def _ppo_config() -> type[Any]:
    from robo_rlhf.training_tools.settings import PPOSettings

    return PPOSettings


@COMMANDS.register("train ppo")
@dataclass(frozen=True, kw_only=True)
class TrainPpo(OnRobot):
    """Fine-tune a policy on a learned reward, or another. The same command continues where a killed one stopped.

    The learned reward may change meanwhile: its file is read again when it is written. A policy that was trained with
    an observation mask keeps it; rewards see the full observation.

    Example:
        robo-rlhf train ppo --policy clone --reward recordings/runs/main/round-3/reward --run better
        robo-rlhf train ppo --policy clone --objective success
    """

    stopped: ClassVar = CONTINUES

    policy: Path
    """The policy to start from: a checkpoint, a run's folder, or the name of a run in the data home."""
    reward: Path | None = None
    """The learned reward, where the objective has one: a checkpoint, a run's folder, or the name of a run."""
    task: MaybeWorld = None
    """Task to learn in; else the one that the policy was trained for."""
    run: RunName = "ppo"
    """Name of the run, a folder among the runs of the data home."""
    uncertainty_penalty: float = 0.5
    """Uncertainty penalty: deviations of the reward's ensemble to subtract from its mean."""
    residual_scale: float = 0.2
    """Largest correction of an action, where the policy has no likelihood and is corrected rather than changed."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_ppo_config)] = field(
        default_factory=lambda: _ppo_config()()
    )
    """Settings of the algorithm."""

    def __call__(self) -> int:
        """Train, with a bar, and print the result."""
        check_objective(self.config.objective, self.reward)
        from robo_rlhf.core.heartbeat import held

        with held(run_folder(data_home(self.home), self.run)):
            run = self.train()
        row = {"run": self.run, "policy": str(run.checkpoint_path("policy")), **(run.result() or {})}
        print_rows([row], as_json=self.json)
        return 0

    def train(self) -> "Run":
        """Train, with a bar; the run is held."""
        start = find_checkpoint(self.policy, "policy", self.home)
        judge = None if self.reward is None else find_checkpoint(self.reward, "reward", self.home)
        use_one_thread()
        from robo_rlhf.core.heartbeat import keep_heartbeat
        from robo_rlhf.core.runs import Run
        from robo_rlhf.policies.checkpoint import load_meta
        from robo_rlhf.training import ppo

        env = make_env_for(self.task or load_meta(start)["task"], start, self.config.num_envs)
        try:
            actor = self.actor(start, env)
            reward = load_reward_function(env, judge, self.uncertainty_penalty)
            asked = {
                "algorithm": "ppo",
                "task": env.name,
                "policy": start,
                "reward": judge,
                "uncertainty_penalty": self.uncertainty_penalty,
            }
            run = Run(run_folder(data_home(self.home), self.run), self.config, asked)
            with keep_heartbeat(run), progress_bar(f"fine-tuning on {env.name}", ("reward", "anchor_kl")) as tell:
                ppo.train(self.config, run, env, actor, reward, progress=tell)
        finally:
            env.close()
        return run

    def actor(self, path: Path, env: "VecEnv") -> "GaussianActor":
        """Return the policy, or a correction on top of it where it has no likelihood."""
        from robo_rlhf.core.learning import seeded
        from robo_rlhf.policies.base import GaussianActor
        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.policies.residual import residual_on_top_of

        policy = load_policy(path, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
        if isinstance(policy, GaussianActor):
            return policy
        with seeded(self.config.seed):
            return residual_on_top_of(policy, scale=self.residual_scale, std=self.config.std or self.residual_scale / 2)
