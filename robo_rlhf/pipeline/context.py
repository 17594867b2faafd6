"""What every step of the pipeline is given, and what it hands to the next one: the newest policy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import feedback_database
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.steps.observers import NullObserver, Observer
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.success import SuccessHead
from robo_rlhf.sim.envs.conditioned_env import under
from robo_rlhf.sim.envs.task_env import make_env

Answerer = Callable[[Store, Sequence[Question]], None]  # returns when the questions are answered


@dataclass(frozen=True)
class PipelinePolicy:
    """The newest policy of a pipeline run, and what later steps have to know about its origin."""

    network: TrainedPolicy  # acts in rollouts
    std: float  # exploration noise of fine-tuning by PPO; 0 keeps that of the policy
    base: str = "clone"  # the stage whose checkpoint fine-tuning starts from
    round: int = 0  # the round whose fine-tuning it is; 0: not fine-tuned
    reward: RewardModel | None = None  # learned from all answers so far
    success: SuccessHead | None = None  # the success head, where people were asked whether episodes succeeded


@dataclass(frozen=True)
class Context:
    """One pipeline run at work: its settings, its folder and what all steps share."""

    config: PipelineConfig
    run: Run
    home: Path
    env: VecEnv  # copies of the environment
    store: Store  # the feedback database of the data home
    observer: Observer
    annotators: Answerer | None = None  # collects the answers where the annotator is human

    @property
    def clips(self) -> Dataset:
        """The episodes that clips are cut from."""
        return Dataset(self.run.path / "episodes", create=True, task=self.config.task)

    def seed(self, number: int) -> int:
        """Return the seed of what is learned in round `number`."""
        return self.config.seed * 1000 + number

    def stage(self, name: str, work: Callable[[Run], Mapping[str, Any]]) -> dict[str, Any]:
        """Run a stage unless it is finished, and return its result, a JSON object.

        A killed stage starts over; either way the result is bit for bit that of an uninterrupted run.
        """
        child = self.run.child(name, {})
        result = child.result()
        if result is None:
            self.run.event("begin", stage=name)
            self.observer.begin(name)
            child.finish(work(child))
            self.run.event("end", stage=name)
            result = child.result()
            assert result is not None
        self.observer.end(name, result)
        return result

    @contextmanager
    def training(self, name: str, config: Mapping[str, Any] | None = None) -> Iterator[Run]:
        """Yield the run folder of a stage that trains: `train` resumes from its newest checkpoint, or only loads."""
        self.observer.begin(name)
        run = self.run.child(name, config or {})
        yield run
        self.observer.end(name, run.result() or {})

    def steps(self, episodes: int) -> Callable[[int], None]:
        """Return a step callback that reports the progress of so many episodes."""
        total = -(-episodes // self.env.num_envs) * self.env.horizon
        done = iter(range(1, total + 1))
        return lambda t: self.observer.progress(next(done), total, {})


@contextmanager
def open_context(
    config: PipelineConfig,
    run: Run,
    home: Path,
    observer: Observer | None = None,
    annotators: Answerer | None = None,
) -> Iterator[Context]:
    """Open the environment and the feedback database for work on `run`, and close them after it."""
    with (
        closing(under(make_env(config.task, config.num_envs), config.conditions)) as env,
        Store(feedback_database(home)) as store,
    ):
        yield Context(config, run, home, env, store, observer or NullObserver(), annotators)
