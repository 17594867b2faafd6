"""Groups that people say they belong to, in free words, such as "left-handed" or "robotics background".

They are stored with the annotators as one text, so that they are exported with the answers: sorted, with commas.
"""

import unicodedata
from collections.abc import Iterable, Mapping

from robo_rlhf.core.errors import InvalidValueError

MOST, LONGEST = 8, 40  # groups of a person, characters of one


def groups_of(text: str) -> tuple[str, ...]:
    """Return the groups in a text."""
    return tuple(word for word in (word.strip() for word in text.split(",")) if word)


def text_of(groups: Iterable[str]) -> str:
    """Return the text of groups: each once, however it is capitalised, in an order that does not change.

    Raises:
        InvalidValueError: there are too many, or one is too long or not readable.
    """
    found: dict[str, str] = {}
    for given in groups:
        word = " ".join(unicodedata.normalize("NFC", given).split())
        if not 1 <= len(word) <= LONGEST or not word.isprintable() or "," in word:
            raise InvalidValueError("group", repr(given[:80]), f"1 to {LONGEST} characters without a comma")
        found.setdefault(word.casefold(), word)
    if len(found) > MOST:
        raise InvalidValueError("groups of a person", len(found), f"at most {MOST}")
    return ", ".join(found[key] for key in sorted(found))


def apart(teams: Mapping[str, str], first: str, second: str) -> dict[str, str]:
    """Return which of two groups each person belongs to, by name, without those who belong to both or to neither."""
    found = {}
    for name, text in teams.items():
        mine = {first, second} & set(groups_of(text))
        if len(mine) == 1:
            found[name] = mine.pop()
    return found
