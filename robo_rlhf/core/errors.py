"""The project's exceptions: errors that a user can cause, each with one clear sentence.

Every exception builds its own message from the given value, the expected one and advice,
so that the text is the same wherever the mistake is made, and can be tested in one place.
`exit_code` is what the `robo-rlhf` command returns.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

SHOWN = 200  # characters of a given value that a message repeats


def shown(given: object) -> str:
    """Return a given value as a message shows it: of a long text the beginning and the end."""
    text = str(given)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 60]} ... {text[-40:]} ({len(text):,} characters)"


class RoboRlhfError(Exception):
    """Base of all errors that a user can cause."""

    exit_code = 1
    LONGEST: ClassVar = 1500  # characters: given values may be of any length, and the advice is at the end

    def __init__(self, message: str) -> None:
        """Keep the message, the middle of a long one left out."""
        half = self.LONGEST // 2
        super().__init__(message if len(message) <= self.LONGEST else f"{message[:half]} ... {message[-half:]}")


class FileWarning(UserWarning):
    """Something about a file is not as it should be; the rest of it, or of its folder, is used."""


class UnknownNameError(RoboRlhfError):
    """A task, policy, device, ... that is not registered; suggests the nearest."""

    exit_code = 2

    def __init__(self, kind: str, given: str, choices: Iterable[str]) -> None:
        """Name the `kind` of thing, what was `given` and the valid `choices`."""
        self.kind, self.given, self.choices = kind, given, tuple(sorted(choices))
        near = difflib.get_close_matches(given[:SHOWN].lower(), self.choices, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(
            f"Unknown {kind} {shown(repr(given))}.{hint} Choose one of: {', '.join(self.choices) or '(none)'}."
        )


class InvalidValueError(RoboRlhfError):
    """A value outside what is allowed."""

    exit_code = 2

    def __init__(self, what: str, given: object, expected: str) -> None:
        """Say `what` was wrong, what was `given`, and what was `expected`."""
        super().__init__(f"{shown(what)}: expected {expected}, got {shown(given)}.")


class ShapeError(InvalidValueError):
    """An array of the wrong shape."""

    def __init__(self, what: str, expected: tuple[object, ...], given: tuple[int, ...]) -> None:
        """Name the array and give both shapes; `expected` may hold names for free axes."""
        super().__init__(what, f"shape {given}", f"shape ({', '.join(map(str, expected))})")


class VersionError(RoboRlhfError):
    """A folder or file written by another version of the format."""

    exit_code = 3

    def __init__(self, path: Path, found: object, expected: object, advice: str) -> None:
        """Name the `path`, the version `found` and `expected`, and what to do."""
        super().__init__(f"{path} has format version {found}, this program reads version {expected}. {advice}")


class CorruptFileError(RoboRlhfError):
    """A file that cannot be read back: truncated, flipped bits, not what its name says."""

    exit_code = 4

    def __init__(self, path: Path, reason: str, advice: str) -> None:
        """Name the file, why it cannot be read, and what was or can be done."""
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read ({reason}). {advice}")


class NotFoundError(RoboRlhfError):
    """A dataset, episode, run or checkpoint that does not exist."""

    exit_code = 5

    def __init__(self, what: str, given: object, advice: str) -> None:
        """Say `what` was looked for, the name `given`, and what to do next."""
        super().__init__(f"No {what} {shown(repr(str(given)))}. {advice}")


class CheckpointMismatchError(RoboRlhfError):
    """A checkpoint made for another task or another network."""

    exit_code = 6

    def __init__(self, path: Path, expected: str, found: str) -> None:
        """Name the checkpoint and what differs; put the shapes into both texts."""
        super().__init__(
            f"Checkpoint {path} does not fit: expected {expected}, it holds {found}. "
            "Train one for this task or name another."
        )


class DiskFullError(RoboRlhfError):
    """Too little disk space to continue without losing something."""

    exit_code = 7

    def __init__(self, path: Path, needed: int, free: int) -> None:
        """Give the folder and both sizes in bytes."""
        need = f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        self.what = f"The disk of {path} is almost full: {need}."
        super().__init__(f"{self.what} Nothing was lost; make room and run the same command again.")


class DiskError(RoboRlhfError, OSError):
    """A disk that accepts no data, or does not confirm that it is stored: broken, read-only or gone."""

    exit_code = 15

    def __init__(self, path: Path, error: OSError) -> None:
        """Name the file or folder, and the system's error for it."""
        self.reason: str = error.reason if isinstance(error, DiskError) else error.strerror or str(error)
        self.what = f"{path} cannot be written ({self.reason[:1].lower()}{self.reason[1:]})."
        super().__init__(f"{self.what} Only data that was confirmed as stored is safe; check the disk and try again.")
        self.errno = error.errno

    def __str__(self) -> str:
        """Return the sentence, without the number and the text of the system."""
        return str(self.args[0])


class NonFiniteError(RoboRlhfError):
    """NaN or infinity out of a policy, a reward model or the simulator."""

    exit_code = 8

    def __init__(self, what: str, where: str, advice: str) -> None:
        """Say `what` was not finite, `where` it was met and what happened to the data."""
        self.what = what
        super().__init__(f"{what} is not finite ({where}). {advice}")


class MissingDependencyError(RoboRlhfError):
    """A library, program, permission or piece of hardware that is not there."""

    exit_code = 9

    def __init__(self, what: str, needed_for: str, advice: str) -> None:
        """Say `what` is missing, what it is `needed_for` and how to get it."""
        super().__init__(f"{what} is missing; {needed_for} needs it. {advice}")


class ConflictError(RoboRlhfError):
    """Something with the same name or key is there already, and differs."""

    exit_code = 10

    def __init__(self, what: str, why: str) -> None:
        """Say `what` was sent and `why` it cannot be taken."""
        super().__init__(f"Conflict for {shown(what)}: {why}. Nothing was changed.")


class RemoteError(RoboRlhfError):
    """A place at a URL refuses, cannot be reached, or gives something else than what was sent."""

    exit_code = 20

    def __init__(self, url: str, what: str, why: str) -> None:
        """Say which `url`, `what` of it and `why`."""
        about = f" ({shown(what)})" if what else ""
        super().__init__(
            f"{shown(url)}{about}: {shown(why).rstrip('.')}. What arrived stays; the same command continues."
        )


class ClusterError(RoboRlhfError):
    """A cluster that is not there, cannot be used, or has lost a piece of work too often."""

    exit_code = 21

    def __init__(self, address: str, why: str, advice: str) -> None:
        """Say which `address`, `why` it cannot be used and what to do."""
        super().__init__(f"The cluster at {shown(address)} cannot be used: {why.rstrip('.')}. {advice}")


class BusyError(RoboRlhfError):
    """Something that another program holds."""

    exit_code = 11

    def __init__(self, what: str, why: str) -> None:
        """Say `what` is busy and `why`."""
        super().__init__(f"{what} is busy: {why}. Nothing was changed; try again.")


class DatabaseError(RoboRlhfError):
    """A database that cannot be opened, or not be written."""

    def __init__(self, name: str, why: str, advice: str) -> None:
        """Name the database, without its password, say `why` and what to do."""
        super().__init__(f"The database {name} cannot be used: {why}. {advice}")


class WorkerDiedError(RoboRlhfError):
    """A worker process that ended over a piece of work, or gave no answer in time and was ended."""

    exit_code = 12

    def __init__(self, what: str, work: str, how: str, *, late: bool = False, place: str = "") -> None:
        """Say `what` the worker does, the piece of `work`, and `how` the process was lost.

        `late`: time was over. `place`: where in a user's own file it was, if that is known.
        """
        self.how, self.late, self.place = how, late, place
        advice = "It may lack memory, or its driver may be broken: ask for less at once, and run robo-rlhf doctor."
        if late:
            advice = (
                "It was ended, and a new one takes what comes next. "
                "The machine may be overloaded: ask for less at once, or try again."
            )
        if place and not late:
            advice = "The fault is in that file: robo-rlhf check MODULE:THING tries it."
        super().__init__(f"The worker process for {what} {how} over: {shown(work)}. {advice}")


class SignInError(RoboRlhfError):
    """Access is denied to a user."""

    exit_code = 13

    def __init__(self, why: str, advice: str = "Try again, or ask an administrator.", *, wait: float = 0.0) -> None:
        """Say `why`, what to do, and how many seconds to `wait` where the next try makes sense only then."""
        self.wait = wait
        super().__init__(
            f"Not signed in: {why}. {f'Wait {max(round(wait), 1)} s and try again.' if wait > 0 else advice}"
        )


class TokenError(RoboRlhfError):
    """A program's token that is not accepted."""

    exit_code = 13
    WHY: ClassVar = {
        "unknown": "it is not known here. Copy it once more, or make a new one",
        "revoked": "it was revoked. Make a new one",
        "expired": "it is too old. Make a new one",
        "disabled": "its person is disabled. Ask an administrator",
        "malformed": "it has no form that a token has. The header is: Authorization: Bearer rlhf_...",
    }

    def __init__(self, state: str, *, wait: float = 0.0) -> None:
        """Say what is wrong with the token, and how many seconds to `wait` where too many were tried."""
        self.state, self.wait = state, wait
        if wait > 0:
            text = f"too many invalid tokens were sent. Wait {max(round(wait), 1)} s and try again"
        else:
            text = self.WHY[state]
        super().__init__(f"The token is not accepted: {text}. Nothing was changed.")


class TooOftenError(RoboRlhfError):
    """A request that a user has made too often lately."""

    exit_code = 14

    def __init__(self, what: str, wait: float) -> None:
        """Say `what` there was too much of, and how many seconds to `wait`."""
        self.wait = wait
        super().__init__(f"Too many {what}. Nothing was changed; wait {max(round(wait), 1)} s and try again.")


class NotNowError(RoboRlhfError):
    """Something that cannot be done in the present state; the raising code knows what prevents it, and until when."""

    exit_code = 14

    def __init__(self, what: str, advice: str) -> None:
        """Say in one sentence `what` prevents it, and in another what to do."""
        super().__init__(f"{what.rstrip('.')}. {advice}")


class ConsentNeededError(RoboRlhfError):
    """A person who has not agreed to the team's consent text, without which nothing is asked of them."""

    exit_code = 19

    def __init__(self, person: str) -> None:
        """Name the `person`."""
        where = "Read it on the station's page /consent; no question is handed out before."
        super().__init__(f"{shown(person)} has not agreed to the team's consent text as it is now. {where}")


class EnvironmentFaultError(RoboRlhfError):
    """An outside environment that gave what it may not give, or raised, so often or so early that nothing is left."""

    exit_code = 16

    def __init__(self, what: str, advice: str = "Mend the environment and run the same command again.") -> None:
        """Say in a sentence `what` the environment did, and in another what to do."""
        super().__init__(f"{what.rstrip('.')}. {advice}")


class NotAllowedError(RoboRlhfError):
    """A thing of a module that a file names, and nothing allows to be imported."""

    exit_code = 17

    def __init__(self, what: str, name: str, module: str) -> None:
        """Say `what` it is, its `name`, and the `module` that it needs."""
        self.module = module
        super().__init__(
            f"The {what} {shown(repr(name))} is code of the module {shown(module)}, which nothing allows here. "
            f"If you trust it, add --allow {shown(module)}, or set ROBO_RLHF_ALLOW={shown(module)}."
        )


class GuestError(RoboRlhfError):
    """A thing of a user's own that cannot be imported, or does not keep the contract of its kind."""

    exit_code = 18

    def __init__(self, what: str, why: str, advice: str = "Mend it and run the same command again.") -> None:
        """Name the thing, say `why` it is not taken, with file and line, and what to do."""
        super().__init__(f"The {what} cannot be used: {why.rstrip('.')}. {advice}")
