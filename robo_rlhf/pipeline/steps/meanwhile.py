"""Answers that come while the policy practises: its reward follows them between iterations of fine-tuning.

The reward of each iteration is a function of the answers that count by then. Those of a simulated teacher come at a
rate an iteration, so that a run that is killed and resumed ends bit for bit as an uninterrupted one; for people, all
that are there count when a session begins, so that none is lost.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, NotFoundError
from robo_rlhf.core.files import copy_atomic, remove
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.online_reward import FollowConfig, Follower
from robo_rlhf.pipeline.steps.questions import member_returns, teacher_of
from robo_rlhf.pipeline.steps.reward import answers_so_far, extra_data
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.training.reward import episodes_of

FOLDER = "meanwhile"  # in the folder of the fine-tuning: the models that followed
TAKEN = "answers taken up"  # the event that tells people what their answers did
OPINIONS = 40  # newest questions on which two models are compared


class FollowedReward(PenalizedReward):
    """The reward of a round; `refresh`, before each iteration of its fine-tuning, takes up the answers that came."""

    def __init__(self, context: Context, policy: PipelinePolicy, number: int, run: Run) -> None:
        """Start with the reward of `policy`; `run` is the fine-tuning of round `number`."""
        assert policy.reward is not None
        super().__init__(policy.reward, context.config.uncertainty_penalty)
        self._context, self._number, self._run = context, number, run
        self._follower: _RoundFollower | None = None

    def refresh(self) -> tuple[bool, str]:
        """Take up the answers that came; return whether the reward changed, and a message for the log."""
        if self._follower is None:
            self._follower = self._opened()
        follower = self._follower
        follower.begin_iteration()
        update = follower.step()
        if update is None:
            return False, ""
        self.model = load_reward(follower.path)
        follower.keep(self.model)
        return True, TAKEN

    def _opened(self) -> "_RoundFollower":
        """Return the follower as it was when the learner saved its state."""
        done = max((int(row["step"]) for row in self._run.metrics()), default=0)  # the loop has rewound them
        run = self._run.child(FOLDER, {})
        run.rewind_metrics(done)
        kept = [k for k in _kept(run) if k <= done]
        for k in set(_kept(run)) - set(kept):
            remove(_file(run, k))
        remove(run.checkpoint_path("reward"), missing_ok=True)
        if kept:
            copy_atomic(_file(run, kept[-1]), run.checkpoint_path("reward"))
            self.model = load_reward(run.checkpoint_path("reward"))
        return _RoundFollower(self._context, self._number, run, done)


class _RoundFollower(Follower):
    """A follower of the answers to one run, up to the questions of a round, an iteration at a time."""

    def __init__(self, context: Context, number: int, run: Run, done: int) -> None:
        """Continue after `done` iterations."""
        self.context, self.round, self.iteration = context, number, done
        learn = replace(context.config.reward, seed=context.seed(number))
        first = context.run.path / f"round-{number}" / "reward" / "checkpoints" / "reward.safetensors"
        name, task = context.run.path.name, context.config.task
        extra = extra_data(context)
        load = episodes_of(context.home, extra.pictures)
        about: dict[str, Any] = {"asked": name, "task": task, "extra": extra, "start": first}
        super().__init__(FollowConfig(learn), run, context.store, load, **about)
        self.questions = context.store.questions(run=name, round=number)
        self.simulated = context.annotators is None
        self.teacher = teacher_of(context, self.questions) if self.simulated else None
        self.answered = 0  # of the round's questions, by the simulated teacher
        self.begun_with = max((answer.number for answer in self.read()[1]), default=0)
        self.compared = self._compared()
        self.before = self.opinions(load_reward(first))
        self.mark = self._now() if self.simulated else None  # answers since the last session count

    def begin_iteration(self) -> None:
        """Let the simulated teacher answer what it does until this iteration."""
        self.iteration += 1
        self.number = self.iteration - 1  # an update is numbered, and its chance drawn, by the iteration
        if self.teacher is not None:
            due = self._due()
            self.teacher.answer(self.store, self.questions[self.answered : due], self.context.config.seed)
            self.answered = due

    def _due(self) -> int:
        rate, whole = self.context.config.answers_an_iteration, len(self.questions)
        return whole if not rate or self.round == 1 else min(int(rate * self.iteration), whole)

    def read(self) -> tuple[list[Question], list[Answer]]:
        """Return the questions and answers to learn from."""
        given = {question.id for question in self.questions[: self._due()]} if self.simulated else None
        return answers_so_far(self.context, self.round, given)

    def _now(self) -> object:
        return [answer.number for answer in self.read()[1]]

    def keep(self, model: RewardModel) -> None:
        """Keep the newest model for a session that begins here, and say what the answers changed."""
        copy_atomic(self.path, _file(self.run, self.iteration))
        every = self.context.config.rl.save_every
        saved = (self.iteration - 1) // every * every  # the iteration that a session may begin after
        for k in [k for k in _kept(self.run) if k <= saved][:-1]:
            remove(_file(self.run, k))
        until = max((answer.number for answer in self.read()[1]), default=0)
        changed = sum(now != then for now, then in zip(self.opinions(model), self.before, strict=True))
        self.run.event(TAKEN, after=self.begun_with, until=until, changed=changed, of=len(self.before))

    def opinions(self, model: RewardModel) -> list[int]:
        """Return which clip of each question a model likes best, or whether it likes the only one."""
        if self.extra.pictures is not None:
            model.look_at(self.extra.pictures)
        returns = [[float(member_returns(model, clip).mean()) for clip in clips] for clips in self.compared]
        return [int(np.argmax(some)) if len(some) > 1 else int(some[0] > 0) for some in returns]

    def _compared(self) -> list[list[Episode]]:
        """Return the clips of the newest questions of the run."""
        found, name = list[list[Episode]](), self.context.run.path.name
        asked = [q for q in self.store.questions(run=name, role="work") if KINDS[q.kind].needs != "success"]
        for question in asked[-OPINIONS:]:
            with suppress(NotFoundError, CorruptFileError):  # a deleted clip is no fault of this run
                episodes = [self.loader.load(question.dataset, clip.episode_id) for clip in question.segments]
                found.append([e.slice(c.start, c.length) for e, c in zip(episodes, question.segments, strict=True)])
        return found


def _file(run: Run, iteration: int) -> Path:
    return run.checkpoint_path(f"{iteration:06d}")


def _kept(run: Run) -> list[int]:
    """Return the iterations whose models are kept, in order."""
    return sorted(
        int(path.stem) for path in run.checkpoint_path("reward").parent.glob("*.safetensors") if path.stem.isdigit()
    )
