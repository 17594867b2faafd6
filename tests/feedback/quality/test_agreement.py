from collections.abc import Sequence

import numpy as np
import pytest

from robo_rlhf.feedback.quality.agreement import (
    agreement_with_others,
    between_and_within,
    krippendorff_alpha,
    raw_agreement,
)
from robo_rlhf.feedback.quality.annotator_skill import Judgement
from robo_rlhf.feedback.question_kind import Label, Scale

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability": the data of its sections A (two observers, two
# values), B (two observers, five values) and C, D (four observers, missing judgements).
MEG_AND_OWEN = [
    [0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
    [1, 1, 1, 0, 0, 1, 0, 0, 0, 0],
]
BEN_AND_GERRY = ["aabbdcccedda", "babbbccceddd"]
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def judged(rows: Sequence[Sequence[Label | None]]) -> list[Judgement]:
    return [Judgement(unit, f"p{i}", x) for i, row in enumerate(rows) for unit, x in enumerate(row) if x is not None]


@pytest.mark.parametrize(
    ("rows", "scale", "alpha"),
    [
        (MEG_AND_OWEN, "nominal", 0.095),
        (BEN_AND_GERRY, "nominal", 0.692),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
    ],
)
def test_alpha_of_the_published_examples(rows: Sequence[Sequence[Label | None]], scale: Scale, alpha: float) -> None:
    said = judged(rows)
    assert krippendorff_alpha(said, scale) == pytest.approx(alpha, abs=0.0005)
    assert krippendorff_alpha(said[::-1], scale) == pytest.approx(krippendorff_alpha(said, scale), abs=1e-12)


def test_alpha_by_its_definition_on_judgements_at_random() -> None:
    """Against the sums over pairs as they are defined, one pair at a time."""
    rng = np.random.default_rng(0)
    for scale in ("nominal", "ordinal"):
        rows = [[int(x) if x else None for x in rng.integers(0, 6, 30)] for _ in range(5)]
        units = [[row[u] for row in rows if row[u] is not None] for u in range(30)]
        units = [unit for unit in units if len(unit) > 1]
        every = [label for unit in units for label in unit]

        def apart(a: int, b: int, every: list[int] = every, scale: str = scale) -> float:
            low, high = min(a, b), max(a, b)
            between = sum(low <= label <= high for label in every) - (every.count(a) + every.count(b)) / 2
            return (a != b) * (1.0 if scale == "nominal" else between**2)

        observed = sum(sum(apart(a, b) for a in unit for b in unit) / (len(unit) - 1) for unit in units) / len(every)
        expected = sum(apart(a, b) for a in every for b in every) / (len(every) * (len(every) - 1))
        assert krippendorff_alpha(judged(rows), scale) == pytest.approx(1 - observed / expected, abs=1e-9)


def test_alpha_of_perfect_agreement_is_one_and_of_pure_contradiction_below_zero() -> None:
    assert krippendorff_alpha(judged(["abcab", "abcab"]), "nominal") == 1
    assert krippendorff_alpha(judged([[1, 2, 5], [1, 2, 5]]), "ordinal") == 1
    assert krippendorff_alpha(judged(["ab", "ba"]), "nominal") == pytest.approx(-0.5)  # 1 - 3 · 4 / 8


def test_alpha_leaves_out_what_one_person_alone_judged() -> None:
    alone = [Judgement("x", "p0", 4), Judgement("y", "p3", 6)]  # also a level that nobody else gave
    assert krippendorff_alpha([*judged(FOUR), *alone], "ordinal") == krippendorff_alpha(judged(FOUR), "ordinal")


def test_alpha_where_it_is_not_defined() -> None:
    assert krippendorff_alpha([], "nominal") is None
    assert krippendorff_alpha([Judgement("q", "anna", "A"), Judgement("q", "ben", "A")], "nominal") is None
    assert krippendorff_alpha([Judgement("q", "anna", "A"), Judgement("r", "ben", "B")], "nominal") is None


def test_alpha_of_guessing_is_about_zero() -> None:
    rng = np.random.default_rng(0)
    said = [Judgement(unit, person, str(rng.choice(["A", "B"]))) for unit in range(500) for person in ("anna", "ben")]
    assert krippendorff_alpha(said, "nominal") == pytest.approx(0.0, abs=0.1)


def test_raw_agreement_counts_pairs() -> None:
    said = [Judgement(0, "anna", "A"), Judgement(0, "ben", "A"), Judgement(0, "carl", "B"), Judgement(1, "anna", "A")]
    assert raw_agreement(said) == pytest.approx(1 / 3)
    assert raw_agreement(said[-1:]) is None
    assert agreement_with_others(said) == {"anna": (1, 2), "ben": (1, 2), "carl": (0, 2)}


def test_teams_that_judge_alike_do_not_differ_and_others_do() -> None:
    rng = np.random.default_rng(1)
    teams = {"anna": "lab", "ada": "lab", "ben": "shop", "bob": "shop"}
    for contrary, expected in ((False, 0.0), (True, 0.64)):
        said = []
        for unit in range(200):
            true = str(rng.choice(["A", "B"]))
            for person, team in teams.items():
                meant = true if not (contrary and team == "shop") else "AB"["BA".index(true)]
                label = meant if rng.random() < 0.9 else "AB"["BA".index(meant)]
                said.append(Judgement(unit, person, label))
        found = between_and_within(said, teams, "lab", "shop")
        assert found is not None
        assert found.low <= expected <= found.high
        assert (found.low > 0) == contrary
    assert between_and_within(said, teams, "lab", "nobody") is None
