"""Nobody waits: success against time where answers come while the policy practises, and where rounds wait for them.

Time is that of the processor, and `PRIORS` seconds of a person's time an answer: beside each other while the policy
practises, else one after the other. In an iteration the simulated person gives as many answers as there is time for, by
what iterations of the arm with rounds took.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.quality.answer_times import PRIORS
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.steps.observers import NullObserver, truth_rows
from robo_rlhf.training_tools.settings import BCSettings

DEMOS, LABELS, ITERATIONS = 5, 120, 36
ROUNDS, BATCHES = 3, 8  # rounds that wait, and those that do not
ANSWER = PRIORS["pairwise"][0]  # [s]
WINDOW = 3  # iterations whose success is averaged
LATEST = 5  # iterations that the final success is the mean of
GAIN = 0.05  # of success, below which there is nothing that could be reached sooner


class Stopwatch(NullObserver):
    """Processor time [s] since it was made, at the beginning and end of each stage and after each of its steps."""

    def __init__(self) -> None:
        self.began, self.marks = time.process_time(), list[tuple[float, str, str, int]]()
        self.stage = ""

    def _mark(self, what: str, done: int = 0) -> None:
        self.marks.append((time.process_time() - self.began, self.stage, what, done))

    def begin(self, stage: str) -> None:
        self.stage = stage
        self._mark("begin")

    def progress(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        if self.stage.endswith("/finetune"):
            self._mark("iteration", done)

    def end(self, stage: str, result: Mapping[str, Any]) -> None:
        self._mark("end")


def config(seed: int, **asked: Any) -> PipelineConfig:
    """Return a short job on pick_place from five demonstrations, a third of whose answers say what success is."""
    sizes = {"demos": DEMOS, "labels": LABELS, "approvals": 0.35, "episodes": 100, "collect": 24, "num_envs": 32}
    whole = preset("default", task="pick_place", seed=seed, rounds=ROUNDS, **sizes)
    clone = BCSettings(policy="flow", settings={"noise": 0.0}, updates=1500, obs_noise=0.05)
    finetune = replace(whole.finetune, iterations=ITERATIONS, num_envs=whole.num_envs)
    return replace(whole, clone=clone, finetune=finetune, choose_exploration_noise=True, **asked)


def curve(path: Path, watch: Stopwatch, job: PipelineConfig) -> tuple[list[float], list[float], list[int]]:
    """Return after each iteration the time [s], the success of the learner's episodes (means), and the answers by then.

    Evaluations before and after, which neither arm needs, take no time.
    """
    person, answers, at, success, given = 0.0, 0, list[float](), list[float](), list[int]()
    spent = 0.0
    for (before, *_), (now, stage, what, done) in pairwise([(0.0, "", "", 0), *watch.marks]):
        number = int(stage.split("/")[0].removeprefix("round-")) if stage.startswith("round-") else 0
        if stage not in ("before", "after"):
            spent += now - before
        if stage.endswith("/answer") and what == "end":
            answered = sum(job.labels_of(k) for k in range(1, job.answered_in(number) + 1))
            person += ANSWER * max(answered - answers, 0)
            answers = max(answers, answered)
        if what == "iteration":
            asked = sum(job.labels_of(k) for k in range(1, number + 1))
            due = asked - job.labels_of(number) + int(job.answers_an_iteration * done) if job.meanwhile else asked
            new = max(min(due, asked) - answers, 0)
            person += max(ANSWER * new - (now - before), 0.0)
            answers += new
            at.append(spent + person)
            given.append(answers)
    for number in range(1, job.rounds + 1):
        success += [row["success"] for row in truth_rows(Run(path / f"round-{number}" / "finetune", {}))]
    means = [float(np.mean(success[max(0, i + 1 - WINDOW) : i + 1])) for i in range(len(success))]
    assert len(at) == len(means)
    return at, means, given


def reached(at: list[float], means: list[float], level: float) -> int | None:
    """Return the iteration from which the success is not below a level any more; None where it is at the end."""
    below = [i for i, value in enumerate(means) if value < level]
    first = below[-1] + 1 if below else 0
    return first if first < len(means) else None


def meanwhile(seed: int, home: Path) -> dict[str, Any]:
    """Run both arms, and return when each reached the success that the worse of them ended with."""
    curves, finals, jobs = {}, {}, {"rounds": config(seed)}
    for arm in ("rounds", "meanwhile"):
        watch, path = Stopwatch(), home / "runs" / f"{arm}-{seed}"
        job = jobs[arm]
        _, after = run_loop(job, path, home, observer=watch)
        curves[arm], finals[arm] = curve(path, watch, job), after.summary()["success"]
        if arm == "rounds":
            times = [b[0] - a[0] for a, b in pairwise(watch.marks) if b[2] == "iteration"]
            rate = round(float(np.median(times)) / ANSWER, 3)
            jobs["meanwhile"] = config(seed, rounds=BATCHES, meanwhile=True, answers_an_iteration=rate)
    level = min(float(np.mean(means[-LATEST:])) for _, means, _ in curves.values())
    gained = level > float(np.mean(curves["rounds"][1][:WINDOW])) + GAIN
    found: dict[str, Any] = {"level": round(level, 3), "answers_an_iteration": rate, "seconds": {}, "answers": {}}
    for arm, (at, means, given) in curves.items():
        first = reached(at, means, level - 0.02) if gained else None  # not each of the last iterations has their mean
        found["seconds"][arm] = None if first is None else round(at[first], 1)
        found["answers"][arm] = None if first is None else given[first]
        found[f"whole_{arm}"] = {
            "seconds": round(at[-1], 1),
            "answers": given[-1],
            "curve": [round(m, 3) for m in means],
        }
    return found | {"final": finals}
