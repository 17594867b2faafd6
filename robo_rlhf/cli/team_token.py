"""`robo-rlhf team token`: API tokens of a person's programs."""

from dataclasses import dataclass

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.table import Moment, cell_text, print_rows
from robo_rlhf.cli.team import BY, Name, named
from robo_rlhf.core.errors import InvalidValueError


@COMMANDS.register("team token")
@dataclass(frozen=True)
class TeamToken(DatabaseOptions):
    """List the tokens of a person's programs, the administrator's where none is named; or make one, or revoke one.

    A program sends its token with each request: `Authorization: Bearer rlhf_...`. It may do what its role may, and
    never more than the person. It is shown once, when it is made: only a digest of it is kept.

    Example:
        robo-rlhf team token anna
        robo-rlhf team token anna --create "nightly export" --role operator --days 30
        robo-rlhf team token anna --revoke 3
    """

    name: Name = ""
    """Name of the person; the administrator where empty."""
    create: str = ""
    """Make one: what it is for, in a few words."""
    role: str = ""
    """Role of the new token: annotator, operator or administrator; the role of the person where empty."""
    days: float = 90.0
    """Lifetime of the new token [days], at most 366."""
    revoke: int | None = None
    """Revoke the token with this number."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Make one, revoke one, or print a row each."""
        if self.create and self.revoke is not None:
            raise InvalidValueError("team token", "--create and --revoke", "one of them")
        if self.create:
            return self.make()
        with self.accounts() as people:
            person = named(people, self.name)
            if self.revoke is not None:
                ended = people.tokens.revoke(self.revoke, person=person, by=BY)
                print(f"token {ended.number} ({ended.name}) of {person.name} is revoked")
                return 0
            rows = [
                {
                    "number": token.number,
                    "name": token.name,
                    "role": token.acting.role,
                    "state": "disabled" if token.person.disabled else token.state,
                    "made": Moment.of(token.created),
                    "expires": Moment.of(token.expires),
                    "last used": Moment.of(token.used),
                    "from": token.address or None,
                }
                for token in people.tokens.list(person)
            ]
        empty = f"{person.name} has no tokens; make one with --create."
        print_rows(rows, as_json=self.json, empty=empty)
        return 0

    def make(self) -> int:
        """Make a token and print it."""
        with self.accounts() as people:
            person = named(people, self.name)
            role = self.role or person.role
            secret, token = people.tokens.create(person, self.create, role, days=self.days, by=BY)  # type: ignore[arg-type]
        if self.json:
            row = {"number": token.number, "name": token.name, "role": token.role, "expires": token.expires}
            print_rows([{**row, "token": secret}], as_json=True)
        else:
            until = cell_text(Moment(token.expires))
            print(f"token {token.number} ({token.name}) of {person.name}, {token.role}, until {until} UTC")
            print("It is shown this once:")
            print(secret)
        return 0
