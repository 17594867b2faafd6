"""`robo-rlhf train bc`: imitate demonstrations, as a run that can be killed and continued."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, recorded
from robo_rlhf.algorithms.imitation import Imitation
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.sim.names import check_world

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.policies.base import TrainedPolicy

SETTINGS = Settings("robo_rlhf.training_tools.settings:BCSettings")


@ALGORITHMS.register("bc")
@dataclass(frozen=True, kw_only=True)
class BC(Imitation):
    """Clone demonstrations into a policy. The same command continues where a killed one stopped.

    Example:
        robo-rlhf train bc --task pick_place --demos 50 --run clone
    """

    name: ClassVar = "bc"

    task: str
    """Task whose demonstrations are imitated; one without a simulator where --dataset holds recordings of it."""
    seeds: int = 1
    """Train so many seeds, the first of them --seed, and keep the one that does best in rollouts."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Imitation` refuses, a number of seeds below one, and rollouts without a simulator."""
        if self.seeds < 1:
            raise InvalidValueError("--seeds", self.seeds, "at least 1")
        if not self.dataset:
            check_world("--task", self.task)
        super().check()
        self.check_simulator()

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

        episodes = self.observed(self.episodes())
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
