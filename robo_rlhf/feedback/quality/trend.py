"""Trend of the quality of answers: the newest ones in stretches of equal size, each with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from robo_rlhf.core.stats import Interval
from robo_rlhf.feedback.assignment.gold import GoldQuestion
from robo_rlhf.feedback.kinds import usable_kind
from robo_rlhf.feedback.quality.agreement import by_unit, judgements
from robo_rlhf.feedback.quality.report import MOST, WORK, Share, load_answers
from robo_rlhf.feedback.records import Answer
from robo_rlhf.feedback.store import Store

STRETCHES, LEAST = 12, 20  # stretches at most, answers in each at least
RESAMPLES = 300


@dataclass(frozen=True)
class Window:
    """Answers that were given one after the other."""

    first: str  # when the first was given; ISO 8601, UTC
    last: str
    answers: int
    seconds: float | None  # [s] median from seeing the clips to the answer
    agreement: Interval | None  # share of pairs of people who agree
    gold: Share
    too_fast: Share
    ties: Share


def over_time(
    store: Store, *, run: str | None = None, task: str | None = None, most: int = MOST, stretches: int = STRETCHES
) -> tuple[Window, ...]:
    """Return the quality of the newest `most` answers, oldest first; nothing where there are too few to compare."""
    kinds, found = load_answers(store, run, task, most)
    found.sort(key=lambda answer: answer.number)
    count = min(stretches, len(found) // LEAST)
    if count < 2:
        return ()
    known = {known.question: known for known in store.gold.list()}
    sharing = store.tasks.sharing(task or "")
    edges = np.linspace(0, len(found), count + 1).round().astype(int)
    parts = [found[a:b] for a, b in pairwise(edges.tolist())]
    units = _units(parts, kinds)
    return tuple(_window(part, pairs, kinds, known, sharing.too_fast) for part, pairs in zip(parts, units, strict=True))


def agreement_interval(pairs: Sequence[tuple[int, int]]) -> Interval | None:
    """Return the share of pairs of people who agree, with a bootstrap interval over what was judged.

    Args:
        pairs: of each unit, how many pairs agree, and how many there are.
    """
    counts = np.array(pairs, float).reshape(-1, 2)
    agreed, total = counts.sum(0)
    if not total:
        return None
    rng = np.random.default_rng(0)
    drawn = np.stack([counts[rng.integers(len(counts), size=len(counts))].sum(0) for _ in range(RESAMPLES)])
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return Interval(float(agreed / total), float(low), float(high))


def _units(parts: Sequence[Sequence[Answer]], kinds: Mapping[str, str]) -> list[list[tuple[int, int]]]:
    """Return, for each stretch, the pairs (agreeing, all) of each unit whose last answer is in it."""
    stretch_of = {
        answer.question_id: place for place, part in enumerate(parts) for answer in part if answer.standing in WORK
    }
    work = [answer for part in parts for answer in part if answer.standing in WORK]
    units: list[list[tuple[int, int]]] = [[] for _ in parts]
    for unit, labels in by_unit(judgements(work, kinds)).items():
        total = len(labels) * (len(labels) - 1) // 2
        if total:
            chosen = list(labels.values())
            agreed = sum(chosen[i] == other for i in range(len(chosen)) for other in chosen[i + 1 :])
            units[stretch_of[unit[0]]].append((agreed, total))  # type: ignore[index]
    return units


def _window(
    part: Sequence[Answer],
    pairs: Sequence[tuple[int, int]],
    kinds: Mapping[str, str],
    known: Mapping[str, GoldQuestion],
    too_fast: float,
) -> Window:
    times = sorted(answer.response_time for answer in part if answer.response_time is not None)
    gold = [a for a in part if a.standing == "gold" and a.question_id in known]
    judged = [chosen for a in part if (chosen := usable_kind(kinds[a.question_id]).labels(a.value))]
    return Window(
        first=part[0].answered,
        last=part[-1].answered,
        answers=len(part),
        seconds=times[len(times) // 2] if times else None,
        agreement=agreement_interval(pairs),
        gold=Share.over([known[a.question_id].right(a.value) for a in gold]),
        too_fast=Share.over([time < too_fast for time in times]),
        ties=Share.over([all(label == "neither" for label in chosen.values()) for chosen in judged]),
    )
