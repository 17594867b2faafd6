"""`robo-rlhf episodes`: export to and import from formats of the field; copy, merge and split datasets."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.where import DatasetOptions, EpisodeFilters
from robo_rlhf.core.checks import DatasetName, Meant, NewDataset, check_dataset
from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.core.files import data_home, new_dataset
from robo_rlhf.core.types import Outcome

if TYPE_CHECKING:
    from robo_rlhf.core.types import Episode
    from robo_rlhf.data.reader import Reader

Place = Annotated[Path, tyro.conf.Positional]
Source = Annotated[str, tyro.conf.Positional, Meant(check_dataset)]
Sources = Annotated[tuple[str, ...], tyro.conf.Positional, Meant(check_dataset)]


def _format(_: str, given: object) -> None:
    from robo_rlhf.formats.kinds import FORMATS

    FORMATS.check(str(given))


FormatName = Annotated[str, Meant(_format)]
MaybeFormat = Annotated[str | None, Meant(_format)]


@COMMANDS.register("episodes export")
@dataclass(frozen=True)
class EpisodesExport(EpisodeFilters):
    """Write episodes in a format of the field: lerobot (v3.0), robomimic or minari (extras hdf5 and minari).

    Simulator states, who acted and all that is known of an episode go with it, so that an import gives it back bit for
    bit. What was stopped is continued by the same command.

    Example:
        robo-rlhf episodes export samples/pick_place for-lerobot --format lerobot --cameras front wrist --size 256
        robo-rlhf episodes export kitchen kitchen.hdf5 --format robomimic --outcome success --valid 0.1
    """

    stopped: ClassVar = CONTINUES

    dataset: Source
    """Name of the dataset in the data home, such as samples/pick_place."""
    place: Place
    """The file or folder to make."""
    format: FormatName
    """lerobot, robomimic or minari."""
    cameras: tuple[str, ...] = ()
    """Pictures from these cameras, drawn from the states; separated by spaces or commas."""
    size: int | None = None
    """Width and height of the pictures [pixels]; else 256, and as recorded for what was recorded."""
    valid: float = 0.0
    """Share of the episodes that is marked for validation."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Write it."""
        from robo_rlhf.formats.exporting import export

        cameras = tuple(name for text in self.cameras for name in text.split(",") if name)
        with DatasetOptions(dataset=self.dataset, home=self.home).open() as dataset:
            infos = self.choose(dataset)
            with progress_bar(f"{len(infos)} episodes", ("of",)) as tell:
                export(
                    dataset,
                    infos,
                    self.place,
                    self.format,
                    name=self.dataset,
                    cameras=cameras,
                    size=self.size,
                    valid=self.valid,
                    tell=lambda what, done, total: tell(done, total, {}),
                )
        print(f"wrote {len(infos)} episodes to {self.place}")
        return 0


@COMMANDS.register("episodes import")
@dataclass(frozen=True)
class EpisodesImport(EpisodeFilters):
    """Make a dataset out of a LeRobot set, a robomimic or Minari file, or videos; all of it, or nothing.

    The format is recognised. What was stopped is continued by the same command.

    Example:
        robo-rlhf episodes import ~/lerobot/pusht --dataset pusht
        robo-rlhf episodes import kitchen.hdf5 --format robomimic --outcome success
    """

    stopped: ClassVar = CONTINUES

    place: Place
    """The file or folder to read."""
    dataset: NewDataset = ""
    """Name of the dataset to make in the data home; else that of the place."""
    format: MaybeFormat = None
    """The format, where it is not to be recognised."""
    name_task: str = ""
    """Name of the task of all episodes, instead of what the place says."""
    assume: Outcome = "success"
    """The outcome of episodes where nothing says it."""
    control_hz: float = 0.0
    """Steps a second, instead of what the place says."""
    metadata: Path | None = None
    """For videos: a CSV or YAML file with a row a video."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Read it."""
        from robo_rlhf.formats.base import ImportOptions
        from robo_rlhf.formats.importing import import_place

        if not 0 <= self.control_hz <= 1000:
            raise InvalidValueError("--control-hz", self.control_hz, "0 to 1000 steps a second")
        target = new_dataset(data_home(self.home), self.dataset or self.place.resolve().stem)
        options = ImportOptions(self.name_task, self.assume, self.control_hz, self.metadata)
        notes: list[str] = []
        with progress_bar(f"episodes of {self.place.name}") as tell:
            count = import_place(
                self.place,
                target,
                self.format or "",
                options,
                keep=self.keeps,
                tell=lambda done, total: tell(done, total, {}),
                notes=notes.append,
            )
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        print(f"imported {count} episodes into {target.relative_to(data_home(self.home))}")
        return 0

    def keeps(self, episode: "Episode") -> bool:
        """Whether an episode fits every filter."""
        meta = episode.meta
        wanted = {"task": self.task, "outcome": self.outcome, "operator": self.operator, "device": self.device}
        return (
            all(value is None or getattr(meta, name) == value for name, value in wanted.items())
            and (self.tag is None or self.tag in meta.tags)
            and self.min_steps <= len(episode)
            and (self.max_steps is None or len(episode) <= self.max_steps)
        )


@dataclass(frozen=True, kw_only=True)
class HomeOptions:
    """The option that chooses the data home."""

    stopped: ClassVar = CONTINUES

    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def source(self, name: str) -> "Reader":
        """Return a dataset to read from."""
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader

        return Reader(require_dataset(data_home(self.home), name))

    def copy(self, source: str, target: str, ids: tuple[str, ...] | None = None) -> dict[str, str]:
        """Copy episodes of a dataset into another; return the id each has there, by the id it had."""
        from robo_rlhf.data.dataset import Dataset

        if source == target:
            raise InvalidValueError("dataset to copy into", target, "another one than it is copied from")
        reader = self.source(source)
        into = Dataset(new_dataset(data_home(self.home), target), create=True)
        with progress_bar(f"episodes of {source}") as tell:
            return into.merge(reader, ids, origin=source, tell=lambda done, total: tell(done, total, {}))


@COMMANDS.register("episodes merge")
@dataclass(frozen=True)
class EpisodesMerge(HomeOptions):
    """Copy all episodes of datasets into another one, which is made where it is missing.

    Where ids collide, the copy gets a new one. Each copy knows the dataset and the id that it came from. Episodes that
    are there already stay, so the same command continues what was stopped.

    Example:
        robo-rlhf episodes merge monday tuesday --into week
    """

    datasets: Sources
    """Names of the datasets to copy from."""
    into: DatasetName
    """Name of the dataset to copy into."""

    def __call__(self) -> int:
        """Copy them."""
        for name in self.datasets:
            self.source(name)  # all are there, before any is copied
        for name in self.datasets:
            there = self.copy(name, self.into)
            renamed = sum(new != old for old, new in there.items())
            print(f"{name}: {len(there)} episodes are in {self.into}" + (f", {renamed} with a new id" * bool(renamed)))
        return 0


@COMMANDS.register("episodes copy")
@dataclass(frozen=True)
class EpisodesCopy(EpisodeFilters, HomeOptions):
    """Copy the episodes of a dataset that fit every filter into another one, which is made where it is missing.

    Example:
        robo-rlhf episodes copy kitchen kitchen-good --outcome success --min-steps 20
    """

    dataset: Source
    """Name of the dataset to copy from."""
    into: Source
    """Name of the dataset to copy into."""

    def __call__(self) -> int:
        """Copy them."""
        ids = tuple(info.meta.id for info in self.choose(self.source(self.dataset)))
        if not ids:
            raise InvalidValueError(f"episodes of {self.dataset}", "none that fits", "at least one: other filters")
        there = self.copy(self.dataset, self.into, ids)
        print(f"{len(there)} episodes of {self.dataset} are in {self.into}")
        return 0


@COMMANDS.register("episodes split")
@dataclass(frozen=True)
class EpisodesSplit(HomeOptions):
    """Copy the episodes of a dataset into parts NAME-1, NAME-2, ..., with no frame in two of them.

    Example:
        robo-rlhf episodes split kitchen --fractions 0.9 0.1 --names kitchen-train kitchen-valid
    """

    dataset: Source
    """Name of the dataset."""
    fractions: tuple[float, ...] = (0.9, 0.1)
    """How much of all episodes goes into each part; they add up to 1."""
    names: tuple[str, ...] = ()
    """Names of the parts; else that of the dataset with -1, -2, ..."""
    seed: int = 0
    """The same seed gives the same parts."""

    def __call__(self) -> int:
        """Copy them."""
        from robo_rlhf.data.split import split_families

        names = self.names or tuple(f"{self.dataset}-{i + 1}" for i in range(len(self.fractions)))
        if len(names) != len(self.fractions) or len(set(names)) < len(names):
            raise InvalidValueError("--names", ", ".join(names), f"{len(self.fractions)} different names, one a part")
        reader = self.source(self.dataset)
        parts = split_families({i.meta.id: i.meta.parent for i in reader.list()}, self.fractions, self.seed)
        for name, ids in zip(names, parts, strict=True):
            target = new_dataset(data_home(self.home), name)
            others = set(self.source(name).ids()) - set(ids) if target.exists() else set()
            if others:
                raise ConflictError(f"dataset {name!r}", f"it holds other episodes, such as {min(others)}")
        for name, ids in zip(names, parts, strict=True):
            print(f"{name}: {len(self.copy(self.dataset, name, ids))} episodes")
        return 0
