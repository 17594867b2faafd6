"""`robo-rlhf team`: accounts of the station, invitations, passwords and sign-in links."""

import getpass
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.station_address import noted_address
from robo_rlhf.cli.table import Moment, print_rows
from robo_rlhf.core.checks import Url
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home

if TYPE_CHECKING:
    from robo_rlhf.accounts.people import People
    from robo_rlhf.accounts.roles import Person

Name = Annotated[str, tyro.conf.Positional]
BY = "robo-rlhf team"


@COMMANDS.register("team add")
@dataclass(frozen=True)
class TeamAdd(DatabaseOptions):
    """Add a person and print the link that invites them: it signs them in once, within seven days.

    An annotator answers questions; an operator also drives the robot, asks questions and writes guidelines; an
    administrator also looks after accounts and data.

    Example:
        robo-rlhf team add anna
        robo-rlhf team add bert --role operator --url https://station.example
    """

    name: Name
    """The person's name, also for signing in."""
    role: Literal["annotator", "operator", "administrator"] = "annotator"
    """What the person may do."""
    url: Url = ""
    """Address of the station; where empty that of the last one over this data home."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Add the account and print the link."""
        from robo_rlhf.accounts.web_sessions import INVITATION_LIFE, invitation

        url = self.url or noted_address(data_home(self.home))
        with self.accounts() as people:
            person = people.add(self.name, self.role, by=BY)
            token = people.sessions.link(person, INVITATION_LIFE, by=BY)
        link = f"{url.rstrip('/')}{invitation(token)}"
        if self.json:
            print_rows([{"name": person.name, "role": person.role, "link": link}], as_json=True)
        else:
            print(f"{person.name} may do what an {person.role} does. The link signs them in once, within seven days:")
            print(link)
        return 0


@COMMANDS.register("team list")
@dataclass(frozen=True)
class TeamList(DatabaseOptions):
    """List the people: what they may do, the groups they name, when they were here, and what is open.

    Example:
        robo-rlhf team list
        robo-rlhf team list --json
    """

    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print a row a person."""
        from robo_rlhf.feedback.quality.team_overview import team_overview

        with self.accounts() as people:
            members = team_overview(people)
        rows = [
            {
                "name": member.person.name,
                "role": member.person.role,
                "state": member.state,
                "groups": list(member.groups) if self.json else ", ".join(member.groups) or None,
                "last seen": Moment.of(member.seen),
                "sessions": member.sessions,
                "tokens": member.tokens,
                "answers": member.answers,
            }
            for member in members
        ]
        print_rows(rows, as_json=self.json, empty="No people yet: robo-rlhf serve makes the first account.")
        return 0


@COMMANDS.register("team disable")
@dataclass(frozen=True)
class TeamDisable(DatabaseOptions):
    """Disable a person's account: their browsers are signed out and their tokens end, at once. Their answers stay.

    Example:
        robo-rlhf team disable anna
    """

    name: Name
    """Name of the person."""

    def __call__(self) -> int:
        """Disable the account."""
        from robo_rlhf.feedback.quality.team_overview import member_of

        with self.accounts() as people:
            before = member_of(people, self.name)
            people.set_disabled(self.name, True, by=BY)
        print(f"{self.name} is let in no more; ended: {before.sessions} sessions, {before.tokens} tokens")
        return 0


@COMMANDS.register("team enable")
@dataclass(frozen=True)
class TeamEnable(DatabaseOptions):
    """Enable the account of a person who was disabled; ended sessions and tokens stay ended.

    Example:
        robo-rlhf team enable anna
    """

    name: Name
    """Name of the person."""

    def __call__(self) -> int:
        """Enable the account."""
        with self.accounts() as people:
            people.set_disabled(self.name, False, by=BY)
            has_password = people.get(self.name).has_password
        how = "with their password" if has_password else f"by a link: robo-rlhf team link {self.name}"
        print(f"{self.name} may sign in again, {how}")
        return 0


@COMMANDS.register("team password")
@dataclass(frozen=True)
class TeamPassword(DatabaseOptions):
    """Set the password of a person, the administrator where none is named; their browsers are signed out.

    The password is asked for, or read from the first line of the standard input.

    Example:
        robo-rlhf team password
        robo-rlhf team password anna
    """

    name: Name = ""
    """Name of the person; the administrator where empty."""

    def __call__(self) -> int:
        """Ask for it and set it."""
        with self.accounts() as people:
            name = named(people, self.name).name
            people.set_password(name, ask_password(name), by=BY)
        print(f"{name} signs in with the new password from now on")
        return 0


@COMMANDS.register("team link")
@dataclass(frozen=True)
class TeamLink(DatabaseOptions):
    """Print a link that signs in a person once, the administrator where none is named.

    It works for twelve hours, at a station over the same data home.

    Example:
        robo-rlhf team link
        robo-rlhf team link anna --url https://station.example
    """

    name: Name = ""
    """Name of the person to sign in; the administrator where empty."""
    url: Url = ""
    """Address of the station; where empty that of the last one over this data home."""

    def __call__(self) -> int:
        """Make it and print it."""
        url = self.url or noted_address(data_home(self.home))
        with self.accounts() as people:
            token = people.sessions.link(named(people, self.name), by=BY)
        print(f"{url.rstrip('/')}/enter#{token}")
        return 0


def named(people: "People", name: str) -> "Person":
    """Return the account with a name, the administrator's where it is empty.

    Raises:
        NotFoundError: there is none with this name.
    """
    return people.get(name) if name else people.administrator()


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
