"""Inter-annotator agreement: shares, and Krippendorff's alpha."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robo_rlhf.core.stats import Interval
from robo_rlhf.feedback.kinds import usable_kind
from robo_rlhf.feedback.quality.annotator_skill import Judgement
from robo_rlhf.feedback.question_kind import Label, Scale
from robo_rlhf.feedback.records import Answer

RESAMPLES = 500  # of a bootstrap over what was judged


def judgements(answers: Sequence[Answer], kinds: Mapping[str, str]) -> list[Judgement]:
    """Return every judgement that the answers hold; a unit is (question, what the judgement is about).

    Args:
        answers: the newest of each person to each question.
        kinds: the kind of each question, by id.
    """
    return [
        Judgement((answer.question_id, about), answer.annotator, label)
        for answer in answers
        for about, label in usable_kind(kinds[answer.question_id]).labels(answer.value).items()
    ]


def raw_agreement(judged: Sequence[Judgement]) -> float | None:
    """Return the share of pairs of people, over all units, who agree; None where no two people were asked the same."""
    agreed = pairs = 0
    for labels in by_unit(judged).values():
        counts = Counter(labels.values())
        agreed += sum(n * (n - 1) // 2 for n in counts.values())
        pairs += len(labels) * (len(labels) - 1) // 2
    return agreed / pairs if pairs else None


def krippendorff_alpha(judged: Sequence[Judgement], scale: Scale) -> float | None:
    """Return Krippendorff's alpha: 1 for perfect agreement, 0 for that of chance; None where it is not defined.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section E: any number of people and of missing
    judgements. A unit that fewer than two people judged says nothing about agreement and is left out.

    Args:
        judged: judgements; levels are integers where `scale` is "ordinal".
        scale: how far two labels are apart: "nominal" counts equal or not, "ordinal" the judgements between them.
    """
    units = [labels for labels in by_unit(judged).values() if len(labels) > 1]
    domain = sorted(
        {label for labels in units for label in labels.values()}, key=lambda label: (str(type(label)), label)
    )
    if len(domain) < 2:  # all judgements are equal: nothing shows that they could differ
        return None
    place = {label: i for i, label in enumerate(domain)}
    counts = np.zeros((len(units), len(domain)))
    for row, labels in zip(counts, units, strict=True):
        for label in labels.values():
            row[place[label]] += 1
    weighted = counts / (counts.sum(1, keepdims=True) - 1)  # a unit's pairs count as many as its judgements
    coincidences = weighted.T @ counts - np.diag(weighted.sum(0))  # (labels, labels), without pairs with oneself
    totals = counts.sum(0)
    distances = _squared_distances(totals, scale)
    expected = totals @ distances @ totals / (totals.sum() - 1)
    return float(1 - (coincidences * distances).sum() / expected)


def _squared_distances(totals: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Return the squared difference of any two labels, (labels, labels), from how often each was given, (labels,)."""
    if scale == "nominal":
        return 1 - np.eye(len(totals))
    ranks = totals.cumsum() - totals / 2  # the mean rank of a level's judgements
    return np.square(ranks[:, None] - ranks)


def agreement_with_others(judged: Sequence[Judgement]) -> dict[str, tuple[int, int]]:
    """Return for each person in how many pairs with another they agree, and how many pairs there are."""
    found: dict[str, tuple[int, int]] = {}
    for labels in by_unit(judged).values():
        counts = Counter(labels.values())
        for person, label in labels.items():
            agreed, pairs = found.get(person, (0, 0))
            found[person] = (agreed + counts[label] - 1, pairs + len(labels) - 1)
    return found


def between_and_within(
    judged: Sequence[Judgement], teams: Mapping[str, str], first: str, second: str
) -> Interval | None:
    """Return how much more two people of one team agree than two of different teams, with a bootstrap interval.

    Above 0 the two teams judge differently. The bootstrap is over units. None where there are no such pairs.
    """
    rows = []  # per unit: agreed within, pairs within, agreed between, pairs between
    for labels in by_unit(judged).values():
        row = [0, 0, 0, 0]
        people = [person for person in labels if teams.get(person) in (first, second)]
        for i, one in enumerate(people):
            for other in people[i + 1 :]:
                across = 2 * (teams[one] != teams[other])
                row[across] += labels[one] == labels[other]
                row[across + 1] += 1
        if any(row):
            rows.append(row)
    counts = np.array(rows, float).reshape(-1, 4)
    total = counts.sum(0)
    if not total[1] or not total[3]:
        return None
    rng = np.random.default_rng(0)
    drawn = np.stack([counts[rng.integers(len(counts), size=len(counts))].sum(0) for _ in range(RESAMPLES)])
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3], [0.025, 0.975])
    return Interval(float(total[0] / total[1] - total[2] / total[3]), float(low), float(high))


def by_unit(judged: Sequence[Judgement]) -> dict[Hashable, dict[str, Label]]:
    """Return the label of each person for each unit."""
    units: dict[Hashable, dict[str, Label]] = defaultdict(dict)
    for one in judged:
        units[one.unit][one.person] = one.label  # type: ignore[assignment]
    return units
