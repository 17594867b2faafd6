"""`robo-rlhf train cpl`: a policy from comparisons of recorded clips, without reward model and simulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, answered
from robo_rlhf.algorithms.from_answers import FromAnswers, starting_point
from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError
from robo_rlhf.core.files import data_home
from robo_rlhf.pipeline.latest_policy import policy_at

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.feedback.store import Store
    from robo_rlhf.policies.base import GaussianActor
    from robo_rlhf.reward_fitting.answers import AnswerData

SETTINGS = Settings("robo_rlhf.training_tools.settings:CPLSettings")


@ALGORITHMS.register("cpl")
@dataclass(frozen=True, kw_only=True)
class CPL(FromAnswers):
    """Learn a policy from comparisons of recorded clips: contrastive preference learning (Hejna et al. 2023).

    Example:
        robo-rlhf train cpl --task fold --questions-of cups --run contrast
    """

    name: ClassVar = "cpl"

    axis: str = ""
    """Only what answers say on this axis; on all of them where empty."""
    policy: Path | None = None
    """A Gaussian policy to start from; else the clips are imitated first."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse a database or a policy that is not there, or a policy without a likelihood.

        Raises:
            NotFoundError: there is no such database or policy.
            CheckpointMismatchError: the policy is of another kind or task.
        """
        super().check()
        start = self.start
        if start is None:
            return
        from robo_rlhf.policies.checkpoint import load_meta

        found = load_meta(start)
        kind, task = found["policy"]["kind"], found["task"]
        if (kind, task) != ("gaussian", self.task):
            raise CheckpointMismatchError(start, f"a gaussian policy for {self.task}", f"a {kind} policy for {task}")

    @property
    def start(self) -> Path | None:
        """The checkpoint of the policy to start from."""
        return None if self.policy is None else policy_at(self.policy, data_home(self.home))

    def train(self, session: Session) -> list[Row]:
        """Learn from the comparisons that there were when the run began."""
        from robo_rlhf.feedback.store import Store
        from robo_rlhf.training import cpl

        with Store(self.place) as store:
            self.check_asked(store)
            asked = {"algorithm": "cpl", "task": self.task, "asked_by": self.questions_of, "axis": self.axis}
            asked |= {"policy": str(self.start or "")} | starting_point(self.folder, store)
            run = session.open(self.config, asked)
            judged = self.judged(store, run, session)
        updates = ("loss",)
        with session.progress(f"contrasting clips of {self.task}", updates) as progress:
            cpl.train(self.config, run, judged, start=self.first(judged), progress=progress)
        return self.policy_rows(run)

    def judged(self, store: "Store", run: "Run", session: Session) -> "AnswerData":
        """Return the answers about two clips, weighted by their annotators' reliability."""
        from robo_rlhf.feedback.quality.report import gold_of
        from robo_rlhf.training import reward
        from robo_rlhf.training_tools.settings import RewardSettings

        until = run.config["mark"]
        questions = [q for q in store.questions(run=self.questions_of or None) if q.task == self.task]
        answers = [answer for answer in store.answers(run=self.questions_of or None) if answer.number <= until]
        extra = reward.ExtraData(checked=gold_of(store, task=self.task, until=until))
        load = reward.episodes_of(data_home(self.home))
        judged = reward.prepare(RewardSettings(), questions, answers, load, extra)
        chosen = [group for group in judged.examples if not self.axis or group.axis == self.axis]
        if self.axis and not chosen:
            known = sorted({group.axis for group in judged.examples})
            raise InvalidValueError("--axis", self.axis, f"one that was answered: {', '.join(known)}")
        others = sum(len(group) for group in chosen if group.clips.shape[1] != 2)
        if others:
            session.tell(f"{others} answers that do not compare two clips are not used.")
        return judged._replace(examples=chosen)

    def first(self, judged: "AnswerData") -> "GaussianActor | None":
        """Return the policy to start from."""
        if self.start is None:
            return None
        from robo_rlhf.policies.base import GaussianActor
        from robo_rlhf.policies.checkpoint import load_policy

        sizes = {"obs_dim": judged.clips.obs.shape[-1], "act_dim": judged.clips.action.shape[-1]}
        policy = load_policy(self.start, task=self.task, **sizes)
        assert isinstance(policy, GaussianActor)
        return policy

    @classmethod
    def example(cls, home: Path) -> "CPL":
        """Imitate and contrast sixty pairs of clips, five steps each."""
        answered(home)
        small = {"width": 16}
        settings = SETTINGS.load()(settings=small, clone_updates=5, updates=5, batch=8, save_every=3, log_every=1)
        return cls(task=TASK, home=home, config=settings)
