"""`robo-rlhf run`: the main job, from demonstrations and answers about clips to a policy that people prefer."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from robo_rlhf.algorithms.sight_options import SightOptions
from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.on_cluster import OnCluster
from robo_rlhf.cli.overrides import override
from robo_rlhf.cli.stage_bars import StageBars
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import Count, DatasetName, RunName, Seed, at_least
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, feedback_database, run_folder
from robo_rlhf.core.registry import Choices, known
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.policies import POLICIES
from robo_rlhf.rewards import REWARDS
from robo_rlhf.sim.names import OnRobot, Task
from robo_rlhf.trackers import Track
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.core.stats import Interval
    from robo_rlhf.pipeline.config import PipelineConfig
    from robo_rlhf.rollouts.evaluation import Evaluation


MINUTES = 15.0  # of the processor
ROUNDS, LABELS_A_ROUND = 3, 5  # rounds, and the fewest labels that make one worth its while
PICTURES_A_SECOND = 4.0  # that a reward sees
MEANWHILE = 6  # rounds where people answer while the policy practises: questions are about a newer policy then


@COMMANDS.register("run")
@dataclass(frozen=True, kw_only=True)
class RunCommand(OnRobot, OnTorchDevice, SightOptions, OnCluster):
    """Do the whole loop: imitate, ask about clips, learn the reward, fine-tune on it, measure.

    Stop it at any time: the same command continues where it stopped.

    Example:
        robo-rlhf run --task pick_place --labels 200 --minutes 15
        robo-rlhf run --task stack --annotator human --labels 60
        robo-rlhf run --env Pendulum-v1 --demos 0 --labels 200 --rounds 5
        robo-rlhf run --task pick_place --set finetune.iterations=90 --set teacher.mistake=0.1
        robo-rlhf run --task pick_place --cluster 10.0.0.7:6379
        robo-rlhf run --task stack --annotator human --axes speed "care with the object"
    """

    stopped: ClassVar = CONTINUES

    task: Task = "pick_place"
    """A native task; `--env` names an outside environment instead."""
    env: str | None = None
    """Gymnasium id of an outside environment, such as Pusher-v5; --env-arg KEY=VALUE gives it an argument."""
    demos: Annotated[int | None, at_least(0, "0 or more")] = None
    """Demonstrations to imitate; 0 starts from nothing. Else what the dataset holds, at most 25."""
    labels: Count = 200
    """Questions about clips, over all rounds."""
    minutes: Annotated[float | None, at_least(0, "0 or more")] = None
    """Minutes of the processor that the run may take, else 15. It first measures what its work costs here, and
    decides from that and the answers how to clone, fine-tune and ask; the report says why. 0: settings are as given."""
    rounds: Annotated[int | None, at_least(1)] = None
    """Rounds of asking, learning the reward and fine-tuning, each of which waits for its answers; else 3, fewer where
    there are less than 15 labels. Where people answer and none is given, nobody waits: 6 rounds, and the policy
    practises while they answer, its reward following, until it is a round ahead of them."""
    seed: Seed = 0
    """Seed of everything."""
    annotator: Literal["simulated", "human"] = "simulated"
    """The annotator: the simulated teacher, or people, on the review page of `robo-rlhf serve` or in this terminal."""
    axes: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[STR [STR ...]]")] = None
    """Compare clips along these axes, each by itself; with no name after it, along those of the task. The policy
    maximises their mean, or --set "finetune.objective=learned(axis='speed') + 2 * learned(axis='safety')"."""
    dataset: DatasetName = ""
    """Dataset of demonstrations in the data home. Where empty: your own with 10 or more successes, or samples/TASK."""
    preset: str = "default"
    """Settings to take as they are, in place of deciding: quick (a minute or two), tiny (seconds, to test the
    installation); or self_imitation, for precise tasks: the cloned policy imitates its own successful rollouts, and the
    environment's success chooses its execution horizon and its exploration noise; or sample_efficient, for environments
    with expensive steps: SAC learns a correction of the cloned policy from all steps ever taken; or, with --demos 0,
    no_demonstrations: it explores without any reward first and asks where its reward models
    disagree."""
    run: RunName = ""
    """Name of the run, a folder among the runs of the data home; TASK-SEED where empty."""
    set: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        Choices(KINDS, "--set question=NAME"),
        Choices(POLICIES, "--set clone.policy=NAME"),
        Choices(REWARDS, "--set reward.reward=NAME"),
    ] = ()
    """Any other setting, as NAME=VALUE with dots for what lies inside: clone.updates=8000. May be repeated."""
    track: Track = ""
    """Send metrics, configuration, report and clips to a tracker too, beside the files for TensorBoard."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Do the remaining work and print the result."""
        config, path, home = self.asked()  # errors are reported before anything heavy is loaded
        use_one_thread()
        from robo_rlhf.pipeline.demonstrations import default_explained
        from robo_rlhf.pipeline.loop import run_loop
        from robo_rlhf.pipeline.report.page import write_report
        from robo_rlhf.trackers.base import tracking

        note = "" if self.dataset or path.exists() or not config.demos else default_explained(config)
        people = None
        if config.annotator == "human":
            from robo_rlhf.cli.answering import HumanAnnotators

            people = HumanAnnotators(home, path)
        with tracking(self.track, path), StageBars(quiet=people is not None, note=note) as watch:
            with self.joining():
                before, after = run_loop(config, path, home, observer=watch, annotators=people)
            report = write_report(path, home, watch)
        self.show(before, after, report, demos=config.demos)
        return 0

    def asked(self) -> "tuple[PipelineConfig, Path, Path]":
        """Return the configuration as one object, the folder of the run and the data home, absolute.

        Raises:
            UnknownNameError: no such task or setting; the message suggests the nearest.
            InvalidValueError: an invalid number, name or form, or more demonstrations than there are.
            NotFoundError: there are no demonstrations.
        """
        home = data_home(self.home).absolute()
        config = self.config(home)
        if self.sees:
            self.check_sight(config.task)
        from robo_rlhf.pipeline.demonstrations import find_demonstrations, usual_dataset, usual_demos
        from robo_rlhf.sim.external.ids import is_outside

        path = self.folder(config.task, home)
        if not config.dataset and config.demos:
            config = replace(config, dataset=usual_dataset(config.task, path, home))
        if self.demos is None:
            config = replace(self.config(home, usual_demos(config, path, home)), dataset=config.dataset)
        if config.annotator == "human":
            from robo_rlhf.feedback.judgeable import check_task  # here, where answers are asked for

            check_task(config.task, "Let the simulated teacher answer: --annotator simulated.")
        if (
            config.demos and not path.exists() and not is_outside(config.task)
        ):  # such a one is opened first, by the loop
            find_demonstrations(config, home)
        return config, path, home

    def config(self, home: Path, demos: int = 25) -> "PipelineConfig":
        """Return the configuration as one object, with `demos` demonstrations where no number is given; as `asked`."""
        from robo_rlhf.pipeline.config import BY_AXES, preset
        from robo_rlhf.sim.external.ids import is_outside
        from robo_rlhf.sim.tasks import TASKS

        if self.env is not None and not is_outside(self.env):
            raise InvalidValueError(
                "--env", repr(self.env), "a Gymnasium id such as Pusher-v5; native tasks go to --task"
            )
        task = self.env or self.task
        if self.env is None:
            known(TASKS, task)
        asked = {name: getattr(self, name) for name in ("labels", "seed", "annotator", "dataset")}
        asked |= self._rounds(task, home)
        asked["demos"] = demos if self.demos is None else self.demos
        if self.axes is not None:
            asked |= {"question": BY_AXES, "axes": self._axes(task, home)}
        asked |= self._budget(asked["demos"])
        config = override(preset(self.preset, task=task, **asked), self.set)
        if config.finetune.learn_encoder and not self.cameras:
            raise InvalidValueError("finetune.learn_encoder", "true", "--cameras, whose encoders it is about")
        if not self.sees:
            return config
        clone = self.seeing(task, config.clone)
        if any(setting.startswith("clone.batch=") for setting in self.set):
            clone = replace(clone, batch=config.clone.batch)
        reward = config.reward
        own = any(setting.startswith("reward.reward=") for setting in self.set)
        if self.cameras and not own and config.rl is config.finetune:  # what SAC keeps has no pictures
            reward = self.judging(task, reward, PICTURES_A_SECOND, frozen=True)
        return replace(config, clone=clone, reward=reward)

    def _rounds(self, task: str, home: Path) -> dict[str, Any]:
        """Return the number of rounds, and whether answers come while the policy practises; as a run began with."""
        if self.rounds is not None:
            return {"rounds": self.rounds}
        most = max(1, self.labels // LABELS_A_ROUND)
        if self.annotator != "human":
            return {"rounds": min(ROUNDS, most)}
        from robo_rlhf.pipeline.demonstrations import begun_with

        begun = begun_with(self.folder(task, home))
        if begun and not begun.get("meanwhile"):  # by a version, or a command, whose rounds waited
            return {"rounds": min(ROUNDS, most)}
        return {"rounds": min(MEANWHILE, most), "meanwhile": True}

    def _axes(self, task: str, home: Path) -> tuple[str, ...]:
        """Return the axes to compare along: those given, those that this run began with, or the task's own."""
        if self.axes:
            return self.axes
        from robo_rlhf.feedback.store import Store
        from robo_rlhf.pipeline.demonstrations import begun_with

        begun = begun_with(self.folder(task, home)).get("axes")
        if begun:
            return tuple(begun)
        with Store(feedback_database(home)) as store:
            return store.tasks.axes(task)

    def folder(self, task: str, home: Path) -> Path:
        """Return the folder of the run.

        Raises:
            InvalidValueError: its name cannot be one.
        """
        return run_folder(home, self.run or f"{task.replace('/', '-').replace(':', '-')}-{self.seed}")

    def _budget(self, demos: int) -> dict[str, Any]:
        """Return the minutes that the recipe decides from, and the settings that it leaves alone; empty without such.

        Raises:
            InvalidValueError: minutes are given where nothing can be decided from them.
        """
        if self.minutes and self.preset != "default":
            raise InvalidValueError("--minutes", f"{self.minutes:g} and --preset {self.preset}", "one of the two")
        if self.minutes and not demos:
            expected = "0 where there are no demonstrations; --set sac.iterations=N says how long it learns"
            raise InvalidValueError("--minutes", self.minutes, expected)
        if self.minutes and self.sees:
            expected = "0 for a policy that sees: its trials would take hours; settings are chosen with --set"
            raise InvalidValueError("--minutes", self.minutes, expected)
        minutes = 0.0 if self.preset != "default" or not demos or self.sees else MINUTES
        minutes = minutes if self.minutes is None else self.minutes
        own = [] if self.axes is None else ["question"]
        names = ",".join(dict.fromkeys([*own, *(setting.partition("=")[0] for setting in self.set)]))
        return {"minutes": minutes, "keep": names} if minutes else {}

    def show(self, before: "Evaluation", after: "Evaluation", report: Path, *, demos: int) -> None:
        """Print success and style, before and after, with intervals."""
        for name, evaluation in (("before", before), ("after", after)):
            if evaluation.warning:
                print(f"warning: {name}: {evaluation.warning}", file=sys.stderr)
        if self.json:
            both = {"before": before.summary(), "after": after.summary(), "report": str(report)}
            print(json.dumps(both, indent=2))
            return
        from robo_rlhf.pipeline.report.formatting import initial_policy_name

        names = {"cloned": initial_policy_name(demos)}
        rows = [{names.get(k, k): v for k, v in row.items()} for row in result_rows(before, after)]
        print_rows(rows, as_json=False, title=f"{after.task}: {after.episodes} episodes each")
        print(f"Report: {report}")


def result_rows(before: "Evaluation", after: "Evaluation") -> list[Mapping[str, Any]]:
    """Return one row a measure: the cloned policy, the fine-tuned one, and the change."""
    from robo_rlhf.sim.external.ids import is_outside
    from robo_rlhf.sim.task_tools.style_measures import MEASURES

    rows = [_share_row("success [%]", before.success, after.success)]
    rows.append(_share_row("success at any time [%]", before.success_at_any_time, after.success_at_any_time))
    if is_outside(after.task):  # which may know no success
        rows.append(_row("return [1]", before.mean_return, after.mean_return))
    old, new = before.measures(), after.measures()
    return rows + [_row(f"{name} [{MEASURES[name].unit}]", old[name], new[name]) for name in old if name in new]


def _share_row(name: str, before: "Interval", after: "Interval") -> Mapping[str, Any]:
    old, new = ([100 * share for share in interval] for interval in (before, after))
    return {
        "measure": name,
        "cloned": _text(*old),
        "fine-tuned": _text(*new),
        "change": f"{new[0] - old[0]:+.3g} points",
    }


def _row(name: str, before: "Interval", after: "Interval") -> Mapping[str, Any]:
    moved = f"{100 * (after.value - before.value) / abs(before.value):+.0f} %" if before.value else "-"
    return {"measure": name, "cloned": _text(*before), "fine-tuned": _text(*after), "change": moved}


def _text(value: float, low: float, high: float) -> str:
    return f"{value:.4g}  ({low:.4g} to {high:.4g})"
