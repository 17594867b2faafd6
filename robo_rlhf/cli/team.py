"""`robo-rlhf team`: who may use the station, and how they get in."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.errors import InvalidValueError
from robo_rlhf.files import data_home

if TYPE_CHECKING:
    from robo_rlhf.feedback.people import People

Name = Annotated[str, tyro.conf.Positional]


@dataclass(frozen=True, kw_only=True)
class _Team:
    """Where the accounts are."""

    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    @contextmanager
    def open(self) -> "Iterator[People]":
        """Open the accounts."""
        from robo_rlhf.feedback.people import People

        people = People(data_home(self.home).absolute() / "feedback.db")
        try:
            yield people
        finally:
            people.close()


@COMMANDS.register("team password")
@dataclass(frozen=True)
class TeamPassword(_Team):
    """Set the password of a person, the administrator where none is named; their browsers are signed out.

    The password is asked for, or read from the first line of the standard input.

    Example:
        robo-rlhf team password
        robo-rlhf team password anna
    """

    name: Name = ""
    """Whose password; the administrator's where empty."""

    def __call__(self) -> int:
        """Ask for it and set it."""
        with self.open() as people:
            name = people.get(self.name).name if self.name else people.administrator().name
            people.set_password(name, ask_password(name), by="robo-rlhf team")
        print(f"{name} signs in with the new password from now on")
        return 0


@COMMANDS.register("team link")
@dataclass(frozen=True)
class TeamLink(_Team):
    """Print a link that signs in a person once, the administrator where none is named.

    It works for twelve hours, at a station over the same data home.

    Example:
        robo-rlhf team link --url http://127.0.0.1:8600
        robo-rlhf team link anna --url https://station.example
    """

    name: Name = ""
    """Who is signed in; the administrator where empty."""
    url: str = "http://127.0.0.1:8600"
    """Where the station is reached."""

    def __call__(self) -> int:
        """Make it and print it."""
        with self.open() as people:
            person = people.get(self.name) if self.name else people.administrator()
            token = people.sessions.link(person, by="robo-rlhf team")
        print(f"{self.url.rstrip('/')}/enter#{token}")
        return 0


def ask_password(name: str) -> str:
    """Return a new password: typed twice, or the first line of the standard input where that is no terminal.

    Raises:
        InvalidValueError: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise InvalidValueError("password", "two different ones", "the same twice")
    return password
