"""`robo-rlhf episodes push|pull`: datasets to a place at a URL, and from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.core.checks import Meant, check_dataset, check_new_dataset
from robo_rlhf.core.files import data_home, find_dataset, new_dataset


def remote(what: str, given: object) -> None:
    """Refuse an invalid URL; raises as `check_remote`."""
    from robo_rlhf.remote.place import check_remote  # loads fsspec

    check_remote(what, given)


Url = Annotated[str, tyro.conf.Positional, Meant(remote)]


@COMMANDS.register("episodes push")
@dataclass(frozen=True)
class EpisodesPush:
    """Send the closed episodes of a dataset to a folder at a URL: an S3 bucket, a file server, a disk.

    What is there already is not sent again; several may send to one place. A library such as s3fs serves each kind of
    URL, and finds credentials in the environment or the provider's own files. What was stopped is continued by the same
    command.

    Example:
        robo-rlhf episodes push kitchen s3://lab-robots/kitchen
        robo-rlhf episodes push kitchen /mnt/lab/kitchen --replace
    """

    stopped: ClassVar = CONTINUES

    dataset: Annotated[str, tyro.conf.Positional, Meant(check_dataset)]
    """Name of the dataset in the data home, such as samples/pick_place."""
    url: Url
    """Where to: a folder of its own, such as s3://bucket/kitchen."""
    replace: bool = False
    """Send episodes that are there with another content, too."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Send them."""
        from robo_rlhf.data.reader import Reader
        from robo_rlhf.remote.copying import push_dataset
        from robo_rlhf.remote.place import RemotePlace

        folder = find_dataset(data_home(self.home), self.dataset)
        Reader(folder)  # refuses what is no dataset
        with progress_bar(f"files to {self.url}") as tell:
            new = push_dataset(
                folder, RemotePlace(self.url), lambda done, all_: tell(done, all_, {}), replace=self.replace
            )
        print(f"sent {new} files to {self.url}")
        return 0


@COMMANDS.register("episodes pull")
@dataclass(frozen=True)
class EpisodesPull:
    """Fetch the episodes that a dataset lacks from where `episodes push` sent them; each is checked by its hash.

    Example:
        robo-rlhf episodes pull s3://lab-robots/kitchen kitchen
    """

    stopped: ClassVar = CONTINUES

    url: Url
    """Where from."""
    dataset: Annotated[str, tyro.conf.Positional, Meant(check_new_dataset)]
    """Name of the dataset in the data home, which is made where it is missing."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Fetch them."""
        from robo_rlhf.remote.copying import pull_dataset
        from robo_rlhf.remote.place import RemotePlace

        home = data_home(self.home)
        folder = new_dataset(home, self.dataset)
        with progress_bar(f"files from {self.url}") as tell:
            new = pull_dataset(RemotePlace(self.url), folder, lambda done, all_: tell(done, all_, {}))
        print(f"fetched {new} files into {self.dataset}")
        return 0
