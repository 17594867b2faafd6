"""`robo-rlhf episodes`: list, verify and curate recorded episodes."""

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.where import DatasetOptions, EpisodeFilters, Id, Ids, trash_rows
from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import data_home, write_atomic
from robo_rlhf.core.types import Outcome

if TYPE_CHECKING:
    from robo_rlhf.data.reader import EpisodeInfo


MOST_LOOKS = 64  # in one clip


@COMMANDS.register("episodes list")
@dataclass(frozen=True)
class EpisodesList(EpisodeFilters, DatasetOptions):
    """List the episodes of a dataset, all of them or those that fit every filter; without --dataset, the datasets.

    Example:
        robo-rlhf episodes list --dataset samples/pick_place --outcome success --json
    """

    trash: bool = False
    """Show what is in the trash instead."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print one row an episode, or a dataset where none is named."""
        if not self.dataset:
            return self._list_datasets()
        with self.open() as dataset:
            if self.trash:
                print_rows(trash_rows(dataset.trashed()), as_json=self.json, empty="The trash is empty.")
                return 0
            found = self.choose(dataset)
        title = f"{len(found)} episodes in {self.dataset}"
        print_rows([_row(info) for info in found], as_json=self.json, title=title, empty="No episode fits.")
        return 0

    def _list_datasets(self) -> int:
        from robo_rlhf.data.layout import EPISODE_SUFFIX, datasets_of

        home = data_home(self.home)
        folders = datasets_of(home)
        held = {name: len(list((path / "episodes").glob(f"*{EPISODE_SUFFIX}"))) for name, path in folders.items()}
        rows = [{"dataset": name, "episodes": count} for name, count in held.items()]
        print_rows(rows, as_json=self.json, title=f"datasets in {home}", empty=f"There is no dataset in {home}.")
        return 0


@COMMANDS.register("episodes show")
@dataclass(frozen=True)
class EpisodesShow(DatasetOptions):
    """Show everything that is known of one episode, after checking every byte of it.

    Example:
        robo-rlhf episodes show pick_place-3000007 --json --dataset samples/pick_place
    """

    episode: Id
    """Its id."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print one row a field, or one JSON object in a list."""
        with self.open() as dataset:
            episode, info = dataset.load(self.episode), dataset.info(self.episode)
        known: dict[str, object] = {
            **asdict(info.meta),
            "steps": info.length,
            "seconds": round(info.duration, 3),
            "size_kb": round(info.size / 1e3, 1),
            "obs_dim": episode.obs.shape[1],
            "act_dim": episode.action.shape[1],
            "state_size": episode.state.shape[1],
            "signals": sorted(episode.signals),
            "steps_succeeded": int(episode.success.sum()),
        }
        known["versions"] = ", ".join(f"{name} {version}" for name, version in info.meta.versions.items())
        rows: list[dict[str, object]] = [{"what": name, "value": value} for name, value in known.items()]
        print_rows([known] if self.json else rows, as_json=self.json, title=self.episode)
        return 0


@COMMANDS.register("episodes verify")
@dataclass(frozen=True)
class EpisodesVerify(DatasetOptions):
    """Read every byte of every episode; move damaged files to the quarantine of the dataset.

    The exit code is 0 where all are whole, 4 where one was not.

    Example:
        robo-rlhf episodes verify --dataset samples/pick_place
    """

    json: bool = False
    """Print JSON: one object a damaged file."""

    def __call__(self) -> int:
        """Print what is damaged."""
        with self.open() as dataset:
            warnings.simplefilter("ignore")  # they are what this prints
            result = dataset.verify()
        problems = [{"problem": problem} for problem in result.problems]
        print_rows(problems, as_json=self.json, empty=f"All {len(result.good)} episodes are whole.")
        return CorruptFileError.exit_code if problems else 0


@COMMANDS.register("episodes trim")
@dataclass(frozen=True)
class EpisodesTrim(DatasetOptions):
    """Keep only steps START to STOP (not included) of an episode, as a new one; the old one goes to the trash.

    Answers about steps of the old one still count, as long as the trash holds it; undelete brings it back.

    Example:
        robo-rlhf episodes trim pick_place-3000007 12 95 --dataset samples/pick_place
    """

    episode: Id
    """Its id."""
    start: Annotated[int, tyro.conf.Positional]
    """The first step to keep."""
    stop: Annotated[int, tyro.conf.Positional]
    """The step after the last to keep."""

    def __call__(self) -> int:
        """Trim it."""
        with self.open() as dataset:
            new = dataset.trim(self.episode, self.start, self.stop)
        if new == self.episode:
            print(f"{self.episode} has these steps and no others; nothing was changed")
        else:
            print(f"{new} has {self.stop - self.start} steps; {self.episode} is in the trash: undelete brings it back")
        return 0


@COMMANDS.register("episodes tag")
@dataclass(frozen=True)
class EpisodesTag(DatasetOptions):
    """Add or remove tags of episodes, write a note, or correct how they ended.

    Example:
        robo-rlhf episodes tag pick_place-3000007 --add gentle --outcome success --dataset samples/pick_place
    """

    episodes: Ids
    """Their ids."""
    add: tuple[str, ...] = ()
    """Tags to add."""
    remove: tuple[str, ...] = ()
    """Tags to remove."""
    note: str | None = None
    """A note that replaces the one there is."""
    outcome: Outcome | None = None
    """How they ended."""

    def __call__(self) -> int:
        """Change all of them, or none where an id is unknown."""
        with self.open() as dataset:
            for episode in self.episodes:
                dataset.info(episode)
            for episode in self.episodes:
                dataset.tag(episode, *self.add)
                dataset.untag(episode, *self.remove)
                if self.note is not None:
                    dataset.note(episode, self.note)
                if self.outcome is not None:
                    dataset.set_outcome(episode, self.outcome)
        print(f"changed {len(self.episodes)} episodes")
        return 0


@COMMANDS.register("episodes recover")
@dataclass(frozen=True)
class EpisodesRecover(DatasetOptions):
    """Close journals that crashes left in a dataset, as opening it always does, and list them.

    Example:
        robo-rlhf episodes recover --dataset monday --json
    """

    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print one row a journal that was found."""
        with self.open() as dataset:
            found = dataset.recovery
        rows = [{"what": "recovered", "name": name} for name in found.recovered]
        rows += [{"what": "being recorded", "name": name} for name in found.live]
        rows += [{"what": "problem", "name": problem} for problem in found.problems]
        print_rows(rows, as_json=self.json, empty="Nothing to recover: every episode was closed.")
        return CorruptFileError.exit_code if found.problems else 0


@COMMANDS.register("episodes render")
@dataclass(frozen=True)
class EpisodesRender(DatasetOptions):
    """Render an episode again as a clip, from any camera of its scene.

    Example:
        robo-rlhf episodes render pick_place-3000007 --camera wrist --quality fine --dataset samples/pick_place
    """

    episode: Id
    """Its id."""
    out: Path = Path("clip.mp4")
    """The file to write."""
    camera: str = "front"
    """Which camera of the scene."""
    width: int = 320
    """Width of the picture [pixels]."""
    height: int = 240
    """Height of the picture [pixels]."""
    speed: float = 1.0
    """How much faster than the robot moved."""
    quality: Literal["fast", "fine"] = "fast"
    """fine has shadows and smooth edges."""
    looks: int = 0
    """Show it in so many looks beside each other, as `train bc --looks` draws it; 0: one clip of the scene as it is."""

    def __call__(self) -> int:
        """Write the clip."""
        if self.speed <= 0:
            raise InvalidValueError("--speed", str(self.speed), "more than 0")
        if not 0 <= self.looks <= MOST_LOOKS:
            raise InvalidValueError("--looks", self.looks, f"0 to {MOST_LOOKS}: they are shown beside each other")
        from robo_rlhf.episodes.access import access_of
        from robo_rlhf.sim.rendering.clips import render_clip, render_looks
        from robo_rlhf.sim.rendering.video import encode_mp4

        with self.open() as dataset:
            episode = dataset.load(self.episode)
        access, fps = access_of(episode, dataset.path), round(self.speed / episode.meta.control_dt)
        if self.looks:
            access.require_state()
            render_looks(access.scene, episode.state, self.out, self.looks, self.camera, self.width, self.height, fps)
            print(f"wrote {self.out}")
            return 0
        if access.show != "state":
            frames = access.frames(range(len(episode) + 1), self.camera, self.width, self.height)
            write_atomic(self.out, encode_mp4(frames, fps))
            print(f"wrote {self.out}")
            return 0
        render_clip(
            access.scene,
            episode.state,
            self.out,
            camera=self.camera,
            width=self.width,
            height=self.height,
            fps=fps,
            quality=self.quality,
        )
        print(f"wrote {self.out}")
        return 0


def _row(info: "EpisodeInfo") -> dict[str, object]:
    meta = info.meta
    return {
        "id": meta.id,
        "task": meta.task,
        "outcome": meta.outcome,
        "steps": info.length,
        "seconds": round(info.duration, 3),
        "operator": meta.operator,
        "device": meta.device,
        "tags": list(meta.tags),
        "started": meta.started,
        "kb": round(info.size / 1e3, 1),
    }
