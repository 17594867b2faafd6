"""Online reward learning: a process that updates the reward model within seconds of each new answer.

The process only reads the database and writes its checkpoint atomically, so annotators and learners that run meanwhile
are never blocked. An update continues from the last model. While no answers arrive, the process refits from scratch and
keeps the model that predicts held-out answers better.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

from robo_rlhf.core.checks import CheckedSettings, Count
from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.held_out import for_training
from robo_rlhf.feedback.implicit.keeping import read_implicit, without_repeats
from robo_rlhf.feedback.live_signal.as_answers import SignalReader
from robo_rlhf.feedback.quality.report import gold_of
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.feedback.store import Store
from robo_rlhf.reward_fitting.answers import ClipLoader
from robo_rlhf.reward_fitting.trainer import FitReport, Trainer, fit
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_meta, load_reward, save_reward
from robo_rlhf.training import reward

POLL = 0.2  # [s] between polls of the database
PROGRESS_INTERVAL = (
    "agreement",
    "weights",
    "skipped",
    "oddities",
    "held_out",
    "disagreement",
)  # of a new model, in its event
QUIET = 5.0  # [s] without an answer, after which the model is refitted from scratch


@dataclass(frozen=True)
class FollowConfig(CheckedSettings):
    """Settings of online reward learning."""

    LABEL: ClassVar[str] = "follow {}"

    learn: reward.Config = field(default_factory=reward.Config)
    """Kind and settings of the reward model, and how it is fitted."""
    updates: Count = 20
    """Gradient steps after new answers, on top of the last model."""


class Update(NamedTuple):
    """One new model."""

    number: int  # from 1
    answers: int
    seconds: float  # from noticing the answers to the checkpoint
    anew: bool  # fitted from scratch
    report: FitReport

    @property
    def metrics(self) -> dict[str, float]:
        """Return the logged values: metrics of the model, without times."""
        found = self.report.held_out.metrics("held_out") | self.report.trained.metrics("trained")
        known = {"temperature": self.report.temperature, "disagreement": self.report.disagreement}
        return {"answers": self.answers, "anew": self.anew, **known, **found}


class Follower:
    """Keeps the checkpoint "reward" of a run up to date with the answers in a store."""

    def __init__(
        self,
        config: FollowConfig,
        run: Run,
        store: Store,
        load: reward.Load,
        *,
        asked: str | None = None,
        task: str | None = None,
        extra: reward.ExtraData | None = None,
        start: Path | None = None,
        implicit: bool = True,
    ) -> None:
        """Continue from the run's checkpoint, else from the one at `start`, else start from scratch.

        Args:
            config: the settings.
            run: the run folder; its metrics get a row for every update.
            store: the source of the answers.
            load: finds the episodes, see `training.reward.episodes_of`.
            asked: only answers to questions of this run.
            task: only answers to questions about this task.
            extra: training data in addition to the answers.
            start: a reward model of the same kind and settings.
            implicit: whether rewinds and takeovers in recordings of the task count as preferences.

        Raises:
            CheckpointMismatchError: the model to continue from is of another kind, task or settings.
            CorruptFileError: it cannot be read.
        """
        self.config, self.run, self.store = config, run, store
        self.asked, self.task, self.extra = asked, task, extra or reward.ExtraData()
        self.implicit = implicit
        self.loader = ClipLoader(load)
        self.path = run.checkpoint_path("reward")
        self.model: RewardModel | None = None
        self.signals = SignalReader(store.signals, load)
        self.mark: object = None  # of the store, up to which answers are included
        self.fresh = True  # whether the model was fitted from scratch on all answers
        self.report: FitReport | None = None
        rows = run.metrics()
        self.number = int(rows[-1]["step"]) if rows else 0
        origin = self.path if self.path.exists() else start
        if origin is not None:
            self.model = self._warm(origin)

    def step(self) -> Update | None:
        """Learn from new answers; None where there are none, or none that can be learned from yet.

        Raises:
            NonFiniteError: the loss is not finite; the previous checkpoint is kept.
        """
        mark = self._now()
        if mark == self.mark:
            return None
        began = time.perf_counter()
        questions, answers = self.read()
        self.extra = self.extra._replace(checked=gold_of(self.store, task=self.task), teams=self.store.teams())
        self.mark = mark
        try:
            judged = self._prepare(questions, answers)
        except InvalidValueError as error:
            self.run.event("not learned", why=str(error))
            return None
        return self._publish(self._learn(judged), questions, answers, judged, began, anew=self.fresh)

    def renew(self) -> Update | None:
        """Fit from scratch; None where new answers interrupted the fit, or the result is no better."""
        if self.fresh or self.report is None:
            return None
        began = time.perf_counter()
        questions, answers = self.read()
        judged = self._prepare(questions, answers)
        trainer = reward.new_trainer(self.config.learn, judged)
        while not trainer.done:
            trainer.advance()
            if self._now() != self.mark:
                return None
        self.fresh = True
        report = trainer.finish()
        before, after = self.report.held_out.log_loss, report.held_out.log_loss
        if before is not None and after is not None and after >= before:
            return None
        return self._publish((trainer, report), questions, answers, judged, began, anew=True)

    def read(self) -> tuple[list[Question], list[Answer]]:
        """Return the questions and answers to learn from, in an order that does not depend on timing.

        Presses of the live signal are included, as answers about segments of the watched episodes.
        """
        questions = [q for q in for_training(self.store.questions(run=self.asked)) if self.task in (None, q.task)]
        questions = [q for q in questions if self.implicit or q.role != "implicit"]
        place = {question.id: i for i, question in enumerate(questions)}
        answers = [a for a in self.store.answers(run=self.asked) if a.question_id in place]
        answers.sort(key=lambda a: (place[a.question_id], a.annotator))
        shown, pressed = self.signals.read(self.asked, self.task)
        if self.implicit and self.asked is not None and self.task is not None:
            did = read_implicit(self.store, self.task, but_of=self.asked)
            questions, answers = questions + did[0], answers + did[1]
        return questions + shown, without_repeats(questions, answers) + pressed

    def _now(self) -> object:
        """Return a marker that changes whenever there is something new to learn from."""
        return self.store.mark(), self.signals.version()

    def _prepare(self, questions: Sequence[Question], answers: Sequence[Answer]) -> reward.AnswerData:
        return reward.prepare(self.config.learn, questions, answers, self.loader.load, self.extra, loader=self.loader)

    def _learn(self, judged: reward.AnswerData) -> tuple[Trainer, FitReport]:
        """Continue from the last model, or fit one where none has held-out answers."""
        if self.model is None or not _continues(self.model, self.config.learn, judged):
            trainer: Trainer = reward.new_trainer(self.config.learn, judged)
            self.fresh = True
        else:
            updates = self.config.updates
            settings = replace(self.config.learn.fit, updates=updates, check_every=updates)
            seed = self.config.learn.seed + 1000 * (self.number + 1)
            trainer = reward.trainer_of(self.model, judged, settings, seed, warm=True)
            self.fresh = False
        return trainer, fit(trainer)

    def _publish(
        self,
        learned: tuple[Trainer, FitReport],
        questions: Sequence[Question],
        answers: Sequence[Answer],
        judged: reward.AnswerData,
        began: float,
        *,
        anew: bool,
    ) -> Update:
        """Write the checkpoint atomically, then its metrics."""
        trainer, report = learned
        self.number += 1
        # without held-out answers, members were trained on those that later updates would validate them on
        self.model = trainer.model if trainer.holds_out else None
        meta = {"task": judged.task, "algorithm": "reward", "answers": human_answers(judged)}
        save_reward(trainer.model, self.path, {**meta, "holds_out": trainer.holds_out})
        self.report = report
        update = Update(self.number, human_answers(judged), time.perf_counter() - began, anew, report)
        self.run.log(update.number, update.metrics)
        reward.keep(self.run, report, judged, questions, answers)
        found = reward.describe(self.config.learn, report, judged, questions, answers, self.extra)
        details = {"flips": {name: person["flip"] for name, person in found["people"].items()}}
        details |= {name: found[name] for name in PROGRESS_INTERVAL}
        self.run.event("updated", answers=update.answers, seconds=round(update.seconds, 3), anew=anew, **details)
        return update

    def _warm(self, origin: Path) -> RewardModel | None:
        """Return the model to continue from; None where it has no held-out answers."""
        model, meta = load_reward(origin, task=self.task), load_meta(origin)
        one = model.head(model.axes[0]) if isinstance(model, AxesReward) else model
        wanted = {"members": one.settings["members"], **self.config.learn.settings}
        if one.kind != self.config.learn.reward or any(one.settings.get(k) != v for k, v in wanted.items()):
            expected = f"a reward model {self.config.learn.reward} with settings {self.config.learn.settings}"
            raise CheckpointMismatchError(origin, expected, f"one of kind {one.kind} with settings {one.settings}")
        return model if meta.get("holds_out", True) else None


def human_answers(judged: reward.AnswerData) -> int:
    """Return the number of human answers."""
    return judged.used


def _continues(model: RewardModel, config: reward.Config, judged: reward.AnswerData) -> bool:
    """Whether answers are about the axes that a model has heads for."""
    _, settings = reward.head_of(config, judged)
    return list(getattr(model, "axes", ())) == list(settings.get("axes", ()))


def follow(
    follower: Follower,
    *,
    report: Callable[[Update], object] = lambda update: None,
    stop: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Run until `stop`; return the number of models. Ctrl-C leaves all files consistent."""
    count, answered = 0, time.monotonic()
    while not stop():
        update = follower.step()
        if update is None and time.monotonic() - answered > QUIET:
            update = follower.renew()
        if update is None:
            sleep(POLL)
            continue
        count, answered = count + 1, time.monotonic()
        report(update)
    return count
