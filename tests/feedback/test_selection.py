import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.selection import METHODS, STAGE_TOLERANCE, SegmentCandidate, select

LENGTH = 25


def candidates(rounds: int = 2, episodes: int = 8, segments: int = 6, demos: int = 4) -> list[SegmentCandidate]:
    stages = np.linspace(0, 1, segments)
    made = [
        SegmentCandidate(Segment(f"r{r}e{e}", round(100 * s), LENGTH), r, float(s))
        for r in range(rounds)
        for e in range(episodes)
        for s in stages
    ]
    return made + [
        SegmentCandidate(Segment(f"demo{e}", round(100 * s), LENGTH), 0, float(s), demonstration=True)
        for e in range(demos)
        for s in stages
    ]


POOL = candidates()
BY_SEGMENT = {c.segment: c for c in POOL}
RETURNS = np.random.default_rng(0).normal(size=(3, len(POOL)))


Asked = list[list[SegmentCandidate]]


def choose(k: int, method: str, seed: int = 0, returns: Array | None = RETURNS, clips: int = 2) -> Asked:
    chosen = select(POOL, k, method, np.random.default_rng(seed), returns, clips)
    return [[BY_SEGMENT[segment] for segment in question] for question in chosen]


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 40), st.integers(2, 4), st.sampled_from(sorted(METHODS)))
def test_every_method_asks_different_questions_of_different_clips(seed: int, k: int, clips: int, method: str) -> None:
    questions = choose(k, method, seed, clips=clips)
    assert len(questions) == k
    assert all(len({c.segment for c in question}) == clips for question in questions)
    assert len({frozenset(c.segment for c in question) for question in questions}) == k
    assert questions == choose(k, method, seed, clips=clips)


@pytest.mark.parametrize("method", ["recent", "stage", "disagreement", "information"])
def test_present_policy_alone(method: str) -> None:
    assert all(c.round == 1 and not c.demonstration for question in choose(30, method) for c in question)


@pytest.mark.parametrize("method", ["stage", "disagreement", "information", "demonstrations"])
def test_same_stage_and_another_episode(method: str) -> None:
    for first, second in choose(30, method):
        assert abs(first.stage - second.stage) <= STAGE_TOLERANCE
        assert first.segment.episode_id != second.segment.episode_id


def test_demonstrations_meet_the_present_policy_on_either_side() -> None:
    questions = choose(40, "demonstrations")
    assert all(a.demonstration != b.demonstration for a, b in questions)
    assert 5 < sum(a.demonstration for a, _ in questions) < 35


def test_uniform_reaches_everything() -> None:
    seen = {c for question in choose(200, "uniform") for c in question}
    assert len(seen) == len(POOL)


def test_disagreement_asks_where_the_models_differ() -> None:
    returns = np.zeros((4, len(POOL)))
    odd = [i for i, c in enumerate(POOL) if c.round == 1 and not c.demonstration and c.stage == 0.4]
    returns[:, odd] = np.random.default_rng(1).normal(size=(4, len(odd)), scale=5.0)
    questions = choose(6, "disagreement", returns=returns)
    assert {c.stage for question in questions for c in question} == {0.4}
    uses = [c for question in questions for c in question]
    assert max(uses.count(c) for c in uses) <= 2


def test_information_is_where_each_model_is_sure_and_they_differ() -> None:
    returns = np.zeros((4, len(POOL)))  # all are unsure, and agree about it
    sure = [i for i, c in enumerate(POOL) if c.round == 1 and not c.demonstration and c.stage == 0.4]
    faint = [i for i, c in enumerate(POOL) if c.round == 1 and not c.demonstration and c.stage == 0.8]
    opinion = np.random.default_rng(1).normal(size=(4, len(sure)))
    returns[:, sure], returns[:, faint] = 5.0 * opinion, 0.2 * opinion
    questions = choose(6, "information", returns=returns)
    assert {c.stage for question in questions for c in question} == {0.4}


def test_mixed_sets_a_tenth_and_some_endings_against_demonstrations() -> None:
    questions = choose(50, "mixed")
    shown = [[c for c in question if c.demonstration] for question in questions]
    assert 5 <= sum(map(bool, shown)) <= 5 + 20  # and endings may be demonstrations
    assert all(c.round == 1 or c.demonstration for question in questions for c in question)
    without = choose(50, "mixed", returns=None)
    assert len(without) == 50


def test_endings_are_set_against_any_moment() -> None:
    questions = choose(20, "endings")
    assert len(questions) == 20
    assert all(any(c.stage >= 0.9 for c in question) for question in questions)
    assert any(any(c.stage < 0.5 for c in question) for question in questions)


def test_mixed_without_demonstrations() -> None:
    pool = candidates(demos=0)
    chosen = select(pool, 30, "mixed", np.random.default_rng(0), np.zeros((3, len(pool))))
    assert len(chosen) == 30


def test_few_candidates_make_few_questions() -> None:
    pool = candidates(rounds=1, episodes=3, segments=1, demos=0)
    assert len(select(pool, 10, "stage", np.random.default_rng(0))) == 3
    alone = candidates(rounds=1, episodes=1, segments=2, demos=0)
    assert len(select(alone, 10, "mixed", np.random.default_rng(0))) == 1


def test_demonstrations_alone_leave_nothing_to_ask_of_a_policy() -> None:
    pool = candidates(rounds=0, demos=3)
    assert select(pool, 5, "recent", np.random.default_rng(0)) == []
    assert len(select(pool, 5, "uniform", np.random.default_rng(0))) == 5


def test_errors() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match=r"Unknown selection method 'disagrement'\. Did you mean 'disagreement'"):
        select(POOL, 5, "disagrement", rng)
    with pytest.raises(InvalidValueError, match="expected at least 2, one for each clip, got 1"):
        select(POOL[:1], 5, "uniform", rng)
    with pytest.raises(InvalidValueError, match="those of a reward model"):
        select(POOL, 5, "disagreement", rng)
    with pytest.raises(ShapeError, match="returns of the candidates"):
        select(POOL, 5, "mixed", rng, np.zeros((3, 2)))
