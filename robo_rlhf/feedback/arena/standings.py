"""The standings of an arena: ratings of its policies, every pair's share, and a summary sentence.

They are computed from the answers in the database on request; `update_standings` also writes them into the arena's
folder, for other pages.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import (
    read_json,
    remove,
    write_json,
)
from robo_rlhf.core.stats import wilson
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.arena.davidson import MIDDLE, HeadToHead, PairOutcome, Ratings, more_needed, pair_of, rate
from robo_rlhf.feedback.quality import report
from robo_rlhf.feedback.records import Answer
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import questions

SCORES = {"A": 1.0, "B": 0.0, "tie": 0.5, "both_bad": 0.5}  # the score of clip A; "can't tell" is not a comparison
LEAST_TO_GUESS = 5  # comparisons from which the number of further ones needed is reported


@dataclass(frozen=True)
class JudgingProgress:
    """The progress of judging in an arena."""

    total: int  # questions
    asked: int  # of these, that can be shown
    answered: int  # of these, that as many judges answered as were wanted
    answers: int  # that count
    surplus: int  # of judges who had seen the names

    @property
    def done(self) -> bool:
        """Whether every question is answered."""
        return self.asked > 0 and self.answered == self.asked


@dataclass(frozen=True)
class Standings:
    """The standings of an arena."""

    arena: Arena
    progress: JudgingProgress
    ratings: Ratings
    pairs: dict[tuple[int, int], HeadToHead]  # by the places of two policies, the first the lower one
    cant_tell: int
    weighted: bool

    @property
    def order(self) -> list[int]:
        """The places of the policies, best first; equals in the order of their cover names, which reveals nothing."""
        covers, values = self.arena.cover_names(), self.ratings.values
        return sorted(range(len(values)), key=lambda place: (-round(values[place].value, 6), covers[place]))

    def pair(self, first: int, second: int) -> HeadToHead:
        """Return how one policy compares with another."""
        return self.pairs[first, second] if first < second else _turned(self.pairs[second, first])

    def to_json(self, *, covered: bool = False) -> dict[str, Any]:
        """Return all of it as a JSON object, under cover names where `covered`."""
        arena, policies = self.arena, self.arena.policies()
        names = arena.cover_names() if covered else [entrant.name for entrant in policies]
        rows = [self._policy(place, names, covered=covered) for place in self.order]
        pairs = [self._pair(*places, names) for places in combinations(self.order, 2)]
        return {
            "arena": arena.name,
            "task": arena.config.task,
            "judge": arena.config.judge,
            "overlap": arena.config.overlap,
            "seeds": arena.config.seeds,
            "created": arena.config.created,
            "covered": covered,
            "weighted": self.weighted,
            "done": self.progress.done,
            "asked": self.progress.asked,
            "answered": self.progress.answered,
            "answers": self.progress.answers,
            "cant_tell": self.cant_tell,
            "not_blind": self.progress.surplus,
            "tie": self.ratings.tie,
            "middle": MIDDLE,
            "verdict": self.verdict(names),
            "policies": rows,
            "pairs": pairs,
        }

    def verdict(self, names: Sequence[str]) -> str:
        """Return in a sentence which policy is the best, or that nothing tells them apart yet."""
        if len(self.order) < 2:
            return "An arena takes two policies; add another."
        if not self.progress.answers and self.progress.total and not self.progress.asked:
            return "Nothing can be judged: every question was withdrawn, because its clips cannot be shown."
        if not self.progress.answers:
            return "Nothing was judged yet."
        best = self.order[0]
        beaten = [other for other in self.order[1:] if self.pair(best, other).decided]
        if len(beaten) == len(self.order) - 1:
            text = self.sentence(best, self.order[1], names)
            return text if len(beaten) == 1 else f"{names[best]} is better than every other. {text}"
        rival = next(other for other in self.order[1:] if other not in beaten)
        return self.sentence(best, rival, names)

    def sentence(self, first: int, second: int, names: Sequence[str]) -> str:
        """Return in a sentence how two policies compare, and how many more comparisons would tell them apart."""
        pair = self.pair(first, second)
        if pair.share is None:
            return f"{names[first]} and {names[second]} were never compared."
        if pair.share.value < 0.5:
            return self.sentence(second, first, names)
        low, value, high = (f"{100 * x + 1e-9:.0f}" for x in (pair.share.low, pair.share.value, pair.share.high))
        what = f"{value} % of {_counted(pair.judged, 'comparison')} ({low} to {high})"
        if pair.decided:
            return f"{names[first]} is better than {names[second]}: {what}."
        return f"Nothing tells {names[first]} and {names[second]} apart yet: {what}. {_needed(pair)}"

    def _policy(self, place: int, names: Sequence[str], *, covered: bool) -> dict[str, Any]:
        entrant = self.arena.policies()[place]
        own = [pair for places, pair in self.pairs.items() if place in places]
        known: dict[str, Any] = {"name": names[place], "best": self.ratings.best[place]}
        known |= {"rating": self.ratings.values[place]._asdict(), "judged": sum(pair.judged for pair in own)}
        if covered:
            return known
        success = None
        if entrant.episodes:
            success = wilson(entrant.successes or 0, entrant.episodes)._asdict()
        return {**known, "checkpoint": entrant.checkpoint, "digest": entrant.digest, "success": success}

    def _pair(self, first: int, second: int, names: Sequence[str]) -> dict[str, Any]:
        pair = self.pair(first, second)
        return {
            "first": names[first],
            "second": names[second],
            "wins": pair.wins,
            "losses": pair.losses,
            "ties": pair.ties,
            "share": pair.share._asdict() if pair.share is not None else None,
            "decided": pair.decided,
            "more": more_needed(pair, round(pair.judged)) if pair.judged >= LEAST_TO_GUESS else None,
            "verdict": self.sentence(first, second, names),
        }


def standings(
    arena: Arena, store: Store, *, weighted: bool = False, judges: Collection[str] | None = None
) -> Standings:
    """Return the standings of an arena.

    Args:
        arena: which.
        store: where its answers are.
        weighted: whether judges are weighted by their reliability, as estimated from the others (`quality.weights`).
        judges: the people whose answers count; all where None.
    """
    places, number = arena.places(), len(arena.policies())
    asked = {question.id: question.segments for question in store.questions(run=arena.name)}
    mine = [answer for answer in store.answers(run=arena.name) if answer.annotator_kind == arena.config.judge]
    mine = [answer for answer in mine if judges is None or answer.annotator in judges]
    lookers = arena.spectators()
    counted = [answer for answer in mine if not answer.answered > lookers.get(answer.annotator, "9")]
    weights = report.weights(store, run=arena.name) if weighted else {}
    compared = []
    for answer in counted:
        score = SCORES.get(_choice(answer))
        clips = [clip.episode_id for clip in asked.get(answer.question_id, ())]
        if score is None or len(clips) != 2 or not all(clip in places for clip in clips):
            continue
        (first, seed), (second, _) = (places[clip] for clip in clips)
        compared.append(PairOutcome(first, second, score, seed, weights.get(answer.annotator, 1.0)))
    return Standings(
        arena,
        _progress(arena, store, len(counted), len(mine) - len(counted)),
        rate(compared, number) if number else Ratings((), (), 0.0),
        {pair: pair_of(compared, *pair) for pair in combinations(range(number), 2)},
        sum(_choice(answer) == "cant_tell" for answer in counted),
        weighted,
    )


def update_standings(arena: Arena, store: Store) -> Standings:
    """Compute the standings of an arena, write them into its folder and return them.

    Processes take turns: the last result written is the last one computed.
    """
    with arena.locked("ratings.lock"):
        found = standings(arena, store)
        _publish(found)
    return found


def _publish(found: Standings) -> None:
    """Write the standings into the arena's folder, unless they are there already; the result when it is finished."""
    covered = found.arena.config.judge == "human" and not found.progress.done  # the viewer may be a judge
    value, path = found.to_json(covered=covered), found.arena.path
    if _same(path / "ratings.json", value):
        return
    write_json(path / "ratings.json", value)
    if found.progress.done:
        write_json(path / "result.json", value)
    else:
        remove(path / "result.json", missing_ok=True)


def _same(path: Path, value: dict[str, Any]) -> bool:
    try:
        return bool(read_json(path, dict) == json.loads(json.dumps(value)))
    except (OSError, CorruptFileError):
        return False


def _progress(arena: Arena, store: Store, answers: int, surplus: int) -> JudgingProgress:
    """Count questions; those whose clips cannot be shown are left out."""
    shown = questions.c.withdrawn.is_(None)
    full = shown & (questions.c.given >= questions.c.overlap)
    sums = [sa.func.sum(sa.case((condition, 1), else_=0)) for condition in (shown, full)]
    with store.database.read() as connection:
        total, *found = connection.execute(sa.select(sa.func.count(), *sums).where(questions.c.run == arena.name)).one()
    asked, answered = (int(number or 0) for number in found)
    return JudgingProgress(total, asked, answered, answers, surplus)


def _choice(answer: Answer) -> str:
    return str(answer.value.get("choice"))


def _turned(pair: HeadToHead) -> HeadToHead:
    share = pair.share
    if share is not None:
        share = share._replace(value=1 - share.value, low=1 - share.high, high=1 - share.low)
    return HeadToHead(pair.losses, pair.wins, pair.ties, share)


def _needed(pair: HeadToHead) -> str:
    if pair.judged < LEAST_TO_GUESS:
        return "It takes more to guess how many would."
    more = more_needed(pair, round(pair.judged))
    if more is None:
        return "So far they look alike, so the number needed cannot be estimated."
    return f"About {_counted(more, 'more comparison')} would, if the share stays the same."


def _counted(count: float, noun: str) -> str:
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"
