"""`robo-rlhf train reward`: a reward model from the answers in the database, once or as they come."""

import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.climbing import (
    find_checkpoint,
)
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import lower_priority, use_one_thread
from robo_rlhf.core.checks import (
    DatasetName,
    RunName,
)
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import (
    data_home,
    feedback_database,
    find_dataset,
    read_json,
    run_folder,
)
from robo_rlhf.data.layout import (
    require_dataset,
)
from robo_rlhf.database.timestamps import (
    timestamp,
)

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode
    from robo_rlhf.feedback.store import Store
    from robo_rlhf.pipeline.online_reward import Update
    from robo_rlhf.training.reward import ExtraData


def _reward_config() -> type[Any]:
    from robo_rlhf.training_tools.settings import RewardSettings

    return RewardSettings


@COMMANDS.register("train reward")
@dataclass(frozen=True, kw_only=True)
class TrainReward:
    """Learn a reward from answers about clips. With --follow it keeps learning as answers come, until Ctrl-C.

    Example:
        robo-rlhf train reward --task pick_place --questions-of main --run reward --follow
    """

    stopped: ClassVar = CONTINUES

    task: str
    """Task that the questions are about."""
    questions_of: str = ""
    """Only answers to questions of this run; all of the task where empty."""
    run: RunName = "reward"
    """Name of the run, a folder among the runs of the data home."""
    follow: bool = False
    """Keep learning as answers come; annotators and fine-tuning never wait for it."""
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
    database: str = ""
    """A database URL or file; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_reward_config)] = field(
        default_factory=lambda: _reward_config()()
    )
    """Settings of the reward model."""

    def __call__(self) -> int:
        """Learn, and print how good the reward model is."""
        from robo_rlhf.core.heartbeat import held

        with held(run_folder(data_home(self.home), self.run)):
            run, row = self.learn()
        print_rows([{"run": self.run, "reward": str(run.checkpoint_path("reward")), **row}], as_json=self.json)
        return 0

    def learn(self) -> "tuple[Run, dict[str, Any]]":
        """Learn, and return the run, which is held, and the result."""
        home = data_home(self.home)
        where = feedback_database(home, self.database)
        if isinstance(where, Path) and not where.exists():
            advice = "Ask something with `robo-rlhf run`, or name the data home with --home."
            raise NotFoundError("feedback database", where, advice)
        start = find_checkpoint(self.start, "reward", self.home) if self.start else None
        self.check_besides()
        use_one_thread()
        from robo_rlhf.core.heartbeat import keep_heartbeat
        from robo_rlhf.core.runs import Run
        from robo_rlhf.feedback.store import Store

        besides = self.extra_data()
        with Store(where) as store:
            if self.questions_of and self.questions_of not in store.runs():
                listed = ", ".join(store.runs()) or "no run"
                raise NotFoundError("questions of run", self.questions_of, f"There are questions of {listed}.")
            path = run_folder(home, self.run)
            asked = {"algorithm": "reward", "task": self.task, "asked_by": self.questions_of, "follow": self.follow}
            asked |= {"mark": 0} if self.follow else starting_point(path, store)
            run = Run(path, self.config, asked)
            with keep_heartbeat(run):
                if self.follow:
                    row = self.follow_answers(store, run, besides, start)
                else:
                    row = self.learn_once(store, run, besides)
        return run, row

    def learn_once(self, store: "Store", run: "Run", besides: "ExtraData") -> dict[str, Any]:
        """Learn from the answers that there were when the run began; return the result."""
        from robo_rlhf.feedback.live_signal.as_answers import SignalCutoff, SignalReader
        from robo_rlhf.feedback.quality.report import gold_of
        from robo_rlhf.training import reward

        questions = [q for q in store.questions(run=self.questions_of or None) if q.task == self.task]
        load = reward.episodes_of(data_home(self.home))
        until = SignalCutoff(run.config.get("presses", 0), run.config.get("begun", ""))
        shown, pressed = SignalReader(store.signals, load).read(self.questions_of or None, self.task, until)
        found = store.answers(run=self.questions_of or None)
        answers = [answer for answer in found if answer.number <= run.config["mark"]]
        if len(answers) < len(found):
            newer = f"{len(found) - len(answers)} newer answers are not in it"
            print(f"The run {self.run} continues with the answers it began with; {newer}.", file=sys.stderr)
        besides = besides._replace(checked=gold_of(store, task=self.task, until=run.config["mark"]))
        with progress_bar(f"reward for {self.task}", ("loss", "held_out_loss")) as tell:
            said = (questions + shown, answers + pressed)
            reward.train(self.config, run, *said, load, **besides._asdict(), progress=tell)
        result = run.result()
        assert result is not None
        for sentence in result["oddities"]:
            print(sentence, file=sys.stderr)
        held, ceiling = result["held_out"], result["agreement"]["between_people"]
        row = {"answers": result["trained"]["answers"], "updates": result["updates"]}
        row |= {name: held[name] for name in ("accuracy", "log_loss", "ece")}
        return {**row, "people_agree": ceiling} if not self.json else {**result, "people_agree": ceiling}

    def follow_answers(self, store: "Store", run: "Run", besides: "ExtraData", start: Path | None) -> dict[str, Any]:
        """Learn as answers come; return the quality of the last model."""
        from robo_rlhf.pipeline.online_reward import FollowConfig, Follower, follow
        from robo_rlhf.training.reward import episodes_of

        lower_priority()
        load = episodes_of(data_home(self.home))
        settings = FollowConfig(learn=self.config)
        follower = Follower(
            settings, run, store, load, asked=self.questions_of or None, task=self.task, besides=besides, start=start
        )
        ended: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
        found: list[Update] = []

        def tell(update: "Update") -> None:
            found[:] = [update]
            print(describe_update(update), file=sys.stderr, flush=True)

        def enough() -> bool:
            return bool(ended) or 0 < self.until <= (found[0].answers if found else 0)

        try:
            count = follow(follower, tell=tell, stop=enough)
        except KeyboardInterrupt:
            count = follower.number
        finally:
            signal.signal(signal.SIGTERM, before)
        return {"updates": count, **(found[0].metrics if found else {})}

    def check_besides(self) -> None:
        """Refuse datasets that are missing, where the settings give them weight.

        Raises:
            InvalidValueError: a weight without the dataset that it needs.
            NotFoundError: there is no such dataset.
        """
        for weight, given, option in (
            (self.config.demonstration_weight, self.demonstrations or f"samples/{self.task}", "--demonstrations"),
            (self.config.success_weight, self.marked, "--marked"),
            (self.config.unlabeled, self.unlabeled_from, "--unlabeled-from"),
        ):
            if weight and not given:
                raise InvalidValueError(option, "nothing", "the name of a dataset")
            if weight:
                require_dataset(data_home(self.home), given)

    def extra_data(self) -> "ExtraData":
        """Return the data to learn from in addition to answers, where the settings give it weight."""
        from robo_rlhf.training.reward import ExtraData

        shown = self.episodes(self.demonstrations or f"samples/{self.task}") if self.config.demonstration_weight else []
        marked = self.episodes(self.marked) if self.config.success_weight else []
        return ExtraData(shown, marked, self.episodes(self.unlabeled_from) if self.config.unlabeled else [])

    def episodes(self, name: str) -> "list[Episode]":
        """Return all episodes of a dataset."""
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.sim.envs.current_observation import with_current_observations

        dataset = Dataset(find_dataset(data_home(self.home), name))
        return list(with_current_observations(dataset.load_all(sorted(dataset.ids()))))


def starting_point(path: Path, store: "Store") -> dict[str, Any]:
    """Return up to where the run at `path` learns, what the store held at its start, as part of its configuration."""
    now = {"mark": store.mark(), "presses": store.signals.version().number, "begun": timestamp()}
    stored = path / "config.json"
    if not stored.exists():
        return now
    known = read_json(stored, dict)
    return {"mark": 0} | {name: known[name] for name in now if name in known}


def describe_update(update: "Update") -> str:
    """Return one line about a new model."""
    held = update.report.held_out
    known = "too few answers to hold any out" if held.accuracy is None else f"predicts {held.accuracy:.0%} of held-out"
    how = ", fitted anew" if update.anew else ""
    return f"{time.strftime('%H:%M:%S')}  {update.answers} answers, {known}, {update.seconds:.1f} s{how}"
