"""`robo-rlhf rollout`: episodes of any policy in any environment, kept as a dataset."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.checking import MaybeSeed
from robo_rlhf.cli.on_cluster import OnCluster
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    NewDataset,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, new_dataset, read_whole
from robo_rlhf.policies.latest_policy import policy_at
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.names import OnRobot, World

if TYPE_CHECKING:
    from robo_rlhf.core.types import Episode, EpisodeMeta, Policy, VecEnv
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.data.recording.reserved_seeds import Reservation


@COMMANDS.register("rollout")
@dataclass(frozen=True, kw_only=True)
class Rollout(OnRobot, OnCluster):
    """Run a policy, yours or a trained one, and keep its episodes: demonstrations for an outside environment.

    An episode is a success where the environment reports it at its end; or by a rule of yours. Each is kept as it ends,
    and the same command continues with the seeds that are missing.

    Example:
        robo-rlhf rollout --env Meta-World/MT1:door-open-v3 --policy metaworld.policies:SawyerDoorOpenV3Policy
        PYTHONPATH=. robo-rlhf rollout --env Reacher-v5 --policy my_file:reach --success-return -8 --only-successes
        robo-rlhf rollout --env pick_place --policy main-run --episodes 50 --dataset looks
        robo-rlhf rollout --env stack --policy main-run --episodes 2000 --dataset many --cluster 10.0.0.7:6379
    """

    stopped: ClassVar = CONTINUES

    env: World
    """A native task, or the Gymnasium id of an outside environment; --env-arg KEY=VALUE gives it an argument."""
    policy: str
    """Code as module:object, which maps one observation to one action in [-1, 1]; a checkpoint or run; random; zero."""
    episodes: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 25
    """Episodes to run."""
    dataset: NewDataset = ""
    """Name of the dataset in the data home, made where it is missing; samples/ENV where empty, as `run` expects it."""
    success_return: float | None = None
    """Call an episode a success if its return is at least this."""
    success_ever: bool = False
    """Call an episode a success if the environment reported success at any time."""
    only_successes: bool = False
    """Keep only successes."""
    noise: float = 0.0
    """Standard deviation of noise added to the actions of code."""
    seed: MaybeSeed = None
    """Seed of the first episode, those of the next count up; else what follows the highest in the dataset."""
    num_envs: int = 16
    """Episodes run together."""
    conditions: tyro.conf.OmitArgPrefixes[Conditions] = field(default_factory=Conditions)
    """Conditions of the real world that it runs under; they are recorded."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Run, keep each episode as it ends, and print what was kept."""
        if self.episodes < 1 or self.num_envs < 1 or not 0 <= self.noise < float("inf"):
            given = f"{self.episodes} episodes, {self.num_envs} at once, noise {self.noise}"
            raise InvalidValueError("rollout", given, "at least 1 of each, and a noise of at least 0")
        if self.success_ever and self.success_return is not None:
            raise InvalidValueError("--success-ever", "--success-return too", "one rule of success")
        if not self.coded:
            policy_at(Path(self.policy), data_home(self.home))  # refused before anything heavy is loaded
        use_one_thread()
        from robo_rlhf.rollouts.rollout import check_environment
        from robo_rlhf.sim.envs.conditioned_env import under
        from robo_rlhf.sim.envs.task_env import make_env

        env = under(make_env(self.env, min(self.num_envs, self.episodes)), self.conditions)
        try:
            policy, dataset = self.acting(env), self.open_dataset()
            with self.joining(), self.reserve(dataset, env.name) as reserved:
                ran = self.run(env, policy, dataset, reserved)
                self.show(dataset, list(reserved.done.values()))
                check_environment(ran, self.env)
        finally:
            env.close()
        return 0

    def reserve(self, dataset: "Dataset", task: str) -> "Reservation":
        """Resume with the seeds that this same command left, or reserve new ones.

        Raises:
            ConflictError: a seed is taken.
        """
        from robo_rlhf.data.recording.reserved_seeds import Reservation, Wanted

        asked = {
            name: value for name, value in asdict(self).items() if name not in ("home", "json", "dataset", "cluster")
        }
        asked["policy"] = policy_asked(self.policy, self.home)
        if not self.conditions:
            del asked["conditions"]  # what earlier versions left is continued
        return Reservation(dataset, Wanted(task, self.episodes, self.seed, asked, lambda seed: _safe(f"{task}-{seed}")))

    def run(self, env: "VecEnv", policy: "Policy", dataset: "Dataset", reserved: "Reservation") -> "list[EpisodeMeta]":
        """Run the seeds that are missing; in the same turns, with the same noise, however often it was stopped."""
        import numpy as np

        from robo_rlhf.core.types import Source
        from robo_rlhf.executor.cluster import joined
        from robo_rlhf.rollouts.rollout import rollout

        size = env.num_envs
        turns = [reserved.seeds[first : first + size] for first in range(0, len(reserved.seeds), size)]
        turns = [turn for turn in turns if any(seed not in reserved.done for seed in turn)]
        cluster = joined()
        together = 1 if cluster is None else 2 * cluster.places
        total, done = env.horizon * len(turns), iter(range(1, 10**9))
        ran: list[EpisodeMeta] = []
        with progress_bar(f"{len(reserved.missing)} episodes of {self.env}") as tell:
            for first in range(0, len(turns), together):
                episodes = rollout(
                    env,
                    policy,
                    np.concatenate(turns[first : first + together]),
                    source=Source.SCRIPTED if self.coded else Source.POLICY,
                    meta=self.meta(),
                    seed_turns=True,
                    on_step=lambda t: tell(next(done), total, {}),
                    on_ended=lambda ended: self.keep(dataset, reserved, [self.judged(episode) for episode in ended]),
                )
                ran += [episode.meta for episode in episodes]
        return ran

    def acting(self, env: "VecEnv") -> "Policy":
        """Return the policy: a built-in one, code, or a checkpoint."""
        from robo_rlhf.policies.built_in import BUILT_IN, BuiltInPolicy
        from robo_rlhf.policies.foreign import ForeignPolicy
        from robo_rlhf.policies.masked import load_for

        if self.policy in BUILT_IN:
            return BuiltInPolicy(self.policy, env.act_dim, self.noise, self.seed or 0)
        if self.coded:
            return ForeignPolicy(self.policy, env.act_dim, self.noise, self.seed or 0)
        return load_for(policy_at(Path(self.policy), data_home(self.home)), env)

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

    @property
    def coded(self) -> bool:
        """Whether the policy is code, of a user's or built in, and no checkpoint."""
        return is_code(self.policy)

    def meta(self) -> Mapping[str, Any]:
        """Return the provenance that episodes store."""
        from robo_rlhf.sim.envs.task_env import versions

        return {"device": "scripted" if self.coded else "policy", "operator": self.policy, "versions": versions()}

    def keep(self, dataset: "Dataset", reserved: "Reservation", ended: "list[Episode]") -> None:
        """Add episodes that have just ended, then record that they are done."""
        new = [episode for episode in ended if episode.meta.seed not in reserved.done]
        kept = [replace(e, meta=replace(e.meta, id=_safe(e.meta.id))) for e in new if self.is_kept(e)]
        dataset.add_many([e for e in kept if e.meta.id not in dataset])  # there: killed before it was written down
        seeds = {e.meta.seed for e in kept}
        reserved.note(
            {e.meta.seed: [e.meta.outcome, float(e.reward.sum(dtype="float64")), e.meta.seed in seeds] for e in new}
        )

    def is_kept(self, episode: "Episode") -> bool:
        """Whether an episode goes into the dataset."""
        return episode.meta.outcome == "success" or not self.only_successes

    def show(self, dataset: "Dataset", done: list[Any]) -> None:
        """Print what the episodes are, those of an earlier start of the command too."""
        returns = sorted(returned for _, returned, _ in done)
        row = {
            "dataset": self.dataset or f"samples/{self.env}",
            "run": len(done),
            "successes": sum(outcome == "success" for outcome, _, _ in done),
            "kept": sum(kept for _, _, kept in done),
            "returns": f"{returns[0]:.4g} to {returns[-1]:.4g}, median {returns[len(returns) // 2]:.4g}",
            "in the dataset": len(dataset),
        }
        print_rows([row], as_json=self.json)


def is_code(policy: str) -> bool:
    """Whether a policy is code, of a user's or built in, and no checkpoint."""
    from robo_rlhf.policies.built_in import BUILT_IN

    return ":" in policy or policy in BUILT_IN


def policy_asked(policy: str, home: Path | None) -> str:
    """Return text that identifies a policy: its name, and for a checkpoint a digest of its content."""
    if is_code(policy):
        return policy
    content = read_whole(policy_at(Path(policy), data_home(home)), "Name a checkpoint.")
    return f"{policy} {hashlib.sha256(content).hexdigest()[:16]}"


def _safe(name: str) -> str:
    """Return an episode's id that can be a file's name: that of an environment may hold other characters."""
    return re.sub(r"[^\w.+=-]", "-", name, flags=re.ASCII)
