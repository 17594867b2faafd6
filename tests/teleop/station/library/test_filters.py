from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from teleop.station.library.entry import EpisodeEntry
from teleop.station.library.filters import FACETS, ORDERS, Query, select
from teleop.station.library.index import Index
from tests.teleop.station.making import many


class Params(dict[str, list[str]]):
    def getlist(self, key: str) -> list[str]:
        return self.get(key, [])


def query(text: str) -> Query:
    return Query.parse(Params(parse_qs(text)))


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[EpisodeEntry]:
    home = tmp_path_factory.mktemp("filters")
    many(home, 60)
    index = Index(home)
    index.refresh(30)
    return [entry for entry in index.entries() if entry.key.dataset == "demos"]  # not the samples of the checkout


def found(entries: list[EpisodeEntry], text: str) -> set[str]:
    return {entry.key.episode for entry in select(entries, query(text)).entries}


def test_nothing_asked_for_shows_everything_newest_first(entries: list[EpisodeEntry]) -> None:
    selection = select(entries, query(""))
    starts = [entry.meta.started for entry in selection.entries]
    assert len(starts) == 60
    assert starts == sorted(starts, reverse=True)
    assert dict(selection.facets["outcome"]) == {"success": 30, "failure": 15, "aborted": 15}
    assert selection.facets["dataset"] == [("demos", 60)]
    assert ("(none)", 20) in selection.facets["operator"]


def test_values_of_a_facet_are_alternatives_and_facets_all_have_to_fit(entries: list[EpisodeEntry]) -> None:
    selection = select(entries, query("outcome=failure&outcome=aborted&operator=ada&tag=good"))
    assert selection.entries == []
    selection = select(entries, query("outcome=failure&outcome=aborted&operator=grace&tag=good"))
    assert {(e.meta.outcome, e.meta.operator) for e in selection.entries} == {
        ("failure", "grace"),
        ("aborted", "grace"),
    }
    assert dict(selection.facets["outcome"])["success"] == 10  # what choosing it too would add
    assert dict(selection.facets["operator"]) == {"grace": 10, "(none)": 10}
    assert all(count <= 60 for values in selection.facets.values() for _, count in values)


def test_a_chosen_value_that_fits_nothing_stays_in_the_list(entries: list[EpisodeEntry]) -> None:
    selection = select(entries, query("tag=gone"))
    assert selection.entries == []
    assert ("gone", 0) in selection.facets["tag"]


def test_words_days_and_lengths(entries: list[EpisodeEntry]) -> None:
    assert found(entries, "q=DROPPED+e00005") == {"e00005"}
    assert found(entries, "q=nowhere") == set()
    day = found(entries, "since=2026-11-03&until=2026-11-03")
    assert day == {"e00002", "e00030", "e00058"}
    late = [e.key.episode for e in entries if e.key.episode in day and e.meta.started >= "2026-11-03T06"]
    later = "since=2026-11-03T00:00:00-06:00&until=2026-11-04T00:00:00-06:00"  # the day as a clock in Chicago has it
    assert found(entries, later) & day == set(late)
    assert found(entries, "since=2026-11-03T06:00:00.000Z") & day == set(late)
    assert {entry.steps for entry in select(entries, query("shortest=0.75&longest=0.85")).entries} == {16}


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_shows_all(entries: list[EpisodeEntry], order: str) -> None:
    shown = select(entries, query(f"sort={order}")).entries
    assert len(shown) == 60
    if order in ("longest", "shortest"):
        lengths = [entry.steps for entry in shown]
        assert lengths == sorted(lengths, reverse=order == "longest")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sort=best", r"sort: expected one of newest, .*, got 'best'"),
        ("since=yesterday", r"date: expected a day such as 2026-11-21, or an instant .*, got 'yesterday'"),
        ("until=0001-01-01", r"date: expected a day"),
        ("until=2026-11-21T10:00", r"or an instant such as 2026-11-21T23:00:00Z, got '2026-11-21T10:00'"),
        ("shortest=long", r"shortest: expected a number, got 'long'"),
        ("longest=nan", r"longest: expected a number, got 'nan'"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        query(text)


FACET = st.fixed_dictionaries(
    {},
    optional={
        "outcome": st.lists(st.sampled_from(["success", "failure", "aborted"]), max_size=2),
        "operator": st.lists(st.sampled_from(["ada", "grace", "(none)"]), max_size=2),
        "tag": st.lists(st.sampled_from(["good", "slow", "(none)"]), max_size=2),
        "source": st.lists(st.sampled_from(["human", "policy", "correction", "scripted"]), max_size=2),
        "q": st.sampled_from([["dropped"], ["e0001"]]),
    },
)


@given(FACET)
def test_the_count_beside_a_value_is_what_choosing_it_alone_shows(
    entries: list[EpisodeEntry], asked: dict[str, list[str]]
) -> None:
    selection = select(entries, Query.parse(Params(asked)))
    for place, name in enumerate(FACETS):
        alone: Counter[str] = Counter()
        for value, _ in selection.facets[name]:
            alone[value] = len(select(entries, Query.parse(Params({**asked, name: [value]}))).entries)
        assert dict(selection.facets[name]) == dict(alone), name
        assert all(
            set(entry.facets[place]) & set(asked.get(name) or entry.facets[place]) for entry in selection.entries
        )


def test_episodes_of_one_instant_keep_one_order(home: Path) -> None:
    many(home, 5, started="")
    index = Index(home)
    index.refresh(10)
    for order in ORDERS:
        shown = [entry.key.episode for entry in select(index.entries(), query(f"sort={order}")).entries]
        assert shown == [e.key.episode for e in select(index.entries()[::-1], query(f"sort={order}")).entries]
