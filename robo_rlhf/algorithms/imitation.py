"""Options of algorithms that imitate: the demonstrations, and the evaluation of snapshots."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robo_rlhf.algorithms.base import RunAlgorithm, Session
from robo_rlhf.algorithms.sight_options import SightOptions
from robo_rlhf.core.checks import DatasetName
from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError, NotFoundError, UnknownNameError
from robo_rlhf.core.files import data_home, find_dataset
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.sim.external.ids import is_outside, naming
from robo_rlhf.sim.names import World
from robo_rlhf.sim.tasks import TASKS

if TYPE_CHECKING:
    from robo_rlhf.core.types import Array, Episode, Outcome
    from robo_rlhf.policies.base import TrainedPolicy
    from robo_rlhf.vision.frame_cache import TrainingPictures

STARTS = 32  # of the task, which show how far observations vary where demonstrations do not show it


@dataclass(frozen=True, kw_only=True)
class Imitation(RunAlgorithm, SightOptions):
    """Demonstrations of a task, and the options that go with them."""

    task: World
    """Task whose demonstrations are imitated."""
    dataset: DatasetName = ""
    """Dataset of demonstrations in the data home; samples/TASK where empty."""
    demos: int = 0
    """How many demonstrations, the first by id; 0 takes all."""
    failures: bool = False
    """Imitate demonstrations that did not succeed too."""
    operator: str | None = None
    """Only demonstrations by this person, or run."""
    tag: str | None = None
    """Only demonstrations with this tag."""
    mask_delay: int | None = None
    """Learn without velocities, and with positions that are so many steps late."""
    select_episodes: int = 50
    """Rollouts that judge each snapshot, or each of several seeds."""

    @property
    def demonstrations(self) -> str:
        """Name of the dataset of demonstrations."""
        return self.dataset or f"samples/{self.task}"

    def check(self) -> None:
        """Refuse what cannot be imitated, before anything that takes time is loaded.

        Raises:
            NotFoundError: there is no such dataset.
            InvalidValueError: a number outside its range.
        """
        require_dataset(data_home(self.home), self.demonstrations)
        if self.select_episodes < 1:
            raise InvalidValueError("--select-episodes", self.select_episodes, "at least 1")
        if self.demos < 0:
            raise InvalidValueError("--demos", self.demos, "at least 0")
        if self.sees:
            self.check_sight(self.task, self.recorded_cameras())

    def recorded_cameras(self) -> list[str] | None:
        """Return the cameras of the videos of a task that was recorded elsewhere; None for one with a simulator."""
        if is_outside(self.task) or self.task in TASKS:
            return None
        from robo_rlhf.data.reader import Reader

        reader = Reader(require_dataset(data_home(self.home), self.demonstrations))
        return sorted({camera for info in reader.list(task=self.task) for camera in info.meta.frames})

    def is_recorded(self) -> bool:
        """Whether the dataset holds recordings of the task that came from elsewhere."""
        from robo_rlhf.data.reader import Reader

        reader = Reader(require_dataset(data_home(self.home), self.demonstrations))
        return any(info.meta.origin for info in reader.list(task=self.task))

    def asked(self) -> dict[str, Any]:
        """Return the options that the run stores, so that it is continued with the same."""
        mask_delay = {} if self.mask_delay is None else {"mask_delay": self.mask_delay}
        return {
            "algorithm": self.name,
            "task": self.task,
            "dataset": self.demonstrations,
            "select": self.select_episodes,
            **mask_delay,
            **self.asked_to_see(),
        }

    def episodes(self) -> "list[Episode]":
        """Return the demonstrations asked for, as they are.

        Raises:
            NotFoundError: there are none.
            InvalidValueError: there are fewer than `demos`.
        """
        from robo_rlhf.data.dataset import Dataset

        dataset = Dataset(find_dataset(data_home(self.home), self.demonstrations))
        outcome: Outcome | None = None if self.failures else "success"
        found = dataset.list(task=self.task, outcome=outcome, operator=self.operator, tag=self.tag)
        if not found:
            filters = {"operator": self.operator, "tag": self.tag, "outcome": outcome}
            given = ", ".join(f"{name} {value!r}" for name, value in filters.items() if value is not None)
            advice = f"Record some with `robo-rlhf record {naming(self.task)}`, or name another dataset."
            advice = f"Looked for {given}. {advice}" if given else advice
            raise NotFoundError(f"demonstration in dataset {self.demonstrations} of task", self.task, advice)
        if len(found) < self.demos:
            raise InvalidValueError("demonstrations", str(len(found)), f"at least {self.demos} of {self.task}")
        return self.episodes_of(self.demonstrations, [info.meta.id for info in found[: self.demos or None]])

    def observed(self, episodes: "list[Episode]") -> "list[Episode]":
        """Return episodes as the policy is to see them."""
        from robo_rlhf.sim.envs.partial_observation import mask_episodes

        return mask_episodes(self.task, episodes, self.mask_delay)

    def seen(self, session: Session, episodes: "list[Episode]", dataset: str = "") -> "TrainingPictures | None":
        """Return the pictures of episodes as the policy is to see them; None where it has no cameras.

        They are of `dataset`, that of the demonstrations where it is not named.
        """
        if self.sight is None:
            return None
        home = data_home(self.home)
        with session.progress(f"drawing {len(episodes)} episodes", ()) as progress:
            folder = find_dataset(home, dataset or self.demonstrations)
            return self.pictures(home, episodes, folder, lambda done, total: progress(done, total, {}))

    def starts(self) -> "Array | None":
        """Return initial observations of the task; None for an outside environment that is not installed here."""
        from robo_rlhf.data.training_arrays.observation_spread import starts_of
        from robo_rlhf.sim.envs.partial_observation import mask_observations
        from robo_rlhf.sim.envs.task_env import make_env

        try:
            env = make_env(self.task, STARTS)
        except (UnknownNameError, MissingDependencyError):
            return None
        return starts_of(mask_observations(env, self.mask_delay))

    def checkpoint_meta(self) -> dict[str, Any]:
        """Return the metadata of a checkpoint on how its policy observed the task."""
        return {} if self.mask_delay is None else {"mask_delay": self.mask_delay}

    def score(self) -> "Callable[[TrainedPolicy], float]":
        """Return the function that scores a snapshot: success in rollouts on seeds that no result is reported on."""
        import numpy as np

        from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate
        from robo_rlhf.sim.envs.partial_observation import mask_observations
        from robo_rlhf.sim.envs.task_env import make_env

        env = mask_observations(make_env(self.task, min(self.select_episodes, 64)), self.mask_delay)
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + self.select_episodes)

        def success(policy: "TrainedPolicy") -> float:
            policy.look_at(env)
            return evaluate(env, policy, seeds).success.value

        return success
