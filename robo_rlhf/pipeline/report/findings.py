"""Results of a finished pipeline run, read from its folder: the whole content of a report, except the clips."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import feedback_database, read_json
from robo_rlhf.core.runs import Run, with_defaults
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import described
from robo_rlhf.feedback.store import Answer, Store
from robo_rlhf.pipeline.config import PipelineConfig, TeacherConfig, preset, presets
from robo_rlhf.pipeline.recipe.decisions import decided
from robo_rlhf.pipeline.steps.evaluation import stored_evaluation
from robo_rlhf.pipeline.steps.observers import truth_rows
from robo_rlhf.rewards.attribution import as_clips, attribute, in_words, quantities
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.occlusion import drawn, occlude
from robo_rlhf.rewards.watching import shown_to
from robo_rlhf.rollouts.evaluation import Comparison, Evaluation, compare
from robo_rlhf.sim.column_names import column_names
from robo_rlhf.sim.external.ids import naming
from robo_rlhf.sim.tasks import TASKS

MOST_LOOKED_AT = 32  # episodes from which it is said what the reward looks at
PLAIN = ("demos", "labels", "minutes", "rounds", "seed", "annotator", "dataset")  # settings that have a separate option


class Iteration(NamedTuple):
    """One iteration of fine-tuning; true figures are from the learner's training episodes, which explore."""

    number: int  # from 1, over all rounds
    round: int
    minutes: float  # [min] of work since the job began, pauses left out
    learned: float  # mean learned reward a step
    episodes: int
    success: float  # share
    true_return: float  # mean
    return_error: float  # standard error of that mean


class LastRound(NamedTuple):
    """The episodes that the clips of the last round were cut from, (M,) each."""

    learned: Array  # return by the reward that was learned from all answers
    true: Array  # return by the task's own reward
    success: Array  # bool
    looks_at: str  # what the learned reward looks at, in a sentence; empty where it cannot be said
    where: Mapping[str, bytes]  # camera → PNG of a picture, red where a reward that sees looks


@dataclass(frozen=True)
class Findings:
    """The results of a finished run."""

    path: Path
    home: Path
    config: Mapping[str, Any]

    @classmethod
    def of(cls, path: Path, home: Path) -> "Findings":
        """Open the finished run in the folder `path`, in the data home `home`."""
        return cls(path, home, decided(with_defaults(read_json(path / "config.json", dict), PipelineConfig), path))

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The settings that the run was started with, before its recipe decided any."""
        return with_defaults(read_json(self.path / "config.json", dict), PipelineConfig)

    @property
    def rounds(self) -> range:
        """The numbers of the rounds."""
        return range(1, self.config["rounds"] + 1)

    @cached_property
    def before(self) -> Evaluation:
        """The cloned policy."""
        return stored_evaluation(self.path, "before")

    @cached_property
    def after(self) -> Evaluation:
        """The fine-tuned policy."""
        return stored_evaluation(self.path, "after")

    @cached_property
    def comparison(self) -> Comparison:
        """The paired comparison of the two, episode by episode."""
        return compare(self.before, self.after)

    @property
    def style_costs(self) -> tuple[str, ...]:
        """The measures in the simulated teacher's style cost, where both policies have them."""
        own = TASKS[self.config["task"]].style_cost if self.config["task"] in TASKS else None
        names = TeacherConfig(**self.config["teacher"]).measures(own)
        return tuple(name for name in names if name in self.before.style and name in self.after.style)

    def iterations(self) -> list[Iteration]:
        """Return all iterations of fine-tuning, in order."""
        clock, found = self._clock(), list[Iteration]()
        for number in self.rounds:
            run = Run(self.path / f"round-{number}" / "finetune", {})
            times = {e["step"]: e["time"] for e in run.events() if e["event"] == "iteration"}
            learned = {row["step"]: row["reward"] for row in run.metrics()}
            for row in truth_rows(run):
                if row["step"] not in learned:
                    continue  # that line of the metrics is damaged
                step, episodes = int(row["step"]), int(row.get("episodes", self.config["num_envs"]))
                minutes = clock(times[step]) if step in times else float("nan")
                error = row.get("return_std", float("nan")) / episodes**0.5
                figures = (learned[step], episodes, row["success"], row["return"], error)
                found.append(Iteration(len(found) + 1, number, minutes, *figures))
        return found

    def _clock(self) -> Any:
        """Return a function from a time [s since 1970] to minutes of work, without the time between sessions."""
        whole = Run(self.path, read_json(self.path / "config.json", dict))
        runs = [whole, *(Run(self.path / f"round-{k}" / "finetune", {}) for k in self.rounds)]
        events = sorted((e["time"], e["event"]) for run in runs for e in run.events())
        times = np.array([time for time, _ in events])
        idle = np.array([event == "session" for _, event in events])
        worked = np.cumsum(np.where(idle, 0.0, np.diff(times, prepend=times[:1])))
        return lambda time: float(np.interp(time, times, worked)) / 60

    def reward_scores(self) -> list[dict[str, Any]]:
        """Return the results of reward learning, one JSON object per round."""
        runs = [Run(self.path / f"round-{number}" / "reward", {}) for number in self.rounds]
        return [run.result() or {} for run in runs]

    def last_round(self) -> LastRound:
        """Return the last round's collected episodes as the learned and the task's own reward see them."""
        last = self.rounds[-1]
        stored = read_json(self.path / f"round-{last}" / "collect" / "result.json", list, entry="episodes")
        reward = PenalizedReward(
            load_reward(self.path / f"round-{last}" / "reward" / "checkpoints" / "reward.safetensors"),
            self.config["uncertainty_penalty"],
        )
        show = shown_to(reward.model, self.home)
        episodes = [show(e) for e in Dataset(self.path / "episodes").load_all(stored) if len(e)]
        return LastRound(
            np.array([float(reward(e.obs[:-1], e.action, e.obs[1:]).sum()) for e in episodes]),
            np.array([float(e.reward.sum(dtype=np.float64)) for e in episodes]),
            np.array([bool(e.success[-1]) for e in episodes]),
            *_looks_at(reward.model, episodes),
        )

    def answers(self) -> list[Answer]:
        """Return every answer of the run."""
        with Store(feedback_database(self.home)) as store:
            return store.answers(run=self.path.name)

    def answers_by_round(self) -> list[Counter[str]]:
        """Return the number of times that each answer was given, per round."""
        with Store(feedback_database(self.home)) as store:
            each = [store.answers(run=self.path.name, round=number) for number in self.rounds]
            kinds = {question.id: KINDS[question.kind] for question in store.questions(run=self.path.name)}
        return [Counter(described(kinds[a.question_id], a.value) for a in answers) for answers in each]

    def command(self) -> str:
        """Return a command that repeats the run, given the same demonstrations in the data home."""
        task, config = self.config["task"], dict(self.asked)
        words = ["robo-rlhf run", naming(task)]
        words += [f"--{name} {config[name]}" for name in PLAIN if config[name] != ""]
        asked = {f.name: config[f.name] for f in fields(PipelineConfig) if f.name in (*PLAIN, "task")}
        choices = []
        for size in presets():
            with suppress(InvalidValueError):  # a preset that does not fit the number of rounds
                choices.append((size, _differences(config, asdict(preset(size, **asked)))))
        size, differences = min(choices, key=lambda choice: len(choice[1]))
        kept = differences.pop("keep", config["keep"])
        differences |= {name: _inside(config, name) for name in kept.split(",") if name and name not in differences}
        if config.get("axes"):  # which brings its question
            differences = {name: value for name, value in differences.items() if name not in ("axes", "question")}
            words.append(f"--axes {' '.join(map(_quoted, config['axes']))}")
        words += [f"--preset {size}"] * (size != "default")
        return " ".join(words + [f"--set {name}={_quoted(value)}" for name, value in differences.items()])


def _differences(wanted: Mapping[str, Any], given: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Return the entries of `wanted` that differ from `given`, by dotted names; both as stored in JSON."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        other = given.get(name)
        if isinstance(value, dict) and isinstance(other, dict) and name != "settings":
            found |= _differences(value, other, f"{inside}{name}.")
        elif json.dumps(value) != json.dumps(other):
            found[f"{inside}{name}"] = value
    return found


def _inside(config: Mapping[str, Any], name: str) -> Any:
    found: Any = config
    for part in name.split("."):
        found = found[part]
    return found


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return shlex.quote(text)


def _looks_at(model: RewardModel, episodes: Sequence[Episode]) -> tuple[str, Mapping[str, bytes]]:
    """Return what a reward model looks at in episodes, in a sentence, and where; nothing for too few clips."""
    cut = [as_clips(e.obs, e.action, model) for e in episodes[:MOST_LOOKED_AT]]
    if sum(len(obs) for obs, _ in cut) < 2:
        return "", {}
    obs, action = (np.concatenate(part) for part in zip(*cut, strict=True))
    among = quantities(*column_names(episodes[0].meta, model.obs_dim, model.act_dim), model.sight)
    shares = attribute(model, obs, action, among, np.random.default_rng(0)).shares
    return in_words(shares), {camera: drawn(found) for camera, found in occlude(model, obs, action).items()}
