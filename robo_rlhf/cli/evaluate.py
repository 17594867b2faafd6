"""`robo-rlhf evaluate`: success and style of a policy, and comparison with another."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.on_cluster import OnCluster
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import DatasetName, Seed
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home
from robo_rlhf.policies.latest_policy import policy_at
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.names import MaybeWorld, OnRobot
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.core.types import VecEnv
    from robo_rlhf.rollouts.evaluation import Comparison, Evaluation
    from robo_rlhf.rollouts.kept_evaluation import KeptResults


@COMMANDS.register("evaluate")
@dataclass(frozen=True, kw_only=True)
class Evaluate(OnRobot, OnTorchDevice, OnCluster):
    """Run a policy on fixed seeds; report success and style with 95 % intervals.

    The result of each episode is kept as it ends; stopped, the same command continues with the seeds that are missing.

    Example:
        robo-rlhf evaluate recordings/runs/bc --episodes 200 --json
        robo-rlhf evaluate pick_place-0 --with-demonstrations samples/pick_place
        robo-rlhf evaluate pick_place-0 --episodes 2000 --cluster 10.0.0.7:6379
    """

    stopped: ClassVar = CONTINUES

    checkpoint: tyro.conf.Positional[Path]
    """A policy's checkpoint, a run's folder, or the name of a run in the data home: of a main job, its last policy."""
    against: Path | None = None
    """Another policy, run on the same seeds and compared episode by episode."""
    with_demonstrations: DatasetName = ""
    """A dataset of demonstrations of the task: what operators did is reported beside what the policy does."""
    task: MaybeWorld = None
    """Task to run; else the one that the policy was trained for."""
    episodes: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 200
    """Episodes, on the first so many seeds of those kept for evaluation."""
    policy_seed: Seed = 0
    """Seed of the policy's own randomness."""
    mask_delay: int | None = None
    """Hide velocities from the policy and delay positions by so many steps; else as it was trained."""
    num_envs: int = 64
    """Episodes run together."""
    conditions: tyro.conf.OmitArgPrefixes[Conditions] = field(default_factory=Conditions)
    """Conditions of the real world that it runs under."""
    looks: int = 0
    """Also run a policy with cameras in so many looks that no training has, and from cameras that stand elsewhere."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> int:
        """Evaluate and print."""
        if self.episodes < 1 or self.num_envs < 1:
            raise InvalidValueError("evaluation", f"{self.episodes} episodes, {self.num_envs} at once", "at least 1")
        paths = [policy_at(path, data_home(self.home)) for path in (self.checkpoint, self.against) if path is not None]
        use_one_thread()
        from robo_rlhf.policies.checkpoint import load_meta
        from robo_rlhf.rollouts.evaluation import compare
        from robo_rlhf.rollouts.teachers import BesideTeachers
        from robo_rlhf.sim.envs.conditioned_env import under
        from robo_rlhf.sim.envs.task_env import make_env

        world = make_env(self.task or load_meta(paths[0])["task"], min(self.num_envs, self.episodes))
        env = under(world, self.conditions)
        try:
            teachers = self.teachers(env.name)  # refused before anything runs
            with self.joining():
                moved, kept_looks = self.in_looks(env, paths[0])
                evaluated = [self.evaluate(env, path) for path in paths]
        finally:
            env.close()
        found = [evaluation for evaluation, _ in evaluated]
        for path, evaluation in zip(paths, found, strict=True):
            if evaluation.warning:
                print(f"warning: {path}: {evaluation.warning}", file=sys.stderr)
        comparison = compare(found[1], found[0]) if self.against is not None else None
        beside = BesideTeachers(found[0], teachers) if teachers is not None else None
        if self.json:
            looks = {"looks": {name: e.summary() for name, e in moved.items()}} if moved else {}
            shown = {"demonstrations": beside.as_json()} if beside is not None else {}
            print(json.dumps({**_as_json(paths, found, comparison), **looks, **shown}, indent=2))
        else:
            for path, evaluation in zip(paths, found, strict=True):
                print_rows(_rows(evaluation), as_json=False, title=f"{path} on {evaluation.task}")
            if moved:
                rows = [_look_row(name, e, found[0]) for name, e in {"as the scene is": found[0], **moved}.items()]
                print_rows(rows, as_json=False, title=f"{paths[0]}: success in {self.looks} looks of each kind")
            if beside is not None:
                title = f"demonstrations in {self.with_demonstrations}"
                print_rows(_rows(beside.teachers), as_json=False, title=title)
                print(beside.sentence())
            if comparison is not None:
                print(_sentence(comparison))
        for kept in [*kept_looks, *(kept for _, kept in evaluated)]:
            kept.remove()
        return 0

    def teachers(self, task: str) -> "Evaluation | None":
        """Return what operators did in the demonstrations that are named; None where none are."""
        if not self.with_demonstrations:
            return None
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader
        from robo_rlhf.rollouts.teachers import evaluate_demonstrations

        return evaluate_demonstrations(Reader(require_dataset(data_home(self.home), self.with_demonstrations)), task)

    def in_looks(self, env: "VecEnv", path: Path) -> "tuple[dict[str, Evaluation], list[KeptResults]]":
        """Run one policy in looks that no training has; return what came, and what is kept of it until it is reported.

        Nothing where none are asked for.
        """
        if not self.looks:
            return {}, []
        import numpy as np

        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.rollouts.evaluation import FIRST_SEED
        from robo_rlhf.rollouts.looks import KINDS, check_looks, evaluate_looks

        policy = load_policy(path, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
        check_looks(policy, self.looks)
        seeds = np.arange(FIRST_SEED, FIRST_SEED + self.episodes)
        delay = self.delay_of(path)
        kept = {name: self.kept(env, path, {"looks": [name, self.looks]}) for name in KINDS}
        total = env.horizon * sum(len(one.missing(seeds, env.num_envs)) for one in kept.values())
        with nullcontext() if self.json else progress_bar(f"{self.looks} looks of each kind") as tell:
            done = iter(range(1, 10**9))
            on_step = None if tell is None else lambda t: tell(next(done), total, {})
            run = partial(evaluate_looks, env, policy, seeds, self.looks, policy_seed=self.policy_seed)
            return run(mask_delay=delay, on_step=on_step, keeps=kept.__getitem__), list(kept.values())

    def kept(self, env: "VecEnv", path: Path, more: dict[str, Any]) -> "KeptResults":
        """Return what is kept of the evaluation of a policy."""
        from robo_rlhf.rollouts.kept_evaluation import KeptResults
        from robo_rlhf.sim.envs.task_env import versions

        request: dict[str, Any] = {
            "task": env.name,
            "mask_delay": self.delay_of(path),
            "policy_seed": self.policy_seed,
            **versions(),
        }
        request |= {"conditions": asdict(self.conditions)} if self.conditions else {}
        return KeptResults(path, {**request, "episodes": self.episodes, "num_envs": env.num_envs, **more})

    def delay_of(self, path: Path) -> int | None:
        """Return the delay of the mask that a policy is run with: what is asked for, else as it was trained."""
        from robo_rlhf.policies.checkpoint import load_meta

        return load_meta(path).get("mask_delay") if self.mask_delay is None else self.mask_delay

    def evaluate(self, env: "VecEnv", path: Path) -> "tuple[Evaluation, KeptResults]":
        """Load one policy and run it; return its evaluation, and what is kept of it until it is reported."""
        import numpy as np

        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.rollouts.evaluation import FIRST_SEED
        from robo_rlhf.rollouts.kept_evaluation import evaluate_keeping
        from robo_rlhf.sim.envs.partial_observation import mask_observations

        policy = load_policy(path, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
        policy.look_at(env)
        env, kept = mask_observations(env, self.delay_of(path)), self.kept(env, path, {})
        seeds = np.arange(FIRST_SEED, FIRST_SEED + self.episodes)
        total = env.horizon * -(-(self.episodes - len(kept.done)) // env.num_envs)
        with nullcontext() if self.json else progress_bar(f"{self.episodes} episodes of {env.name}") as tell:
            done = iter(range(1, 10**9))
            on_step = None if tell is None else lambda t: tell(next(done), total, {})
            return evaluate_keeping(env, policy, seeds, kept, policy_seed=self.policy_seed, on_step=on_step), kept


def _look_row(name: str, evaluation: "Evaluation", plain: "Evaluation") -> dict[str, Any]:
    """Return success in one kind of look, and how far from that in the scene as it is, episode by episode."""
    from robo_rlhf.rollouts.evaluation import compare

    end, off = evaluation.success, compare(plain, evaluation).success
    shown = {"look": name, "success": end.value, "95 % from": end.low, "to": end.high, "episodes": evaluation.episodes}
    if evaluation is plain:
        return {**shown, "points off": "-", "95 % off": "-"}
    within = f"{100 * off.low:+.1f} to {100 * off.high:+.1f}"
    return {**shown, "points off": f"{100 * off.value:+.1f}", "95 % off": within}


def _rows(evaluation: "Evaluation") -> list[dict[str, Any]]:
    summary = evaluation.summary()
    intervals = {
        "success at the end": summary["success"],
        "success at any time": summary["success_at_any_time"],
        "return": summary["return"],
        "time until solved": summary["time_to_success"]
        and {**summary["time_to_success"], "unit": "s", "better": "lower"},
        **summary["style"],
    }
    return [
        {
            "measure": name,
            "value": found["value"],
            "95 % from": found["low"],
            "to": found["high"],
            "unit": found.get("unit"),
            "better": found.get("better", "higher"),
        }
        for name, found in intervals.items()
        if found is not None
    ]


def _as_json(paths: list[Path], found: "list[Evaluation]", comparison: "Comparison | None") -> dict[str, Any]:
    policies = [{"checkpoint": str(path), **e.summary()} for path, e in zip(paths, found, strict=True)]
    if comparison is None:
        return policies[0]
    style = {name: interval._asdict() for name, interval in comparison.style.items()}
    compared = {**comparison._asdict(), "success": comparison.success._asdict(), "style": style}
    return {**policies[0], "against": policies[1], "comparison": compared}


def _sentence(comparison: "Comparison") -> str:
    difference = comparison.success
    verdict = (
        "it is shown to be worse"
        if comparison.shown_worse()
        else "it is shown to be better"
        if comparison.p_better < 0.05
        else "neither is shown to be better"
    )
    return (
        f"Success differs by {100 * difference.value:+.1f} points ({100 * difference.low:+.1f} to "
        f"{100 * difference.high:+.1f}): {comparison.only_new} episodes only it solved, {comparison.only_old} only "
        f"the other; {verdict} (exact test, 5 %)."
    )
