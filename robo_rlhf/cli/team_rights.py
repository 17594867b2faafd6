"""`robo-rlhf team data`, `team erase` and `team consent`: what is stored about a person, and the team's text."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.team import BY, Name
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import data_home


@COMMANDS.register("team data")
@dataclass(frozen=True)
class TeamData(DatabaseOptions):
    """Print everything that is stored about a person, as JSON: for a person who asks for it.

    Example:
        robo-rlhf team data anna > anna.json
    """

    name: Name
    """Name of the person."""

    def __call__(self) -> int:
        """Read and print it."""
        from robo_rlhf.feedback.rights.stored import stored_about

        with self.accounts() as people, self.answers() as store:
            found = stored_about(store, people, data_home(self.home).absolute(), self.name)
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0


@COMMANDS.register("team erase")
@dataclass(frozen=True)
class TeamErase(DatabaseOptions):
    """Erase a person for good: account, name, notes, times and addresses, also in kept copies, logs and recordings.

    Reward models that learned from the person's answers stay, and say so in `erased.json` in their run's folder.

    Example:
        robo-rlhf team erase anna --answers removed
    """

    name: Name
    """Name of the person."""
    what: Annotated[Literal["anonymous", "removed"], tyro.conf.arg(name="answers")] = "anonymous"
    """Whether answers and presses stay, without a name and with their day only, or go and are asked for again."""

    def __call__(self) -> int:
        """Erase and print what was done."""
        from robo_rlhf.feedback.rights.stored import erase

        with self.accounts() as people, self.answers() as store:
            done = erase(store, people, data_home(self.home).absolute(), self.name, self.what)
        how = f"are of {done.alias}" if self.what == "anonymous" else "are removed"
        print(f"erased; answers to {done.answers} questions {how}; {done.episodes} recordings are of {done.alias}")
        if done.models:
            print(f"runs that learned from the person, and are marked: {', '.join(done.models)}")
        return 0


@COMMANDS.register("team consent")
@dataclass(frozen=True)
class TeamConsent(DatabaseOptions):
    """Set the text that everybody has to agree to before the first answer; without a file, print the one that holds.

    Example:
        robo-rlhf team consent consent.md
        robo-rlhf team consent --nobody
    """

    file: Annotated[Path | None, tyro.conf.Positional] = None
    """A file of Markdown."""
    nobody: bool = False
    """Ask nobody any more."""

    def __call__(self) -> int:
        """Write or print it."""
        from robo_rlhf.accounts.roles import Principal

        if self.file is not None and not self.file.is_file():
            raise NotFoundError("consent text", self.file, "Name a file of Markdown.")
        with self.answers() as store:
            if self.file is None and not self.nobody:
                found = store.consents.current()
                print(found.text if found else "There is no consent text.", file=sys.stdout)
                return 0
            text = "" if self.file is None else self._text(self.file)
            number = store.consents.write(text, Principal(BY)).number
        print(f"version {number}: " + ("everybody is asked before the next question" if text else "nobody is asked"))
        return 0

    @staticmethod
    def _text(file: Path) -> str:
        try:
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            raise InvalidValueError("consent text", file, "a file of Markdown in UTF-8") from None
