"""What an arena of recorded clips shows: `make bench ARGS=tests/benchmarks/bench_recorded_arena.py`.

Five policies of hidden success, 100 recorded clips of each, compared start by start by 20 simulated annotators who see
how a clip ended, wrong in one of ten; clips that end alike are a tie. Nothing is drawn: it is about the ratings.
"""

import math
from itertools import combinations

import numpy as np
import pytest

from robo_rlhf.feedback.arena.davidson import MIDDLE, POINTS, PairOutcome, fit, rate

pytestmark = pytest.mark.bench
SUCCESS, CLIPS, ANNOTATORS, MISTAKE, REPEATS = (0.2, 0.35, 0.5, 0.65, 0.8), 100, 20, 0.1, 50
LIMIT = 20_000  # clips of each policy by which the true ratings are known


def compared(rng: np.random.Generator, clips: int) -> list[PairOutcome]:
    """Return the comparisons of every two policies from every start, each by one of the annotators."""
    ends = rng.random((clips, len(SUCCESS))) < np.array(SUCCESS)
    found = []
    for start in range(clips):
        seen = ends[start]
        for first, second in combinations(range(len(SUCCESS)), 2):
            wrong = rng.random(2) < MISTAKE
            one, other = bool(seen[first]) != bool(wrong[0]), bool(seen[second]) != bool(wrong[1])
            found.append(PairOutcome(first, second, 0.5 + 0.5 * (int(one) - int(other)), start))
    return found


def true_ratings() -> np.ndarray:
    """Return the ratings that ever more comparisons would come to, (K,): from the exact shares of every pair."""
    count = len(SUCCESS)
    right = [p * (1 - MISTAKE) + (1 - p) * MISTAKE for p in SUCCESS]  # that an annotator sees a success
    counts = np.zeros((1, count, count, 2))
    for first, second in combinations(range(count), 2):
        win, loss = right[first] * (1 - right[second]), right[second] * (1 - right[first])
        counts[0, first, second] = win * LIMIT, (1 - win - loss) * LIMIT
        counts[0, second, first, 0] = loss * LIMIT
    strength, _, _ = fit(counts, count)
    found: np.ndarray = MIDDLE + POINTS * strength[0]
    return found


def test_the_order_is_true_and_intervals_hold() -> None:
    """The true order in ≥ 90 % of 50 repeats, and ≥ 90 % of the intervals hold the true rating."""
    truth = true_ratings()
    ordered, held = 0, 0
    for repeat in range(REPEATS):
        found = rate(compared(np.random.default_rng(repeat), CLIPS), len(SUCCESS), seed=repeat)
        values = [one.value for one in found.values]
        ordered += values == sorted(values)
        held += sum(one.low <= value <= one.high for one, value in zip(found.values, truth, strict=True))
    total = REPEATS * len(SUCCESS)
    per_judge = math.ceil(CLIPS * len(SUCCESS) * (len(SUCCESS) - 1) / 2 / ANNOTATORS)
    print(f"\n{per_judge} comparisons for each of {ANNOTATORS} annotators")
    print(f"true order in {ordered} of {REPEATS}; {held} of {total} intervals hold the true rating")
    assert ordered >= 0.9 * REPEATS
    assert held >= 0.9 * total
