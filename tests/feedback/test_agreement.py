import numpy as np
import pytest

from robo_rlhf.feedback.agreement import (
    agreement_with_others,
    between_and_within,
    krippendorff_alpha,
    raw_agreement,
)
from robo_rlhf.feedback.crowd import Said

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: 4 observers, 12 units, missing data.
ROWS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def example() -> list[Said]:
    return [Said(unit, f"p{i}", level) for i, row in enumerate(ROWS) for unit, level in enumerate(row) if level]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_of_the_published_example(scale: str, alpha: float) -> None:
    assert krippendorff_alpha(example(), scale) == pytest.approx(alpha, abs=0.001)  # type: ignore[arg-type]


def test_alpha_where_it_is_not_defined() -> None:
    assert krippendorff_alpha([], "nominal") is None
    assert krippendorff_alpha([Said("q", "anna", "A"), Said("q", "ben", "A")], "nominal") is None
    assert krippendorff_alpha([Said("q", "anna", "A"), Said("r", "ben", "B")], "nominal") is None


def test_alpha_of_guessing_is_about_zero() -> None:
    rng = np.random.default_rng(0)
    said = [Said(unit, person, str(rng.choice(["A", "B"]))) for unit in range(500) for person in ("anna", "ben")]
    assert krippendorff_alpha(said, "nominal") == pytest.approx(0.0, abs=0.1)


def test_raw_agreement_counts_pairs() -> None:
    said = [Said(0, "anna", "A"), Said(0, "ben", "A"), Said(0, "carl", "B"), Said(1, "anna", "A")]
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
                said.append(Said(unit, person, label))
        found = between_and_within(said, teams, "lab", "shop")
        assert found is not None
        assert found.low <= expected <= found.high
        assert (found.low > 0) == contrary
    assert between_and_within(said, teams, "lab", "nobody") is None
