import json
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.feedback.quality.annotator_skill import Judgement, fit, weight_of

GOLDEN = Path(__file__).parents[2] / "golden" / "crowd_kit.json"
LABELS = ["A", "B", "neither"]


def crowd(
    skills: dict[str, float], units: int, seed: int = 0, share: float = 0.8
) -> tuple[list[Judgement], dict[str, str]]:
    rng = np.random.default_rng(seed)
    said, truth = [], {}
    for number in range(units):
        truth[f"q{number}"] = str(rng.choice(LABELS))
        for person, skill in skills.items():
            if rng.random() < share:
                others = [label for label in LABELS if label != truth[f"q{number}"]]
                label = truth[f"q{number}"] if rng.random() < skill else str(rng.choice(others))
                said.append(Judgement(f"q{number}", person, label))
    return said, truth


def test_it_finds_the_same_as_the_library_of_the_field() -> None:
    """crowd-kit weighs labels by how frequent they are, which this does not; else the models are the same."""
    golden = json.loads(GOLDEN.read_text())
    found = fit([Judgement(*row) for row in golden["said"]], least_labels=3, prior=(1e-9, 1e-9))
    assert dict(found.skill) == pytest.approx(golden["skills"], abs=0.015)
    best = {unit: max(labels, key=labels.__getitem__) for unit, labels in found.truth.items()}
    assert best == golden["truth"]


def test_skills_are_found() -> None:
    skills = {"anna": 0.95, "ben": 0.85, "carl": 0.7, "dora": 0.4}
    said, truth = crowd(skills, 400)
    found = fit(said, least_labels=3)
    assert dict(found.skill) == pytest.approx(skills, abs=0.07)
    right = [max(labels, key=labels.__getitem__) == truth[unit] for unit, labels in found.truth.items()]
    assert np.mean(right) > 0.9
    for labels in found.truth.values():
        assert sum(labels.values()) == pytest.approx(1.0)


def test_somebody_new_is_taken_to_be_careful() -> None:
    said, _ = crowd({"anna": 0.9, "ben": 0.9}, 50)
    found = fit([*said, Judgement("q0", "new", "A")])
    assert 0.6 < found.skill["new"] < 0.9


def test_what_is_known_stays_against_the_crowd() -> None:
    """Three say the same wrong thing, always: by themselves they are believed, and what is known shows who is right."""
    said = [Judgement(f"q{number}", person, "B") for number in range(40) for person in ("ben", "carl", "dora")]
    said += [Judgement(f"q{number}", "anna", "A") for number in range(40)]
    fooled = fit(said)
    assert fooled.skill["anna"] < 0.2 < 0.8 < fooled.skill["ben"]
    known = {f"q{number}": "A" for number in range(10)}
    found = fit(said, known=known)
    assert found.skill["anna"] > 0.8 > 0.2 > found.skill["ben"]
    assert found.truth["q0"] == {"A": 1.0, "B": 0.0}
    assert found.truth["q30"]["A"] > 0.9


def test_a_true_label_that_nobody_gave() -> None:
    found = fit([Judgement("q", "anna", "B")], known={"q": "A", "unasked": "B"})
    assert found.truth == {"q": {"A": 1.0, "B": 0.0}}
    assert found.skill["anna"] == pytest.approx(4 / 6)


def test_a_single_person_and_nobody() -> None:
    assert fit([]).skill == {}
    assert fit([Judgement("q", "anna", "A")]).skill["anna"] > 0.8


def test_who_guesses_teaches_nothing() -> None:
    assert [weight_of(skill) for skill in (0.0, 0.5, 0.75, 1.0)] == [0.0, 0.0, 0.5, 1.0]
