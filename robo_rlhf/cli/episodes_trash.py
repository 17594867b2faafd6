"""`robo-rlhf episodes delete`, `undelete` and `purge`: the trash of a dataset."""

import sys
from dataclasses import dataclass

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.where import DatasetOptions, Ids, trash_rows
from robo_rlhf.core.errors import InvalidValueError


@COMMANDS.register("episodes delete")
@dataclass(frozen=True)
class EpisodesDelete(DatasetOptions):
    """Move episodes to the trash of their dataset, from where undelete brings them back.

    Example:
        robo-rlhf episodes delete pick_place-3000007 --dataset samples/pick_place
    """

    episodes: Ids
    """Their ids."""

    def __call__(self) -> int:
        """Delete all of them, or none where an id is unknown."""
        with self.open() as dataset:
            for episode in self.episodes:
                dataset.require(episode)
            with self.logged("episodes deleted") as done:
                for episode in self.episodes:
                    dataset.delete(episode)
                    done.append(episode)
        print(f"moved {len(self.episodes)} episodes to the trash")
        return 0


@COMMANDS.register("episodes undelete")
@dataclass(frozen=True)
class EpisodesUndelete(DatasetOptions):
    """Bring back the newest version of episodes from the trash: deleted ones, and what trimmed ones were.

    Example:
        robo-rlhf episodes undelete pick_place-3000007 --dataset samples/pick_place
    """

    episodes: Ids
    """Their ids."""

    def __call__(self) -> int:
        """Bring them back."""
        with self.open() as dataset, self.logged("episodes restored") as done:
            for episode in self.episodes:
                dataset.undelete(episode)
                done.append(episode)
        print(f"brought back {len(self.episodes)} episodes")
        return 0


@COMMANDS.register("episodes purge")
@dataclass(frozen=True)
class EpisodesPurge(DatasetOptions):
    """Empty the trash of a dataset for good, or delete only some episodes from it.

    Shows first what would go and how much room that makes, and asks. What trimmed episodes were lies in the trash too:
    without it, answers about steps of theirs no longer count.

    Example:
        robo-rlhf episodes purge --dataset pick_place
    """

    episodes: Ids = ()
    """Their ids; all that is in the trash where none is given."""
    yes: bool = False
    """Do not ask."""
    json: bool = False
    """Print JSON: one object an episode that is gone. Asks nothing, so it needs --yes."""

    def __call__(self) -> int:
        """Show, ask, delete."""
        with self.open() as dataset:
            items = dataset.trashed(self.episodes or None)
            room = f"{sum(item.size for item in items) / 1e6:.1f} MB"
            if items and not self.yes:
                self._check_terminal()
                print_rows(trash_rows(items), as_json=False, title=f"{len(items)} episodes in the trash, {room}")
                if not _agreed("Delete them for good? [y/N] "):
                    print("nothing was deleted")
                    return 0
            with self.logged("episodes purged") as done:
                gone = dataset.purge([item.id for item in items])
                done.extend(item.id for item in gone)
        if self.json or not gone:
            print_rows(trash_rows(gone), as_json=self.json, empty="The trash is empty.")
        else:
            print(f"deleted {len(gone)} episodes for good; that makes {room} of room")
        return 0

    def _check_terminal(self) -> None:
        """Refuse to delete unasked."""
        if self.json or not sys.stdin.isatty():
            raise InvalidValueError("emptying the trash", "nobody to ask", "--yes where nothing can be asked")


def _agreed(question: str) -> bool:
    """Ask; no answer is no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
