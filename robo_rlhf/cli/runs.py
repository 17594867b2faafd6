"""`robo-rlhf runs push|pull`: finished runs to a place at a URL, and from it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.episodes_remote import Url
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.core.checks import Meant, RunName, check_run
from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.files import data_home, run_folder


@COMMANDS.register("runs push")
@dataclass(frozen=True)
class RunsPush:
    """Send a finished run, with its checkpoints, clips and report, to a folder at a URL.

    Example:
        robo-rlhf runs push pick_place-0 s3://lab-robots/runs/pick_place-0
    """

    stopped: ClassVar = CONTINUES

    run: Annotated[str, tyro.conf.Positional, Meant(check_run)]
    """Name of the run."""
    url: Url
    """Where to: a folder of its own."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Send it."""
        from robo_rlhf.remote.copying import push_run
        from robo_rlhf.remote.place import RemotePlace

        folder = run_folder(data_home(self.home), self.run)
        if not (folder / "config.json").exists():
            raise NotFoundError("run", self.run, f"There is none in {folder.parent}.")
        with progress_bar(f"files to {self.url}") as tell:
            new = push_run(folder, RemotePlace(self.url), lambda done, all_: tell(done, all_, {}))
        print(f"sent {new} files to {self.url}")
        return 0


@COMMANDS.register("runs pull")
@dataclass(frozen=True)
class RunsPull:
    """Fetch a finished run from where `runs push` sent it; it appears when all of it is here, checked by hash.

    Example:
        robo-rlhf runs pull s3://lab-robots/runs/pick_place-0
        robo-rlhf runs pull s3://lab-robots/runs/pick_place-0 --run theirs
    """

    stopped: ClassVar = CONTINUES

    url: Url
    """Where from."""
    run: RunName = ""
    """Name of the run here; the last part of the URL where empty."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Fetch it."""
        from robo_rlhf.remote.copying import pull_run
        from robo_rlhf.remote.place import RemotePlace

        home = data_home(self.home)
        folder = run_folder(home, self.run or self.url.rstrip("/").rpartition("/")[2])
        aside = home / "cache" / "pulled" / hashlib.sha256(f"{self.url} {folder.name}".encode()).hexdigest()[:32]
        with progress_bar(f"files from {self.url}") as tell:
            new = pull_run(RemotePlace(self.url), folder, aside, lambda done, all_: tell(done, all_, {}))
        print(f"fetched {new} files into {folder}")
        return 0
