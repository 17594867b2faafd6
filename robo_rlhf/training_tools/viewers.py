"""People who watch a policy practise: what they see is recorded, and what they press becomes a reward.

After each iteration the episode of one copy is in the dataset `practice/RUN`, where the signal page shows the newest
one; a press of anybody about it is part of the reward from the next iteration on. Nothing waits for anybody.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import feedback_database
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Outcome, Source, Step, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.live_signal.credit import credit
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.store import Store
from robo_rlhf.rewards.press_model import PressModel
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms.live import Live
from robo_rlhf.sim.envs.task_env import TaskEnv, versions

PRACTICE = "practice"  # folder of the data home with a dataset for each run that is watched
MOST_SHOWN = 400  # episodes that the model learns from, the newest

Presses = Callable[[], Sequence[Signal]]  # all of them, in the order in which they came


class Viewers(Protocol):
    """Viewers of practice."""

    def see(self, env: VecEnv, t: int, step: Step) -> None:
        """Watch step `t` of an episode of every copy."""
        ...

    def refreshed(self, reward: RewardSum) -> bool:
        """Learn from what was pressed; return whether the judgement of any step has changed."""
        ...

    def judge(self, obs: Array, action: Array) -> Array:
        """Return what viewers think of steps, (T, N)."""
        ...


@contextmanager
def audience(objective: str, run: Path, home: Path, env: VecEnv) -> "Iterator[Audience | None]":
    """Open the database for those who watch the run at `run`; None where the objective has no term `live`.

    Raises:
        InvalidValueError: nobody could watch the environment.
    """
    if "live" not in RewardSum(objective).needs:
        yield None
        return
    name = run.relative_to(home / "runs").as_posix()
    with Store(feedback_database(home)) as store:
        yield Audience(run, home, env, lambda: store.signals.list(run=name))


class Audience:
    """Viewers who press in a database, about episodes in the dataset of practice of a run."""

    def __init__(self, run: Path, home: Path, env: VecEnv, presses: Presses) -> None:
        """Record the practice of the run at `run` in the data home.

        Raises:
            InvalidValueError: episodes of the environment cannot be drawn from states, so nobody could watch.
        """
        if not isinstance(env, TaskEnv):
            raise InvalidValueError("objective", f"live, in {env.name}", "a task of this program, which can be drawn")
        self._operator = run.relative_to(home / "runs").as_posix()
        self.name = f"{PRACTICE}/{self._operator}"
        self.dataset = Dataset(home / self.name, create=True, task=env.name)
        self._presses, self._env = presses, env
        self._model = PressModel()
        self._known: dict[str, Episode] = {}
        self._newest = -1
        self._frames: list[tuple[Array, Array, Array, bool]] = []

    def see(self, env: VecEnv, t: int, step: Step) -> None:
        """Keep the first copy's step; at the end of the episode, record it."""
        done = bool(step.success[0])
        self._frames.append((step.obs[0].copy(), env.get_state()[0].copy(), step.applied[0].copy(), done))
        if t == env.horizon - 1:
            self._record()

    def refreshed(self, reward: RewardSum) -> bool:
        """Fit the model to all presses, where there are new ones or fewer."""
        pressed = [one for one in self._presses() if one.dataset == self.name]
        mark = hash(tuple(one.number for one in pressed))
        if mark == self._newest:
            return False
        first, self._newest = self._newest == -1, mark
        term = next(part.term for part in reward.parts if isinstance(part.term, Live))
        steps = list(self._judged(pressed, term))
        if not steps:
            self._model = PressModel()
            return not first
        obs, action, presses = (np.concatenate(part) for part in zip(*steps, strict=True))
        self._model.fit(obs, action, presses)
        return True

    def judge(self, obs: Array, action: Array) -> Array:
        """Return what the model of presses says of steps."""
        return self._model(obs, action)

    def _judged(self, pressed: Sequence[Signal], term: Live) -> Iterator[tuple[Array, Array, Array]]:
        """Yield the steps of each episode that viewers pressed about, with their credit."""
        about: dict[str, list[Signal]] = {}
        for one in pressed:
            about.setdefault(one.episode_id, []).append(one)
        for name in sorted(about)[-MOST_SHOWN:]:
            episode = self._episode(name)
            if episode is not None:
                yield episode.obs[:-1], episode.action, credited(about[name], len(episode), term)

    def _episode(self, name: str) -> Episode | None:
        if name not in self._known:
            try:
                self._known[name] = self.dataset.load(name)
            except (NotFoundError, CorruptFileError):
                return None
        return self._known[name]

    def _record(self) -> None:
        obs, state, applied, done = (list(part) for part in zip(*self._frames, strict=True))
        self._frames = []
        env = self._env
        outcome: Outcome = "success" if done[-1] else "failure"
        meta = EpisodeMeta(
            "", env.name, 0, env.control_dt, outcome, self._operator, "policy", env.model_hash, versions()
        )
        steps = len(obs) - 1  # the first frame is that after the first step
        self.dataset.add(
            Episode(
                obs=np.stack(obs).astype(np.float32),
                action=np.stack(applied[1:]).astype(np.float32),
                state=np.stack(state),
                reward=np.zeros(steps, np.float32),
                success=np.array(done),
                source=np.full(steps, Source.POLICY, np.uint8),
                signals={},
                meta=meta,
            )
        )


def credited(pressed: Sequence[Signal], steps: int, term: Live) -> Array:
    """Return the credit (steps,) in [-1, 1] of an episode's steps; several people's presses add up to at most that."""
    total = np.zeros(steps)
    for one in pressed:
        spread = credit(one.step, one.rate, steps, (term.soonest, term.latest), term.decay)
        total += one.sign * spread / max(float(spread.max()), 1e-9)
    return np.clip(total, -1.0, 1.0)
