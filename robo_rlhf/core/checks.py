"""Validation of text and numbers from users: one check for each meaning, for all commands and the station.

Text comes from the command line, the environment, files and requests. Every name that becomes a path is checked here,
so that none leads out of the data home, and what one command accepts, every other command and list accepts too.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from robo_rlhf.core.errors import InvalidValueError

LARGEST_SEED = 2**31 - 1  # every library that is given one takes so many, and so does every table
LARGEST_INT = 2**53  # [1] whole numbers that JSON carries exactly
LONGEST_PART, MOST_PARTS = 200, 8  # [bytes] of one folder's name, so that suffixes fit; folders below the data home
RUNS, SAMPLES = "runs", "samples"  # in the data home
NOT_DATASETS = (RUNS, "cache")  # folders of the data home that hold other things than datasets
_ARENA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,79}")
INSIDE_DATASETS = ("episodes", "journal", "trash", "quarantine", "videos")  # folders of a dataset, see `data.layout`


@dataclass(frozen=True)
class Meant:
    """The meaning of an option, as metadata of its type: `check` raises for an invalid value."""

    check: Callable[[str, object], None]


def check_text(what: str, given: object) -> None:
    """Refuse text that cannot be stored: invalid Unicode, and NUL.

    Raises:
        InvalidValueError: the text is such.
    """
    text = str(given)
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InvalidValueError(what, ascii(text[:80]), "text in UTF-8 without NUL")


def check_number(what: str, given: float) -> None:
    """Refuse a value that is not a finite number, or is too large.

    Raises:
        InvalidValueError: it is not finite, or beyond 2^53.
    """
    if not math.isfinite(given):
        raise InvalidValueError(what, given, "a finite number")
    if isinstance(given, int) and abs(given) > LARGEST_INT:
        raise InvalidValueError(what, given, f"a whole number up to {LARGEST_INT}")


def in_range(fits: Callable[[float], bool], wanted: str) -> Meant:
    """Return the check of a number's range, with the words for what fits; NaN is outside of all."""

    def check(what: str, given: object) -> None:
        if not (isinstance(given, int | float) and fits(given)):
            raise InvalidValueError(what, given, wanted)

    return Meant(check)


def at_least(low: float, wanted: str = "") -> Meant:
    """Return the check of a range from `low` on."""
    return in_range(lambda value: value >= low, wanted or f"at least {low}")


def above(low: float, wanted: str = "") -> Meant:
    """Return the check of a range above `low`."""
    return in_range(lambda value: value > low, wanted or f"more than {low}")


def within(low: float, high: float, wanted: str = "") -> Meant:
    """Return the check of a range from `low` to `high`, both of them in it."""
    return in_range(lambda value: low <= value <= high, wanted or f"a number from {low} to {high}")


def below(high: float, wanted: str = "") -> Meant:
    """Return the check of a range from 0 to less than `high`."""
    return in_range(lambda value: 0 <= value < high, wanted or f"a number from 0 to less than {high}")


@dataclass(frozen=True)
class CheckedSettings:
    """Settings whose fields carry their checks as metadata of their types: `updates: Count = 100`.

    They are checked whenever settings are made, from the command line, files and code alike; None is never checked.
    """

    LABEL: ClassVar[str] = "{}"
    """What an error calls a field."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InvalidValueError: one is outside its range.
            UnknownNameError: one names nothing in its registry.
        """
        for name, checks in _checks_of(type(self)):  # type: ignore[arg-type]  # a class is hashable
            value = getattr(self, name)
            for check in checks if value is not None else ():
                check(self.LABEL.format(name), value)


@cache
def _checks_of(kind: type[CheckedSettings]) -> tuple[tuple[str, tuple[Callable[[str, object], None], ...]], ...]:
    """Return the checks of each field that has some."""
    hints = get_type_hints(kind, include_extras=True)
    found = (
        (name, tuple(extra.check for extra in extras_of(hint) if hasattr(extra, "check")))
        for name, hint in hints.items()
    )
    return tuple((name, checks) for name, checks in found if checks)


def extras_of(hint: object) -> tuple[Any, ...]:
    """Return the metadata of a type that is `Annotated`; none of another."""
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def check_seed(what: str, given: object) -> None:
    """Refuse an invalid seed.

    Raises:
        InvalidValueError: it is not from 0 to 2^31 - 1.
    """
    if not (isinstance(given, int) and 0 <= given <= LARGEST_SEED):
        raise InvalidValueError(what, given, f"a seed from 0 to {LARGEST_SEED}")


def check_dataset(what: str, given: object) -> None:
    """Refuse an invalid name of a dataset: folders with slashes between them, below the data home.

    Raises:
        InvalidValueError: it is empty, leads out of the data home, or would be hard to type.
    """
    if not is_well_formed(str(given)):
        expected = f"a name below the data home such as kitchen/monday: at most {MOST_PARTS} parts with slashes between"
        raise InvalidValueError(what, _shown(given), f"{expected}, {_PLAIN}")


def is_well_formed(name: str) -> bool:
    """Whether a text is the name of something in folders below the data home."""
    parts = name.split("/")
    return len(parts) <= MOST_PARTS and all(map(_is_plain, parts))


def is_dataset_name(name: str) -> bool:
    """Whether a text is a name under which a dataset is listed: not one of a run."""
    return is_well_formed(name) and name.partition("/")[0] not in NOT_DATASETS


def check_new_dataset(what: str, given: object) -> None:
    """Refuse an invalid name for a new dataset, which every list will show.

    Raises:
        InvalidValueError: as `check_dataset`; or it would lie among the runs, or within a dataset.
    """
    check_dataset(what, given)
    inner = str(given).split("/")[1:]
    if not is_dataset_name(str(given)) or any(part in INSIDE_DATASETS for part in inner):
        beyond = f"a name that does not begin with {' or '.join(f'{name}/' for name in NOT_DATASETS)}"
        raise InvalidValueError(what, _shown(given), f"{beyond}, and no {', '.join(INSIDE_DATASETS)} behind a slash")


def check_run(what: str, given: object) -> None:
    """Refuse an invalid name of a run, which becomes a folder among the runs of the data home.

    Raises:
        InvalidValueError: it has a slash, is empty, leads elsewhere, or would be hard to type.
    """
    if not _is_plain(str(given)):
        raise InvalidValueError(what, _shown(given), f"a name without slashes, {_PLAIN}; it becomes a folder")


def check_arena(what: str, given: object) -> None:
    """Refuse an invalid name of an arena: it is also part of addresses.

    Raises:
        InvalidValueError: it has other characters, or is too long.
    """
    if not _ARENA.fullmatch(str(given)):
        expected = "1 to 80 letters, digits and . _ + = -, the first a letter or digit"
        raise InvalidValueError(what, _shown(given), expected)


def check_port(what: str, given: object) -> None:
    """Refuse an invalid port.

    Raises:
        InvalidValueError: it is not from 0 to 65535.
    """
    if not (isinstance(given, int) and 0 <= given < 2**16):
        raise InvalidValueError(what, given, "0 (any that is free) to 65535")


def check_url(what: str, given: object) -> None:
    """Refuse an invalid address of a web server.

    Raises:
        InvalidValueError: it has another form than http://NAME or https://NAME, a port and a path where there are.
    """
    text = str(given)
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        fits = False
    if not fits or not text.isprintable() or " " in text:
        raise InvalidValueError(what, _shown(text), "an address such as https://station.example:8600")


_PLAIN = "of letters, digits, signs and spaces within, none beginning with a dot"


def _is_plain(part: str) -> bool:
    """Whether a text can be one folder's name that people can see and type."""
    fits = 0 < len(part.encode(errors="replace")) <= LONGEST_PART and part == part.strip() and part.isprintable()
    return fits and part[0] != "." and "/" not in part and "\\" not in part


def _shown(given: object) -> str:
    return repr(str(given)[:80]) if str(given).isprintable() else ascii(str(given)[:80])


Count = Annotated[int, at_least(1)]
WholeNumber = Annotated[int, at_least(0, "0 or more")]
Positive = Annotated[float, above(0)]
NotNegative = Annotated[float, at_least(0, "0 or more")]
Share = Annotated[float, within(0, 1)]
Seed = Annotated[int, Meant(check_seed)]
DatasetName = Annotated[str, Meant(check_dataset)]
NewDataset = Annotated[str, Meant(check_new_dataset)]
RunName = Annotated[str, Meant(check_run)]
ArenaName = Annotated[str, Meant(check_arena)]
MaybePort = Annotated[int | None, Meant(check_port)]
Url = Annotated[str, Meant(check_url)]
