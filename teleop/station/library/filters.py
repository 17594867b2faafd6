"""The filters and order of the library: the query string of its address, as values."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from robo_rlhf.core.errors import InvalidValueError
from teleop.station.library.entry import EpisodeEntry, Facets

FACETS = ("dataset", "task", "outcome", "source", "operator", "device", "tag")  # in the order of `EpisodeEntry.facets`
_Order = Callable[[EpisodeEntry], Any]
ORDERS: dict[str, tuple[_Order, bool]] = {  # name → key, whether from large to small
    "newest": (lambda entry: (entry.started, entry.key.episode), True),
    "oldest": (lambda entry: (entry.started, entry.key.episode), False),
    "longest": (lambda entry: (entry.seconds, entry.key), True),
    "shortest": (lambda entry: (entry.seconds, entry.key), False),
    "name": (lambda entry: entry.key, False),
}
MOST_ON_A_PAGE = 500


class Params(Protocol):
    """A query string."""

    def getlist(self, key: str) -> list[str]:
        """Return every value of a name."""
        ...


@dataclass(frozen=True)
class Query:
    """The filters of a request; the values of one facet are alternatives, the facets all have to fit."""

    dataset: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    q: str = ""  # words that all have to occur
    since: str = ""  # the first day (of UTC), or an instant
    until: str = ""  # the last day (of UTC), or the instant at which it ends
    shortest: float = 0.0  # [s]
    longest: float = float("inf")  # [s]
    sort: str = "newest"

    @classmethod
    def parse(cls, params: Params) -> "Query":
        """Return the filters of a query string; those that it does not name stay open.

        Raises:
            InvalidValueError: a date, a number or an order that is none.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            given = [value for value in params.getlist(item.name) if value]
            if given:
                values[item.name] = _value(item.name, given)
        return cls(**values)

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last instant [s since 1970] of its days."""
        first = _instant(self.since, days=0) if self.since else float("-inf")
        last = _instant(self.until, days=1) if self.until else float("inf")
        return first, last


class Selection(NamedTuple):
    """The result of a query."""

    entries: list[EpisodeEntry]  # in order
    facets: dict[str, list[tuple[str, int]]]  # facet → values and how many episodes choosing each would show


def select(entries: Sequence[EpisodeEntry], query: Query) -> Selection:
    """Return the episodes that fit, and for every facet what else could be chosen there."""
    plain = _plain_test(query)
    groups: dict[Facets, list[EpisodeEntry]] = {}
    for entry in entries if plain is None else filter(plain, entries):
        groups.setdefault(entry.facets, []).append(entry)
    asked = [(place, frozenset(wanted)) for place, name in enumerate(FACETS) if (wanted := getattr(query, name))]
    counts: list[Counter[str]] = [Counter() for _ in FACETS]
    found: list[EpisodeEntry] = []
    for facets, group in groups.items():
        failed = [place for place, wanted in asked if wanted.isdisjoint(facets[place])]
        if not failed:
            found += group
        if len(failed) <= 1:
            for place in failed or range(len(FACETS)):
                for value in facets[place]:
                    counts[place][value] += len(group)
    order, backwards = ORDERS[query.sort]
    found.sort(key=order, reverse=backwards)
    return Selection(found, {name: _listed(name, counts[place], query) for place, name in enumerate(FACETS)})


def _listed(name: str, counts: Counter[str], query: Query) -> list[tuple[str, int]]:
    """Return the values of a facet, the most frequent first; what is chosen stays in the list with 0."""
    for value in getattr(query, name):
        counts[value] += 0
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _plain_test(query: Query) -> Callable[[EpisodeEntry], bool] | None:
    """Return whether an entry fits what is no facet: words, days and length; None where nothing is asked of them."""
    words, (first, last) = query.q.lower().split(), query.span
    dated = bool(query.since or query.until)
    timed = query.shortest > 0 or query.longest < float("inf")
    if not (words or dated or timed):
        return None

    def fits(entry: EpisodeEntry) -> bool:
        return (
            (not words or all(word in entry.text for word in words))
            and (not dated or first <= entry.started < last)
            and (not timed or query.shortest <= entry.seconds <= query.longest)
        )

    return fits


def _value(name: str, given: list[str]) -> object:
    if name in FACETS:
        return tuple(dict.fromkeys(given))
    text = given[-1]
    if name in ("shortest", "longest"):
        return _number(name, text)
    if name in ("since", "until"):
        _instant(text, days=0)
    if name == "sort" and text not in ORDERS:
        raise InvalidValueError("sort", repr(text), f"one of {', '.join(ORDERS)}")
    return text


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value:
        raise InvalidValueError(name, repr(text), "a number")
    return value


def _instant(text: str, *, days: int) -> float:
    """Return an instant [s since 1970] as it is given; of a day, its beginning, `days` later."""
    try:
        given = datetime.fromisoformat(text)
        if not 1900 <= given.year <= 2200 or (given.tzinfo is None and len(text) != len("2026-11-21")):
            raise ValueError
    except ValueError:
        expected = "a day such as 2026-11-21, or an instant such as 2026-11-21T23:00:00Z"
        raise InvalidValueError("date", repr(text), expected) from None
    return given.timestamp() if given.tzinfo else (given.replace(tzinfo=UTC) + timedelta(days=days)).timestamp()
