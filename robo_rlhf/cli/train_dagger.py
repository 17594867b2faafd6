"""`robo-rlhf train dagger`: learn from takeovers, as a run that can be killed and continued."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.imitating import DemonstrationOptions
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    DatasetName,
    RunName,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, feedback_database, find_dataset, run_folder
from robo_rlhf.data.layout import require_dataset

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode


def _config() -> type[Any]:
    from robo_rlhf.training_tools.settings import DAggerSettings

    return DAggerSettings


@COMMANDS.register("train dagger")
@dataclass(frozen=True, kw_only=True)
class TrainDagger(DemonstrationOptions):
    """Clone demonstrations and corrections: episodes in which a person took over from a policy.

    Take over on the operate page. The same command continues where a killed one stopped.

    Example:
        robo-rlhf train dagger --task pick_place --corrections takeovers --run better
    """

    stopped: ClassVar = CONTINUES

    corrections: DatasetName
    """Dataset of corrected episodes in the data home; those without a takeover are left out."""
    run: RunName = "dagger"
    """Name of the run, a folder among the runs of the data home."""
    preferences: str = ""
    """Also store, as answers in the run of this name, that each correction is better than what it corrects."""
    preference_steps: int = 50
    """Steps of these two clips, at most."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_config)] = field(
        default_factory=lambda: _config()()
    )
    """Settings of the algorithm."""

    def __call__(self) -> int:
        """Train, with a bar, and print the result."""
        self.check()
        require_dataset(data_home(self.home), self.corrections)
        if self.preference_steps < 1:
            raise InvalidValueError("--preference-steps", self.preference_steps, "at least 1")
        use_one_thread()
        from robo_rlhf.core.heartbeat import held

        with held(run_folder(data_home(self.home), self.run)):
            run = self.train()
            said = {"preferences": self.prefer()} if self.preferences else {}
        row = {"run": self.run, "policy": str(run.checkpoint_path("policy")), **(run.result() or {}), **said}
        print_rows([row], as_json=self.json)
        return 0

    def train(self) -> "Run":
        """Train, with a bar; the run is held."""
        from robo_rlhf.core.heartbeat import keep_heartbeat
        from robo_rlhf.core.runs import Run
        from robo_rlhf.training import dagger

        shown, corrected = self.observed(self.episodes()), self.observed(self.corrected())
        path = run_folder(data_home(self.home), self.run)
        ids = {"episodes": [e.meta.id for e in shown], "corrected": [e.meta.id for e in corrected]}
        run = Run(path, self.config, {**self.run_config("dagger"), "corrections": self.corrections, **ids})
        score = self.score() if self.config.clone.selects else None
        what = f"cloning {len(shown)} demonstrations and {len(corrected)} corrections"
        with keep_heartbeat(run), progress_bar(what, ("loss", "score")) as tell:
            starts = None if run.result() else self.starts()
            dagger.train(
                self.config,
                run,
                shown,
                corrected,
                score=score,
                progress=tell,
                starts=starts,
                meta=self.checkpoint_meta(),
            )
        return run

    def corrected(self) -> "list[Episode]":
        """Return the episodes in which a person took over.

        Raises:
            NotFoundError: there is no such dataset.
            InvalidValueError: nothing in it was corrected.
        """
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.sim.envs.current_observation import with_current_observations
        from robo_rlhf.training.dagger import with_corrections

        dataset = Dataset(find_dataset(data_home(self.home), self.corrections))
        found = dataset.list(task=self.task, outcome=None if self.failures else "success")
        episodes = dataset.load_all(info.meta.id for info in found)
        return with_corrections(list(with_current_observations(episodes)))

    def prefer(self) -> int:
        """Write the preferences, and return how many are new."""
        from robo_rlhf.feedback.corrections import corrected_over_original, datasets_in, write_preferences
        from robo_rlhf.feedback.store import Store

        home = data_home(self.home)
        with Store(feedback_database(home)) as store:
            datasets = datasets_in(home, store, first=[self.corrections, self.demonstrations])
            length = self.preference_steps
            found = corrected_over_original(self.corrections, datasets, run=self.preferences, length=length)
            return write_preferences(store, found)
