"""The seam of algorithms: a file with its options, its settings and `train` is the command `robo-rlhf train NAME`.

What is loaded only to train (torch, MuJoCo) is imported inside methods, so that help and errors come at once.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import tyro

from robo_rlhf.core.checks import RunName
from robo_rlhf.core.files import data_home, find_dataset, run_folder
from robo_rlhf.sim.names import OnRobot
from robo_rlhf.trackers import Track
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode

Progress = Callable[[int, int, Mapping[str, float]], None]  # done, of how many, newest metrics
Row = dict[str, Any]  # of the printed result


class Session(Protocol):
    """What an algorithm trains with; the command line's shows bars, a test's ends the training."""

    def open(self, config: object, asked: Mapping[str, Any]) -> "Run":
        """Create the run, or open it to continue with the same settings `config` and the same inputs `asked`."""
        ...

    def progress(self, label: str, metrics: Sequence[str]) -> AbstractContextManager[Progress]:
        """Show the progress of what is called `label`, with these of its metrics."""
        ...

    def give_way(self) -> None:
        """Serve operators and annotators on this machine first, from now on."""
        ...

    def tell(self, sentence: str) -> None:
        """Show a sentence beside the result."""
        ...


@dataclass(frozen=True, kw_only=True)
class Algorithm(OnRobot, OnTorchDevice, ABC):
    """An algorithm with its options filled in. The docstring of a subclass is its help, and ends with an example."""

    name: ClassVar[str]
    """The name in `ALGORITHMS`, and of the command."""

    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    @property
    def folder(self) -> Path | None:
        """The run folder that it works in; None where it has none, and begins anew where it is killed."""
        return None

    def check(self) -> None:  # optional
        """Refuse what cannot be trained, before anything that takes time is loaded, and before anything is made."""

    @abstractmethod
    def train(self, session: Session) -> list[Row]:
        """Train to the end, on from where a killed run stopped, and return the rows of the result."""

    @classmethod
    @abstractmethod
    def example(cls, home: Path) -> "Algorithm":
        """Return a small training of ten steps, and put what it needs into the data home `home`: for the contract."""

    def episodes_of(self, dataset: str, ids: Sequence[str] | None = None) -> "list[Episode]":
        """Return episodes of a dataset of the data home, by their ids; all where none are given.

        They are observed as their task is now.
        """
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.sim.envs.current_observation import with_current_observations

        found = Dataset(find_dataset(data_home(self.home), dataset))
        return list(with_current_observations(found.load_all(sorted(found.ids()) if ids is None else ids)))


@dataclass(frozen=True, kw_only=True)
class RunAlgorithm(Algorithm):
    """An algorithm that works in a run folder: killed at any instant, the same command continues."""

    run: RunName = ""
    """Name of the run, a folder among the runs of the data home; that of the algorithm where empty."""
    track: Track = ""
    """Send metrics, configuration and result to a tracker too, beside the files for TensorBoard."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        return run_folder(data_home(self.home), self.run or self.name.replace(":", "-"))

    def policy_rows(self, run: "Run") -> list[Row]:
        """Return the result of a run that has trained a policy."""
        return [{"run": run.path.name, "policy": str(run.checkpoint_path("policy")), **(run.result() or {})}]


class Settings:
    """A class of settings by its name, "MODULE:CLASS": imported when it is needed, so that commands are listed at once.

    As the options of a command, without a prefix: `config: Annotated[Any, SETTINGS.options] = SETTINGS.default`.
    """

    def __init__(self, name: str) -> None:
        """Remember the name."""
        self.name = name

    def load(self) -> type[Any]:
        """Return the class."""
        module, _, name = self.name.partition(":")
        found: type[Any] = getattr(importlib.import_module(module), name)
        return found

    @cached_property
    def options(self) -> object:
        """What `typing.Annotated` says of the field."""
        return tyro.conf.arg(name="", constructor_factory=self.load)

    @property
    def default(self) -> Any:
        """The default of the field."""
        return field(default_factory=lambda: self.load()())
