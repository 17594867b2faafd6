"""`robo-rlhf train dagger`: learn from takeovers, as a run that can be killed and continued."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, corrected
from robo_rlhf.algorithms.imitation import Imitation
from robo_rlhf.core.checks import DatasetName
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, feedback_database, find_dataset
from robo_rlhf.data.layout import require_dataset

if TYPE_CHECKING:
    from robo_rlhf.core.types import Episode
    from robo_rlhf.vision.frame_cache import TrainingPictures

SETTINGS = Settings("robo_rlhf.training_tools.settings:DAggerSettings")


@ALGORITHMS.register("dagger")
@dataclass(frozen=True, kw_only=True)
class DAgger(Imitation):
    """Clone demonstrations and corrections: episodes in which a person took over from a policy.

    Take over on the operate page. The same command continues where a killed one stopped.

    Example:
        robo-rlhf train dagger --task pick_place --corrections takeovers --run better
    """

    name: ClassVar = "dagger"

    corrections: DatasetName
    """Dataset of corrected episodes in the data home; those without a takeover are left out."""
    preferences: str = ""
    """Also store, as answers in the run of this name, that what rewinds and takeovers did is better."""
    preference_steps: int = 50
    """Steps of these two clips, at most."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse what `Imitation` refuses, corrections that are not there, and clips without a step."""
        super().check()
        require_dataset(data_home(self.home), self.corrections)
        if self.preference_steps < 1:
            raise InvalidValueError("--preference-steps", self.preference_steps, "at least 1")

    def train(self, session: Session) -> list[Row]:
        """Clone demonstrations and corrections; then write the preferences."""
        from robo_rlhf.training import dagger

        shown, taken = self.observed(self.episodes()), self.observed(self.corrected())
        ids = {"episodes": [e.meta.id for e in shown], "corrected": [e.meta.id for e in taken]}
        config = replace(self.config, clone=self.seeing(self.task, self.config.clone)) if self.sees else self.config
        run = session.open(config, {**self.asked(), "corrections": self.corrections, **ids})
        pictures = None if run.result() else self.seen_twice(session, shown, taken)
        label = f"cloning {len(shown)} demonstrations and {len(taken)} corrections"
        score = self.score() if self.config.clone.selects else None
        starts, meta = None if run.result() else self.starts(), self.checkpoint_meta()
        with session.progress(label, ("loss", "score")) as progress:
            dagger.train(
                config,
                run,
                shown,
                taken,
                score=score,
                progress=progress,
                starts=starts,
                meta=meta,
                pictures=pictures,
            )
        rows = self.policy_rows(run)
        return [{**rows[0], "preferences": self.prefer()}] if self.preferences else rows

    def seen_twice(self, session: Session, shown: "list[Episode]", taken: "list[Episode]") -> "TrainingPictures | None":
        """Return the pictures of the frames of demonstrations, and then of corrected episodes."""
        first = self.seen(session, shown)
        then = self.seen(session, taken, self.corrections)
        return None if first is None or then is None else first.and_then(then)

    def corrected(self) -> "list[Episode]":
        """Return the episodes in which a person took over.

        Raises:
            NotFoundError: there is no such dataset.
            InvalidValueError: nothing in it was corrected.
        """
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.training.dagger import with_corrections

        dataset = Dataset(find_dataset(data_home(self.home), self.corrections))
        found = dataset.list(task=self.task, outcome=None if self.failures else "success")
        return with_corrections(self.episodes_of(self.corrections, [info.meta.id for info in found]))

    def prefer(self) -> int:
        """Write the preferences, and return how many are new."""
        from robo_rlhf.feedback.implicit.keeping import write_preferences
        from robo_rlhf.feedback.implicit.pairs import datasets_in, read_preferences
        from robo_rlhf.feedback.store import Store

        home = data_home(self.home)
        with Store(feedback_database(home)) as store:
            datasets = datasets_in(home, store, first=[self.corrections, self.demonstrations])
            length = self.preference_steps
            found = read_preferences(self.corrections, datasets, run=self.preferences, length=length).found
            return write_preferences(store, found, all_of=(self.preferences, self.corrections)).new

    @classmethod
    def example(cls, home: Path) -> "DAgger":
        """Clone three demonstrations and one correction into a small network."""
        clone = Settings("robo_rlhf.training_tools.settings:BCSettings").load()
        settings = SETTINGS.load()(clone(settings={"width": 16}, updates=10, save_every=3, log_every=1))
        return cls(task=TASK, corrections=corrected(home), failures=True, home=home, config=settings)
