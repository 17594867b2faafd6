"""`robo-rlhf train reward`: a reward model from the answers in the database, once or as they come."""

import math
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, Session, Settings
from robo_rlhf.algorithms.examples import TASK, answered
from robo_rlhf.algorithms.from_answers import FromAnswers, starting_point
from robo_rlhf.algorithms.sight_options import SightOptions
from robo_rlhf.core.checks import DatasetName
from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import data_home, find_dataset
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.policies.latest_policy import policy_at, reward_at
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.sight import check_cameras

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode
    from robo_rlhf.feedback.records import Question
    from robo_rlhf.feedback.store import Store
    from robo_rlhf.pipeline.online_reward import Update
    from robo_rlhf.training.reward import ExtraData, Load
    from robo_rlhf.vision.seen_episodes import SeenEpisodes


ANSWERS_A_BATCH = 16  # where encoders are learned, each with dozens of pictures
SETTINGS = Settings("robo_rlhf.training_tools.settings:RewardSettings")


@ALGORITHMS.register("reward")
@dataclass(frozen=True, kw_only=True)
class RewardLearning(FromAnswers, SightOptions):
    """Learn a reward from answers about clips. With --follow it keeps learning as answers come, until Ctrl-C.

    Example:
        robo-rlhf train reward --task pick_place --questions-of main --run reward --follow
        robo-rlhf train reward --task pick_place --questions-of main --cameras front,wrist --run sees
    """

    name: ClassVar = "reward"

    follow: bool = False
    """Keep learning as answers come; annotators and fine-tuning never wait for it."""
    implicit: bool = True
    """Whether rewinds and takeovers in recordings of the task count as preferences."""
    until: int = 0
    """With --follow: end at so many answers; 0 continues until Ctrl-C."""
    start: Path | None = None
    """With --follow: a reward model to start from: a checkpoint, a run's folder, or the name of a run."""
    demonstrations: DatasetName = ""
    """Dataset of demonstrations, for --demonstration-weight; samples/TASK where empty."""
    marked: DatasetName = ""
    """Dataset of episodes whose outcome was marked, for --success-weight."""
    unlabeled_from: DatasetName = ""
    """Dataset from which unlabelled clips are cut, for --unlabeled."""
    frame_rate: float = 4.0
    """With --cameras: pictures a second that the reward sees; a step has the newest of its time."""
    encoder_from: Path | None = None
    """With --cameras: take the encoders of this policy, which has the same cameras, and keep them as they are: a
    checkpoint, a run's folder, or the name of a run. Else encoders are learned with the reward, which takes longer."""
    config: Annotated[Any, SETTINGS.options] = SETTINGS.default
    """Settings of the reward model."""

    def check(self) -> None:
        """Refuse a database, a reward model or datasets that are not there.

        Raises:
            InvalidValueError: a weight without the dataset that it needs.
            NotFoundError: there is no such database, reward model, policy or dataset.
            UnknownNameError: no such camera, column or encoder.
        """
        super().check()
        if self.sees:  # the cameras of recorded videos are known when they are read
            own = list(self.sight.cameras if self.sight else ())
            self.check_sight(self.task, None if self.is_simulated else own)
        if self.encoder_from is not None:
            self.checkpoint_with_encoder()
        if not 0 < self.frame_rate < math.inf:
            raise InvalidValueError("--frame-rate", self.frame_rate, "pictures a second, above 0")
        if self.start is not None:
            reward_at(self.start, data_home(self.home))
        for weight, given, option in (
            (self.config.demonstration_weight, self.shown, "--demonstrations"),
            (self.config.success_weight, self.marked, "--marked"),
            (self.config.unlabeled, self.unlabeled_from, "--unlabeled-from"),
        ):
            if weight and not given:
                raise InvalidValueError(option, "nothing", "the name of a dataset")
            if weight:
                require_dataset(data_home(self.home), given)

    @property
    def is_simulated(self) -> bool:
        """Whether the task has a simulator here; else its cameras are those of recorded videos."""
        return is_outside(self.task) or self.task in TASKS

    def check_recorded(self, store: "Store") -> None:
        """Refuse cameras that no recorded clip of the questions has.

        Raises:
            UnknownNameError: one of them; the message suggests the nearest.
        """
        if self.sight is None or self.is_simulated:
            return
        from robo_rlhf.data.reader import Reader

        asked = {q.dataset for q in store.questions(run=self.questions_of or None) if q.task == self.task}
        known = set[str]()
        for dataset in asked:
            with suppress(NotFoundError):  # its clips are gone, which is counted later
                infos = Reader(find_dataset(data_home(self.home), dataset)).list(task=self.task)
                known |= {camera for info in infos for camera in info.meta.frames}
        check_cameras(self.sight.cameras, sorted(known))

    def checkpoint_with_encoder(self) -> Path:
        """Return the checkpoint of the policy whose encoders are taken over.

        Raises:
            NotFoundError: there is no such policy.
            InvalidValueError: it has other cameras, sizes or encoders than are asked for, or none.
        """
        from robo_rlhf.policies.checkpoint import load_meta

        assert self.encoder_from is not None
        path = policy_at(self.encoder_from, data_home(self.home))
        found = load_meta(path)["policy"]
        known = found["settings"] if found["kind"] == "visual" else found["settings"].get("base_settings", {})
        asked = self.visual_settings(self.task, "", {})
        differs = [name for name in ("cameras", "size", "encoder", "shared") if known.get(name) != asked.get(name)]
        if differs or not self.cameras:
            given = ", ".join(f"{name} {known.get(name) or 'none'}" for name in differs) or "no --cameras"
            expected = "a policy with the cameras, --size and --encoder that are asked for"
            raise InvalidValueError("--encoder-from", given, expected)
        return path

    def pictures_seen(self) -> "SeenEpisodes | None":
        """Return what shows episodes to the reward; None without cameras."""
        if self.sight is None:
            return None
        from robo_rlhf.policies.checkpoint import load_policy
        from robo_rlhf.policies.visual import VisualPolicy
        from robo_rlhf.vision.seen_episodes import SeenEpisodes

        encoder = None
        if self.encoder_from is not None:
            policy = load_policy(self.checkpoint_with_encoder(), task=self.task)
            sees = policy if isinstance(policy, VisualPolicy) else getattr(policy, "base", None)
            assert isinstance(sees, VisualPolicy)
            encoder = sees.encoder
        return SeenEpisodes(self.sight, self.frame_rate, data_home(self.home), encoder)

    @property
    def learned(self) -> Any:
        """Settings of the reward model, which sees what is asked for."""
        config, frozen = self.config, self.encoder_from is not None
        if self.cameras and not frozen and config.fit == type(config.fit)():
            config = replace(config, fit=replace(config.fit, batch=ANSWERS_A_BATCH))
        return self.judging(self.task, config, self.frame_rate, frozen=frozen)

    @property
    def shown(self) -> str:
        """Name of the dataset of demonstrations."""
        return self.demonstrations or f"samples/{self.task}"

    def train(self, session: Session) -> list[Row]:
        """Learn from the answers, once or as they come."""
        from robo_rlhf.feedback.store import Store

        extra = self.extra_data()
        with Store(self.place) as store:
            self.check_asked(store)
            self.check_recorded(store)
            asked = {"algorithm": "reward", "task": self.task, "asked_by": self.questions_of, "follow": self.follow}
            asked |= {} if self.implicit else {"implicit": False}
            asked |= self.asked_to_see()
            asked |= {"mark": 0} if self.follow else starting_point(self.folder, store)
            run = session.open(self.learned, asked)
            learn = self.follow_answers if self.follow else self.learn_once
            row = learn(session, store, run, extra)
        return [{"run": run.path.name, "reward": str(run.checkpoint_path("reward")), **row}]

    def learn_once(self, session: Session, store: "Store", run: "Run", extra: "ExtraData") -> Row:
        """Learn from the answers that there were when the run began; return the result."""
        from robo_rlhf.feedback.held_out import for_training
        from robo_rlhf.feedback.implicit.keeping import read_implicit, without_repeats
        from robo_rlhf.feedback.live_signal.as_answers import SignalCutoff, SignalReader
        from robo_rlhf.feedback.quality.report import gold_of
        from robo_rlhf.training import reward

        questions = [q for q in for_training(store.questions(run=self.questions_of or None)) if q.task == self.task]
        questions = [q for q in questions if self.implicit or q.role != "implicit"]
        load = reward.episodes_of(data_home(self.home), extra.pictures)
        self.draw(session, questions, load)
        until = SignalCutoff(run.config.get("presses", 0), run.config.get("begun", ""))
        shown, pressed = SignalReader(store.signals, load).read(self.questions_of or None, self.task, until)
        found = store.answers(run=self.questions_of or None)
        answers = [answer for answer in found if answer.number <= run.config["mark"]]
        if len(answers) < len(found):
            newer = f"{len(found) - len(answers)} newer answers are not in it"
            session.tell(f"The run {run.path.name} continues with the answers it began with; {newer}.")
        if self.implicit and self.questions_of:
            did = read_implicit(store, self.task, but_of=self.questions_of, until=run.config["mark"])
            questions, answers = questions + did[0], answers + did[1]
        answers = without_repeats(questions, answers)
        checked = gold_of(store, task=self.task, until=run.config["mark"])
        extra = extra._replace(checked=checked, teams=store.teams())
        with session.progress(f"reward for {self.task}", ("loss", "held_out_loss")) as progress:
            given = (questions + shown, answers + pressed)
            reward.train(self.learned, run, *given, load, extra, progress=progress)
        result = run.result()
        assert result is not None
        for sentence in result["oddities"]:
            session.tell(sentence)
        held, ceiling = result["held_out"], result["agreement"]["between_people"]
        row = {"answers": result["trained"]["answers"], "updates": result["updates"]}
        row |= {name: held[name] for name in ("accuracy", "log_loss", "ece")}
        return {**row, "people_agree": ceiling} if not self.json else {**result, "people_agree": ceiling}

    def draw(self, session: Session, questions: "Sequence[Question]", load: "Load") -> None:
        """Draw what a reward with cameras sees of the clips, before it learns.

        Raises:
            UnknownNameError: an episode has no such camera.
        """
        clips = {(q.dataset, clip.episode_id) for q in questions for clip in q.segments} if self.cameras else set()
        if not clips:
            return
        with session.progress(f"drawing {len(clips)} episodes", ()) as progress:
            for done, clip in enumerate(sorted(clips), 1):
                with suppress(NotFoundError, CorruptFileError):  # such a question is skipped, and counted
                    load(*clip)
                progress(done, len(clips), {})

    def follow_answers(self, session: Session, store: "Store", run: "Run", extra: "ExtraData") -> Row:
        """Learn as answers come; return the quality of the last model."""
        from robo_rlhf.pipeline.online_reward import FollowConfig, Follower, follow
        from robo_rlhf.training.reward import episodes_of

        session.give_way()
        load = episodes_of(data_home(self.home), extra.pictures)
        settings = FollowConfig(learn=self.learned)
        start = None if self.start is None else reward_at(self.start, data_home(self.home))
        follower = Follower(
            settings,
            run,
            store,
            load,
            asked=self.questions_of or None,
            task=self.task,
            extra=extra,
            start=start,
            implicit=self.implicit,
        )
        ended: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
        found: list[Update] = []

        def report(update: "Update") -> None:
            found[:] = [update]
            session.tell(describe_update(update))

        def enough() -> bool:
            return bool(ended) or 0 < self.until <= (found[0].answers if found else 0)

        try:
            count = follow(follower, report=report, stop=enough)
        except KeyboardInterrupt:
            count = follower.number
        finally:
            signal.signal(signal.SIGTERM, before)
        return {"updates": count, **(found[0].metrics if found else {})}

    def extra_data(self) -> "ExtraData":
        """Return the data to learn from in addition to answers, where the settings give it weight."""
        from robo_rlhf.training.reward import ExtraData

        pictures = self.pictures_seen()

        def episodes(weight: float, dataset: str) -> "list[Episode]":
            found = self.episodes_of(dataset) if weight else []
            if pictures is None:
                return found
            return [pictures.show(episode, find_dataset(data_home(self.home), dataset)) for episode in found]

        return ExtraData(
            episodes(self.config.demonstration_weight, self.shown),
            episodes(self.config.success_weight, self.marked),
            episodes(self.config.unlabeled, self.unlabeled_from),
            pictures=pictures,
        )

    @classmethod
    def example(cls, home: Path) -> "RewardLearning":
        """Fit a small ensemble to sixty answers."""
        fit = Settings("robo_rlhf.reward_fitting.settings:FitSettings").load()
        answered(home)
        settings = SETTINGS.load()(settings={"width": 8}, fit=fit(updates=10, check_every=1, patience=10), save_every=3)
        return cls(task=TASK, home=home, config=settings)


def describe_update(update: "Update") -> str:
    """Return one line about a new model."""
    held = update.report.held_out
    known = "too few answers to hold any out" if held.accuracy is None else f"predicts {held.accuracy:.0%} of held-out"
    how = ", fitted anew" if update.anew else ""
    return f"{time.strftime('%H:%M:%S')}  {update.answers} answers, {known}, {update.seconds:.1f} s{how}"
