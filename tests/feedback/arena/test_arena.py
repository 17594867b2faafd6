"""Arenas: their questions, what they hide, and their results."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from robo_rlhf.core.errors import BusyError, ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import (
    read_json,
)
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.arena.arena import Arena, Entrant, arenas
from robo_rlhf.feedback.arena.standings import standings, update_standings
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.processes.heartbeat import (
    held,
)
from tests.locking import (
    elsewhere,
)

NAMES = ("better", "worse", "third")


def entrant(name: str, weights: str = "") -> Entrant:
    digest = (weights or name).encode().hex().ljust(64, "0")
    return Entrant(name, f"runs/{name}/policy.safetensors", digest, timestamp())


def made(home: Path, *, seeds: int = 10, policies: int = 3, overlap: int = 1) -> Arena:
    arena = Arena.create(home, "blind", "reach", "human", seeds, overlap)
    arena.add([entrant(name) for name in NAMES[:policies]])
    return arena


def asked(arena: Arena) -> list[Question]:
    return arena.questions(dict.fromkeys(arena.places(), 60))


def answer(arena: Arena, store: Store, question: Question, person: str, better: str = "better") -> None:
    """Answer as an annotator who prefers one policy; a tie where it is not there."""
    names = [arena.policies()[arena.places()[clip.episode_id][0]].name for clip in question.segments]
    choice = "AB"[names.index(better)] if better in names else "tie"
    store.answer(question.id, person, {"choice": choice}, key=f"{person}/{question.id}")


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(home / "feedback.db") as store:
        yield store


def test_every_pair_gets_one_question_about_each_seed_and_all_keep_pace(home: Path) -> None:
    arena = made(home)
    places, questions = arena.places(), asked(arena)
    met = Counter[tuple[frozenset[int], int]]()
    pace = Counter[frozenset[int]]()
    for number, question in enumerate(questions, 1):
        (first, seed), (second, other) = (places[clip.episode_id] for clip in question.segments)
        assert seed == other
        met[frozenset((first, second)), seed] += 1
        pace[frozenset((first, second))] += 1
        assert max(pace.values()) - min(pace[frozenset(p)] for p in combinations(range(3), 2)) <= 1, number
    assert len(questions) == 30
    assert set(met.values()) == {1}


def test_sides_are_shuffled_and_even(home: Path) -> None:
    arena = made(home, seeds=40, policies=2)
    places = arena.places()
    first = [places[question.segments[0].episode_id][0] for question in asked(arena)]
    assert sum(first) == 20
    assert len({tuple(first[i : i + 2]) for i in range(0, 40, 2)}) > 2


def test_what_is_added_later_changes_nothing_that_was_asked(home: Path) -> None:
    arena = made(home, policies=2)
    before = {question.id: question.segments for question in asked(arena)}
    arena.add([entrant("third")])
    arena.grow(13)
    arena.grow(5)  # never less
    after = {question.id: question.segments for question in asked(Arena(home, "blind"))}
    assert len(after) == 3 * 13
    assert before.items() <= after.items()


def test_nothing_that_judges_get_at_names_a_policy(home: Path, store: Store) -> None:
    arena = made(home)
    store.add_questions(asked(arena))
    with store.database.engine.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    told = dump + (arena.path / "config.json").read_text()
    for one in arena.policies():
        assert one.name not in told
        assert one.digest[:12] not in told
    other = Arena.create(home, "again", "reach", "human", 10, 1)  # equal policies are called otherwise
    other.add(arena.policies())
    assert not set(other.places()) & set(arena.places())


def test_who_is_better_is_found_and_said_in_a_sentence(home: Path, store: Store) -> None:
    arena = made(home, seeds=20)
    store.add_questions(asked(arena))
    assert standings(arena, store).to_json()["verdict"] == "Nothing was judged yet."
    for question in store.questions(run="blind"):
        answer(arena, store, question, "ada")
    found = standings(arena, store)
    value = found.to_json()
    assert value["done"]
    assert value["policies"][0]["name"] == "better"
    assert "better is better than every other. better is better than" in value["verdict"]
    assert "100 % of 20 comparisons (84 to 100)" in value["verdict"]
    last = next(pair for pair in value["pairs"] if "better" not in (pair["first"], pair["second"]))
    assert (last["ties"], last["share"]["value"], last["decided"]) == (20, 0.5, False)
    assert "So far they look alike" in last["verdict"]
    update_standings(arena, store)
    assert read_json(arena.path / "result.json", dict) == json.loads(json.dumps(value))


def test_what_is_published_is_under_cover_until_all_is_judged(home: Path, store: Store) -> None:
    arena = made(home, seeds=2, policies=2)
    store.add_questions(asked(arena))
    first, second = store.questions(run="blind")
    answer(arena, store, first, "ada")
    update_standings(arena, store)
    text = (arena.path / "ratings.json").read_text()
    assert "Policy 1" in text
    assert not any(word in text for one in arena.policies() for word in (one.name, one.digest, one.checkpoint))
    assert not (arena.path / "result.json").exists()
    answer(arena, store, second, "ada")
    update_standings(arena, store)
    assert "worse" in (arena.path / "ratings.json").read_text()
    assert (arena.path / "result.json").exists()
    arena.grow(3)
    store.add_questions(asked(arena))
    update_standings(arena, store)
    assert not (arena.path / "result.json").exists()


def test_cover_names_do_not_follow_the_order_of_entering(home: Path) -> None:
    orders = set()
    store = Store(home / "feedback.db")
    for number in range(12):
        arena = Arena.create(home, f"a{number}", "reach", "human", 1, 1)
        arena.add([entrant(name) for name in NAMES])
        assert sorted(arena.cover_names()) == ["Policy 1", "Policy 2", "Policy 3"]
        orders.add(tuple(arena.cover_names()))
        shown = standings(arena, store).to_json(covered=True)["policies"]  # while all are equal
        assert [policy["name"] for policy in shown] == ["Policy 1", "Policy 2", "Policy 3"]
    store.close()
    assert len(orders) > 2


def test_answers_of_who_has_seen_the_names_do_not_count_but_earlier_ones_do(home: Path, store: Store) -> None:
    arena = made(home, seeds=4, policies=2)
    store.add_questions(asked(arena))
    first, second, third, _ = store.questions(run="blind")
    answer(arena, store, first, "ada")
    arena.show_names_to("ada")
    seen = {"ada": "2000-01-01T00:00:00.000+00:00"}
    before = arena.spectators()
    (arena.path / "names.json").write_text(json.dumps({**before, "bob": seen["ada"]}))
    answer(arena, store, second, "bob")
    answer(arena, store, third, "cem")
    found = standings(arena, store).to_json()
    assert (found["answers"], found["not_blind"]) == (2, 1)
    arena.show_names_to("ada")
    assert arena.spectators()["ada"] == before["ada"]


def test_only_the_judges_that_were_asked_for_count(home: Path, store: Store) -> None:
    arena = made(home, seeds=3, policies=2)
    store.add_questions(asked(arena))
    question = store.questions(run="blind")[0]
    store.answer(question.id, "robot", {"choice": "A"}, key="k", annotator_kind="simulated")
    assert standings(arena, store).to_json()["answers"] == 0


def test_cant_tell_compares_nothing_and_both_bad_is_a_tie(home: Path, store: Store) -> None:
    arena = made(home, seeds=2, policies=2)
    store.add_questions(asked(arena))
    for question, choice in zip(store.questions(run="blind"), ("cant_tell", "both_bad"), strict=True):
        store.answer(question.id, "ada", {"choice": choice}, key=choice)
    found = standings(arena, store).to_json()
    assert (found["cant_tell"], found["pairs"][0]["ties"]) == (1, 1)


def test_judges_can_be_weighed_by_their_reliability(home: Path, store: Store) -> None:
    arena = made(home, seeds=20, policies=2, overlap=4)
    store.add_questions(asked(arena))
    for number, question in enumerate(store.questions(run="blind")):
        for person in ("ada", "bob", "cem"):
            answer(arena, store, question, person)
        answer(arena, store, question, "dan", NAMES[number % 2])  # guesses
    plain, weighed = (standings(arena, store, weighted=weighted) for weighted in (False, True))
    assert weighed.pairs[0, 1].share is not None
    assert plain.pairs[0, 1].share is not None
    assert weighed.pairs[0, 1].share.value > plain.pairs[0, 1].share.value + 0.05


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (entrant("better", "other"), "another checkpoint takes part under that name"),
        (entrant("copy", "better"), "the same weights take part as 'better'"),
    ],
)
def test_policies_that_cannot_be_told_apart_are_refused(home: Path, new: Entrant, sentence: str) -> None:
    arena = made(home)
    with pytest.raises(ConflictError, match=sentence):
        arena.add([new])
    assert [one.name for one in arena.policies()] == list(NAMES)
    arena.add([replace(entrant("better"), added="later")])
    assert len(arena.policies()) == 3


def test_what_is_no_arena_is_told(home: Path) -> None:
    made(home)
    (home / "runs" / "main").mkdir()
    (home / "runs" / "main" / "config.json").write_text('{"task": "reach"}')
    with pytest.raises(NotFoundError, match="There are: blind"):
        Arena(home, "main")
    for taken in ("main", "blind"):
        with pytest.raises(ConflictError, match="a run of that name is there already"):
            Arena.create(home, taken, "reach", "human", 3, 1)
    for wrong in ("../up", "", "a/b", "-x"):
        with pytest.raises(InvalidValueError, match="name of an arena"):
            Arena(home, wrong)
    with pytest.raises(InvalidValueError, match="seeds of an arena: expected 1 to 2000, got 0"):
        Arena.create(home, "none", "reach", "human", 0, 1)
    assert arenas(home) == ["blind"]


def test_only_one_program_works_on_an_arena(home: Path) -> None:
    arena = made(home)
    assert not arena.working()
    elsewhere(arena.path / "alive.json")
    assert Arena(home, "blind").working()
    with pytest.raises(BusyError, match=r"The run blind is busy: process \d+ on .* holds it"), held(arena.path):
        pass
    (arena.path / "alive.json").unlink()
    assert not arena.working()
    with held(arena.path, even_finished=True):
        assert arena.working()
    assert not arena.working()
