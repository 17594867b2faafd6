"""`robo-rlhf train sac`: learn a policy off-policy, with demonstrations in every batch."""

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
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    DatasetName,
    RunName,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, find_dataset, run_folder
from robo_rlhf.data.layout import require_dataset

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode, VecEnv
    from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy


def _sac_config() -> type[Any]:
    from robo_rlhf.training_tools.settings import SACSettings

    return SACSettings


@COMMANDS.register("train sac")
@dataclass(frozen=True, kw_only=True)
class TrainSac:
    """Learn by soft actor-critic, with demonstrations in every batch. The same command continues where one stopped.

    From nothing, or as a bounded correction on top of a policy of any kind. The learned reward may change meanwhile:
    its file is read again when it is written, and relabels the whole replay buffer. A policy that was trained with an
    observation mask keeps it; rewards see the full observation.

    Example:
        robo-rlhf train sac --policy clone --reward recordings/runs/main/round-3/reward --run better
        robo-rlhf train sac --task reach --objective success --demos 20
    """

    stopped: ClassVar = CONTINUES

    task: MaybeWorld = None
    """Task to learn in; else the one that the policy was trained for."""
    policy: Path | None = None
    """The policy to start from: a checkpoint, a run's folder, or the name of a run in the data home; else a new one."""
    reward: Path | None = None
    """The learned reward, where the objective has one: a checkpoint, a run's folder, or the name of a run."""
    dataset: DatasetName = ""
    """Dataset of demonstrations in the data home; samples/TASK where empty."""
    demos: int | None = None
    """How many demonstrations, the first successes by id; 0 goes without. Else what the dataset holds, at most 25."""
    run: RunName = "sac"
    """Name of the run, a folder among the runs of the data home."""
    uncertainty_penalty: float = 0.5
    """Uncertainty penalty: deviations of the reward's ensemble to subtract from its mean."""
    residual_scale: float = 0.3
    """Largest correction of an action, where learning starts from a policy of another kind."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_sac_config)] = field(
        default_factory=lambda: _sac_config()()
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
        start = None if self.policy is None else find_checkpoint(self.policy, "policy", self.home)
        judge = None if self.reward is None else find_checkpoint(self.reward, "reward", self.home)
        if self.task is None and start is None:
            raise InvalidValueError("--task", "none", "a task, or --policy with one that was trained for it")
        if self.demos != 0 and (self.dataset or self.task):
            require_dataset(data_home(self.home), self.dataset or f"samples/{self.task}")
        use_one_thread()
        from robo_rlhf.core.heartbeat import keep_heartbeat
        from robo_rlhf.core.runs import Run
        from robo_rlhf.training import sac

        env = make_env_for(self.named_task(start), start, self.config.num_envs)
        try:
            shown, actor = self.demonstrations(env.name), self.actor(start, env)
            reward = load_reward_function(env, judge, self.uncertainty_penalty)
            asked: dict[str, Any] = {
                "algorithm": "sac",
                "task": env.name,
                "policy": start,
                "reward": judge,
                "uncertainty_penalty": self.uncertainty_penalty,
            }
            asked |= {"residual_scale": self.residual_scale, "demonstrations": [e.meta.id for e in shown]}
            run = Run(run_folder(data_home(self.home), self.run), self.config, asked)
            with keep_heartbeat(run), progress_bar(f"learning on {env.name}", ("reward", "policy_value")) as tell:
                sac.train(self.config, run, env, actor, reward, demonstrations=shown, progress=tell)
        finally:
            env.close()
        return run

    def named_task(self, start: Path | None) -> str:
        """Return the task to learn in."""
        from robo_rlhf.policies.checkpoint import load_meta

        return self.task or str(load_meta(start)["task"]) if start is not None else str(self.task)

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
        from robo_rlhf.sim.envs.current_observation import with_current_observations

        name = self.dataset or f"samples/{task}"
        dataset = Dataset(find_dataset(data_home(self.home), name))
        found = dataset.list(task=task, outcome="success")
        wanted = min(USUAL, max(len(found), 1)) if self.demos is None else self.demos
        if len(found) < wanted:
            raise InvalidValueError("--demos", wanted, f"at most the {len(found)} successes of {task} in {name}")
        return list(with_current_observations(dataset.load_all(info.meta.id for info in found[:wanted])))

    def actor(self, path: Path | None, env: "VecEnv") -> "TanhGaussianPolicy":
        """Return a new policy, the one at `path`, or a correction on top of that where it is of another kind."""
        from robo_rlhf.core.learning import seeded
        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy, tanh_gaussian_on_top_of

        with seeded(self.config.seed):
            if path is None:
                return TanhGaussianPolicy(env.obs_dim, env.act_dim)
            policy = load_policy(path, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
            if isinstance(policy, TanhGaussianPolicy):
                return policy
            return tanh_gaussian_on_top_of(policy, scale=self.residual_scale, std=0.3)
