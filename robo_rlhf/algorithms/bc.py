"""`robo-rlhf train bc`: imitate demonstrations, as a run that can be killed and continued."""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, recorded
from robo_rlhf.algorithms.imitation import Imitation
from robo_rlhf.algorithms.reinforcement import check_axes
from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, UnknownNameError
from robo_rlhf.core.files import data_home, find_dataset, read_whole
from robo_rlhf.policies.latest_policy import reward_at
from robo_rlhf.sim.names import check_world

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode
    from robo_rlhf.data.training_arrays.examples import StepWeights
    from robo_rlhf.policies.base import TrainedPolicy

SETTINGS = Settings("robo_rlhf.training_tools.settings:BCSettings")


@ALGORITHMS.register("bc")
@dataclass(frozen=True, kw_only=True)
class BC(Imitation):
    """Clone demonstrations into a policy. The same command continues where a killed one stopped.

    Example:
        robo-rlhf train bc --task pick_place --demos 50 --run clone
        robo-rlhf train bc --task fold --dataset mixed --failures --weight-by-reward judged
    """

    name: ClassVar = "bc"

    task: str
    """Task whose demonstrations are imitated; one without a simulator where --dataset holds recordings of it."""
    seeds: int = 1
    """Train so many seeds, the first of them --seed, and keep the one that does best in rollouts."""
    weight_by_reward: Path | None = None
    """Weigh the demonstrations by a reward learned from answers: a checkpoint, a run's folder, or the name of a run."""
    weights: Literal["advantage", "best_half"] = "advantage"
    """How: each step by its advantage, or only the half of the demonstrations that the reward likes best."""
    weight_temperature: float = 1.0
    """Temperature of the advantages [deviations]; the larger, the more alike steps count."""
    weight_objective: str = "learned"
    """What the advantage is of; where answers were along axes: "learned(axis='speed') + 2 * learned(axis='safety')"."""
    weight_by_operator: bool = False
    """Weigh the demonstrations of several operators by how quick and how steady each of them is."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Imitation` refuses, a number of seeds below one, and rollouts without a simulator."""
        if self.seeds < 1:
            raise InvalidValueError("--seeds", self.seeds, "at least 1")
        self.check_weights()
        if not self.dataset:
            check_world("--task", self.task)
        super().check()
        self.check_simulator()

    def check_weights(self) -> None:
        """Refuse a reward that cannot weigh the demonstrations.

        Raises:
            NotFoundError: there is no such reward model.
            CheckpointMismatchError: it is of another task.
            InvalidValueError: it has no such axis, or the temperature is not above 0.
        """
        judge = self.judge
        if judge is None:
            return
        if self.weight_by_operator:
            raise InvalidValueError("--weight-by-operator", "given with --weight-by-reward", "one of the two")
        if not 0 < self.weight_temperature < math.inf:
            raise InvalidValueError("--weight-temperature", self.weight_temperature, "a number above 0")
        from robo_rlhf.rewards.checkpoint import load_meta
        from robo_rlhf.training_tools.reward_weights import sum_of_learned

        task = str(load_meta(judge)["task"])
        if task != self.task:
            raise CheckpointMismatchError(judge, f"a reward model for {self.task}", f"one for {task}")
        sum_of_learned(self.weight_objective)
        check_axes(self.weight_objective, judge)

    @property
    def judge(self) -> Path | None:
        """The checkpoint of the reward that weighs the demonstrations."""
        return None if self.weight_by_reward is None else reward_at(self.weight_by_reward, data_home(self.home))

    def weighting(self, episodes: "list[Episode]") -> "StepWeights | None":
        """Return the weights of the demonstrations' steps; None where all weigh the same.

        Raises:
            InvalidValueError: they are to be weighed by their operators, and no two of these can be compared.
        """
        if self.weight_by_operator:
            from robo_rlhf.training_tools.operator_weights import FEWEST, weights_by_operator

            found = weights_by_operator(episodes)
            if found is None:
                expected = f"demonstrations of two operators or more, at least {FEWEST} of each"
                shown = Counter(episode.meta.operator or "nobody named" for episode in episodes)
                given = ", ".join(f"{count} of {operator}" for operator, count in shown.items())
                raise InvalidValueError("--weight-by-operator", given, expected)
            return found
        if self.judge is None:
            return None
        from robo_rlhf.rewards.checkpoint import load_reward
        from robo_rlhf.rewards.watching import shown_to
        from robo_rlhf.training_tools.reward_weights import weights_by_reward

        obs_dim, act_dim = episodes[0].obs.shape[1], episodes[0].action.shape[1]
        model = load_reward(self.judge, task=self.task, obs_dim=obs_dim, act_dim=act_dim)
        home = data_home(self.home)
        show = shown_to(model, home, find_dataset(home, self.demonstrations))
        return weights_by_reward(
            model, [show(episode) for episode in episodes], self.weights, self.weight_temperature, self.weight_objective
        )

    def asked(self) -> dict[str, Any]:
        """Return the options that the run stores; of the reward also its digest: another one weighs otherwise."""
        if self.judge is None:
            return {**super().asked(), **({"weighed": "by operator"} if self.weight_by_operator else {})}
        digest = hashlib.sha256(read_whole(self.judge, "Name the checkpoint of a reward.")).hexdigest()[:16]
        weighed: dict[str, Any] = {"reward": str(self.judge), "digest": digest, "weights": self.weights}
        weighed |= {"temperature": self.weight_temperature, "objective": self.weight_objective}
        return {**super().asked(), "weighed": weighed}

    def check_simulator(self) -> None:
        """Refuse what needs a simulator, where there is none for the task.

        Raises:
            UnknownNameError: there is neither such a task nor a recording of it.
            InvalidValueError: rollouts are to choose between snapshots or seeds, or the policy is to be masked.
        """
        try:
            check_world("--task", self.task)
            return
        except UnknownNameError:
            if not self.is_recorded():
                raise
        for option, given in (
            ("--seeds", self.seeds if self.seeds > 1 else ""),
            ("--candidates or --select-every", "more than one snapshot" if self.config.selects else ""),
            ("--mask-delay", self.mask_delay if self.mask_delay is not None else ""),
        ):
            if given != "":
                expected = f"nothing that runs a policy: {self.task} was recorded elsewhere and has no simulator here"
                raise InvalidValueError(option, given, expected)

    def train(self, session: Session) -> list[Row]:
        """Clone the demonstrations, by one seed or by several."""
        from robo_rlhf.training import bc
        from robo_rlhf.training_tools.best_of_seeds import train_seeds

        shown = self.episodes()
        episodes, weighting = self.observed(shown), self.weighting(shown)
        several = {"seeds": self.seeds} if self.seeds > 1 else {}
        config = self.seeing(self.task, self.config)
        run = session.open(config, {**self.asked(), **several, "episodes": [e.meta.id for e in episodes]})
        pictures = None if run.result() else self.seen(session, episodes)

        def one(run: "Run", seed: int) -> "TrainedPolicy":
            label = f"cloning {len(episodes)} demonstrations" + (f", seed {seed}" if several else "")
            score = self.score() if self.config.selects else None
            starts = None if run.result() else self.starts()
            settings, meta = replace(config, seed=seed), self.checkpoint_meta()
            with session.progress(label, ("loss", "score")) as progress:
                return bc.train(
                    settings,
                    run,
                    episodes,
                    score=score,
                    progress=progress,
                    starts=starts,
                    meta=meta,
                    pictures=pictures,
                    weighting=weighting,
                )

        if several:
            train_seeds(run, self.config.seed, self.seeds, one, self.score())
        else:
            one(run, self.config.seed)
        rows = self.policy_rows(run)
        for row in rows[0].pop("seeds", []):
            child = f"seed-{row['seed']}"
            rows.append({"run": f"{run.path.name}/{child}", "policy": str(run.path / child / "checkpoints"), **row})
        return rows

    @classmethod
    def example(cls, home: Path) -> "BC":
        """Clone three demonstrations into a small network."""
        recorded(home)
        settings = SETTINGS.load()(policy="gaussian", settings={"width": 16}, updates=10, save_every=3, log_every=1)
        return cls(task=TASK, failures=True, home=home, config=settings)
