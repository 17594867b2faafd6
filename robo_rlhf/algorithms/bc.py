"""`robo-rlhf train bc`: imitate demonstrations, as a run that can be killed and continued."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, recorded
from robo_rlhf.algorithms.imitation import Imitation
from robo_rlhf.core.errors import InvalidValueError

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

    seeds: int = 1
    """Train so many seeds, the first of them --seed, and keep the one that does best in rollouts."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Imitation` refuses, and a number of seeds below one."""
        if self.seeds < 1:
            raise InvalidValueError("--seeds", self.seeds, "at least 1")
        super().check()

    def train(self, session: Session) -> list[Row]:
        """Clone the demonstrations, by one seed or by several."""
        from robo_rlhf.training import bc
        from robo_rlhf.training_tools.best_of_seeds import train_seeds

        episodes = self.observed(self.episodes())
        several = {"seeds": self.seeds} if self.seeds > 1 else {}
        run = session.open(self.config, {**self.asked(), **several, "episodes": [e.meta.id for e in episodes]})

        def one(run: "Run", seed: int) -> "TrainedPolicy":
            label = f"cloning {len(episodes)} demonstrations" + (f", seed {seed}" if several else "")
            score = self.score() if self.config.selects else None
            starts = None if run.result() else self.starts()
            settings, meta = replace(self.config, seed=seed), self.checkpoint_meta()
            with session.progress(label, ("loss", "score")) as progress:
                return bc.train(settings, run, episodes, score=score, progress=progress, starts=starts, meta=meta)

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
