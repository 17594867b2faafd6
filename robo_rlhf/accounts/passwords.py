"""Password hashing and checks: argon2id with a salt each, limits of length."""

import threading
from functools import cache
from typing import TYPE_CHECKING

from robo_rlhf.core.errors import InvalidValueError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 1000  # [characters]
_at_once = threading.Semaphore(2)  # each check takes 64 MiB: many at once would take all memory


def check_strength(name: str, password: str) -> None:
    """Check that a password is strong enough.

    Raises:
        InvalidValueError: it is too short, too long, or as good as the name.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        expected = f"{SHORTEST} to {LONGEST} characters; a few words are easy to remember"
        raise InvalidValueError("password", f"{len(password)} characters", expected)
    if len(set(password)) < 4 or not password.casefold().replace(name.casefold(), ""):
        raise InvalidValueError("password", "one that is soon guessed", "words that have nothing to do with you")


def hash_password(password: str) -> str:
    """Return what is stored of a password."""
    with _at_once:
        return _hasher().hash(password)


def is_right(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one; takes as long where there is none, so that timing reveals nothing."""
    from argon2.exceptions import InvalidHashError, VerificationError

    with _at_once:
        try:
            return _hasher().verify(stored or _some_hash(), password[:LONGEST]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # here, because most programs that open the database check no password

    return PasswordHasher()


@cache
def _some_hash() -> str:
    return _hasher().hash("nobody's password")
