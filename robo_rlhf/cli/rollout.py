"""`robo-rlhf rollout`: episodes of any policy in any environment, kept as a dataset."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from robo_rlhf.checks import NewDataset
from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.checking import MaybeSeed, World
from robo_rlhf.cli.climbing import checkpoint_at
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.errors import InvalidValueError
from robo_rlhf.files import data_home, new_dataset

if TYPE_CHECKING:
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.types import Episode, Policy, VecEnv


@COMMANDS.register("rollout")
@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Run a policy, yours or a trained one, and keep its episodes: demonstrations for an outside environment.

    An episode is a success where the environment says so at its end; or by a rule of yours.

    Example:
        robo-rlhf rollout --env Meta-World/MT1:door-open-v3 --policy metaworld.policies:SawyerDoorOpenV3Policy
        PYTHONPATH=. robo-rlhf rollout --env Reacher-v5 --policy my_file:reach --success-return -8 --only-successes
        robo-rlhf rollout --env pick_place --policy main-run --episodes 50 --dataset looks
    """

    env: World
    """A native task, or the Gymnasium id of an outside environment."""
    policy: str
    """Code as module:object, which maps one observation to one action in [-1, 1]; or a checkpoint or run."""
    episodes: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 25
    """Episodes to run."""
    dataset: NewDataset = ""
    """Name of the dataset in the data home, made where it is missing; samples/ENV where empty, as `run` expects it."""
    success_return: float | None = None
    """Call an episode a success if its return is at least this."""
    success_ever: bool = False
    """Call an episode a success if the environment said so at any time."""
    only_successes: bool = False
    """Keep only successes."""
    noise: float = 0.0
    """Deviation of what is added to the actions of code, as an unsteady hand would."""
    seed: MaybeSeed = None
    """Seed of the first episode, those of the next count up; else what follows the highest in the dataset."""
    num_envs: int = 16
    """Episodes run together."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Run, keep and print what was kept."""
        if self.episodes < 1 or self.num_envs < 1 or not 0 <= self.noise < float("inf"):
            given = f"{self.episodes} episodes, {self.num_envs} at once, noise {self.noise}"
            raise InvalidValueError("rollout", given, "at least 1 of each, and a noise of at least 0")
        if self.success_ever and self.success_return is not None:
            raise InvalidValueError("--success-ever", "--success-return too", "one rule of success")
        if ":" not in self.policy:
            checkpoint_at(Path(self.policy), "policy", self.home)  # refused before anything heavy is loaded
        use_one_thread()
        import numpy as np

        from robo_rlhf.rollout import rollout
        from robo_rlhf.sim.envs import make_env
        from robo_rlhf.types import Source

        env = make_env(self.env, min(self.num_envs, self.episodes))
        try:
            policy, coded = self.acting(env), ":" in self.policy
            dataset = self.open_dataset()
            first = self.next_seed(dataset) if self.seed is None else self.seed
            total, done = env.horizon * -(-self.episodes // env.num_envs), iter(range(1, 10**9))
            with progress_bar(f"{self.episodes} episodes of {self.env}") as tell:
                episodes = rollout(
                    env,
                    policy,
                    np.arange(first, first + self.episodes),
                    source=Source.SCRIPTED if coded else Source.POLICY,
                    meta=self.meta(coded),
                    on_step=lambda t, step: tell(next(done), total, {}),
                )
        finally:
            env.close()
        self.keep(dataset, [self.judged(episode) for episode in episodes])
        return 0

    def acting(self, env: "VecEnv") -> "Policy":
        """Return the policy: code, or a checkpoint."""
        from robo_rlhf.policies.foreign import ForeignPolicy
        from robo_rlhf.policies.veiled import load_for

        if ":" in self.policy:
            return ForeignPolicy(self.policy, env.act_dim, self.noise, self.seed or 0)
        return load_for(checkpoint_at(Path(self.policy), "policy", self.home), env)

    def judged(self, episode: "Episode") -> "Episode":
        """Return the episode with the outcome that the rule says; one that was aborted stays so."""
        if episode.meta.outcome == "aborted" or not (self.success_ever or self.success_return is not None):
            return episode
        good = bool(episode.success.any())
        if self.success_return is not None:
            good = float(episode.reward.sum(dtype="float64")) >= self.success_return
        return replace(episode, meta=replace(episode.meta, outcome="success" if good else "failure"))

    def open_dataset(self) -> "Dataset":
        """Open the dataset, or make it."""
        from robo_rlhf.data.dataset import MIXED, Dataset

        name = self.dataset or f"samples/{self.env}"
        return Dataset(new_dataset(data_home(self.home), name), create=True, task=MIXED if self.dataset else self.env)

    def next_seed(self, dataset: "Dataset") -> int:
        """Return the seed after the highest in the dataset."""
        return max((info.meta.seed for info in dataset.list(task=self.env)), default=-1) + 1

    def meta(self, coded: bool) -> Mapping[str, Any]:
        """Return what episodes remember of where they come from."""
        from robo_rlhf.sim.envs import versions

        return {"device": "scripted" if coded else "policy", "operator": self.policy, "versions": versions()}

    def keep(self, dataset: "Dataset", episodes: "list[Episode]") -> None:
        """Add the episodes and print what they are."""
        good = [e for e in episodes if e.meta.outcome == "success"]
        kept = [
            replace(e, meta=replace(e.meta, id=_safe(e.meta.id))) for e in (good if self.only_successes else episodes)
        ]
        dataset.add_many(kept)
        returns = sorted(float(e.reward.sum(dtype="float64")) for e in episodes)
        row = {
            "dataset": self.dataset or f"samples/{self.env}",
            "run": len(episodes),
            "successes": len(good),
            "kept": len(kept),
            "returns": f"{returns[0]:.4g} to {returns[-1]:.4g}, median {returns[len(returns) // 2]:.4g}",
            "in the dataset": len(dataset),
        }
        print_rows([row], as_json=self.json)


def _safe(name: str) -> str:
    """Return an episode's id that can be a file's name: that of an environment may hold other characters."""
    return re.sub(r"[^\w.+=-]", "-", name, flags=re.ASCII)
