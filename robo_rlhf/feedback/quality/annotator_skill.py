"""Crowd model: the reliability of each annotator, estimated from the agreement of all of them.

The one-coin model of Dawid and Skene (1979): every unit has one true label; a person gives it with a personal
probability, their skill, and any other label of the unit equally often. Truth and skills are estimated together by
expectation maximisation. A prior keeps the skill of a person with few judgements near that of a careful person. Where
the true label of a unit is known, such as that of a gold question, it is kept, whatever the judgements are.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_rlhf.core.types import Array

PRIOR = (4.0, 1.0)  # right and wrong answers that each person starts with
ROUNDS, TOLERANCE = 200, 1e-6
MIN_CERTAINTY = 1e-6  # no skill is taken to be nearer to 0 or 1


@dataclass(frozen=True)
class Judgement:
    """One judgement: the label that a person gives a unit."""

    unit: Hashable  # what is judged: a question, or a part of one
    person: str
    label: Hashable


@dataclass(frozen=True)
class CrowdModel:
    """The estimates of the crowd model."""

    skill: Mapping[str, float]  # probability that a person gives the true label
    truth: Mapping[Hashable, Mapping[Hashable, float]]  # unit → label → probability that it is the true one


def fit(
    judgements: Sequence[Judgement],
    *,
    known: Mapping[Hashable, Hashable] | None = None,
    least_labels: int = 2,
    prior: tuple[float, float] = PRIOR,
) -> CrowdModel:
    """Estimate skills and true labels.

    Args:
        judgements: all of them.
        known: the true labels of some units.
        least_labels: how many labels a unit has at least, also where fewer were given.
        prior: right and wrong answers that each person starts with.
    """
    if not judgements:
        return CrowdModel({}, {})
    people, person = _numbered([s.person for s in judgements])
    pairs, pair = _numbered([(s.unit, s.label) for s in judgements])
    units, unit_of_pair = _numbered([unit for unit, _ in pairs])
    labels = np.maximum(np.bincount(unit_of_pair), least_labels)  # of each unit
    given = known or {}
    fixed = np.array([unit in given for unit, _ in pairs])
    true = np.array([unit in given and given[unit] == label for unit, label in pairs], float)
    truth = _share(np.bincount(pair).astype(float), unit_of_pair)
    if fixed.any():  # known labels give the starting point: a crowd that errs together is not believed first
        truth = _expect(_skills(person, true[pair], fixed[pair], prior), person, pair, unit_of_pair, labels)
    truth = np.where(fixed, true, truth)
    skill = np.zeros(len(people))
    for _ in range(ROUNDS):
        new = _skills(person, truth[pair], np.ones(len(judgements)), prior)
        if np.abs(new - skill).max() < TOLERANCE:
            break
        skill = new
        truth = np.where(fixed, true, _expect(skill, person, pair, unit_of_pair, labels))
    found: dict[Hashable, dict[Hashable, float]] = {unit: {} for unit in units}
    for (unit, label), probability in zip(pairs, truth, strict=True):
        found[unit][label] = float(probability)
    for unit in found.keys() & given.keys():
        found[unit].setdefault(given[unit], 1.0)  # which no person gave
    return CrowdModel(dict(zip(people, skill.tolist(), strict=True)), found)


def weight_of(skill: float) -> float:
    """Return the training weight of answers of a person of this skill: 1 if always right, 0 if guessing."""
    return float(min(max(2.0 * skill - 1.0, 0.0), 1.0))


def _skills(person: Array, right: Array, judged: Array, prior: tuple[float, float]) -> Array:
    """Return the skill (people,) by how right (judgements,) each judgement is, as far as it is judged in [0, 1]."""
    skills: Array = (np.bincount(person, right) + prior[0]) / (np.bincount(person, judged) + sum(prior))
    return np.clip(skills, MIN_CERTAINTY, 1 - MIN_CERTAINTY)


def _expect(skill: Array, person: Array, pair: Array, unit_of_pair: Array, labels: Array) -> Array:
    """Return the probability (pairs,) that each label is the true one of its unit; only labels that were given."""
    others = labels[unit_of_pair[pair]] - 1
    wrong = np.log((1 - skill[person]) / others)  # (judgements,) log probability of one certain wrong label
    unit = unit_of_pair[pair]
    base = np.bincount(unit, wrong)  # as if all were wrong
    gain = np.bincount(pair, np.log(skill[person]) - wrong, len(unit_of_pair))
    score = base[unit_of_pair] + gain
    top = np.full(len(base), -np.inf)
    np.maximum.at(top, unit_of_pair, score)
    return _share(np.exp(score - top[unit_of_pair]), unit_of_pair)


def _share(values: Array, unit: Array) -> Array:
    shares: Array = values / np.bincount(unit, values)[unit]
    return shares


def _numbered(names: Sequence[Hashable]) -> tuple[list, Array]:  # type: ignore[type-arg]
    """Return the distinct names in the order of their first use, and the number of each name."""
    numbers: dict[Hashable, int] = {}
    places = np.array([numbers.setdefault(name, len(numbers)) for name in names])
    return list(numbers), places
