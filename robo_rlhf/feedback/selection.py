"""Query selection: which segments to ask about next. Every method is one function over a pool; numpy only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array, Segment

STAGE_TOLERANCE = 0.1  # clips whose stages differ by no more are at the same stage
DISAGREEMENT_SHARE = 0.2  # of the mixed questions
ENDING_SHARE = 0.4  # of the mixed questions
DEMONSTRATION_SHARE = 0.1  # of the mixed questions
BY_MODELS = frozenset({"disagreement", "information"})  # methods that need predicted returns
PROPOSALS = 20  # questions weighed for each one that is asked by disagreement


class SegmentCandidate(NamedTuple):
    """A segment that could be asked about."""

    segment: Segment
    round: int  # in which its episode was collected; the newest is the present policy
    stage: float  # in [0, 1]: how far into the episode, or into the task, it is
    demonstration: bool = False  # a person's, not a policy's


@dataclass(frozen=True)
class Pool:
    """The candidates as arrays."""

    episode: Array  # (n,) int, equal for segments of one episode
    recent: Array  # (n,) bool: of the newest round of the policy
    stage: Array  # (n,) float64
    demonstration: Array  # (n,) bool
    returns: Array | None  # (E, n) predicted return of each segment, by each reward model
    clips: int  # K, clips a question


Method = Callable[[Pool, int, np.random.Generator], Array]  # → (at most k, K) places in the pool


def select(
    candidates: Sequence[SegmentCandidate],
    k: int,
    method: str,
    rng: np.random.Generator,
    returns: Array | None = None,
    clips: int = 2,
) -> list[tuple[Segment, ...]]:
    """Return the clips of the next `k` questions; fewer where the candidates do not make so many different ones.

    Args:
        candidates: what could be asked about, n of them.
        k: how many questions.
        method: a name in `METHODS`.
        rng: the source of chance.
        returns: (E, n) predicted returns of the candidates; what disagreement is measured on.
        clips: clips a question.

    Raises:
        UnknownNameError: no such method.
        InvalidValueError: fewer candidates than clips in a question, or a method that needs `returns` without them.
        ShapeError: `returns` is not (E, n).
    """
    if method not in METHODS:
        raise UnknownNameError("selection method", method, METHODS)
    if len(candidates) < clips:
        raise InvalidValueError("segments to ask about", len(candidates), f"at least {clips}, one for each clip")
    if returns is not None and (returns.ndim != 2 or returns.shape[1] != len(candidates)):
        raise ShapeError("returns of the candidates", ("E", len(candidates)), returns.shape)
    chosen = METHODS[method](_pool(candidates, returns, clips), k, rng)
    return [tuple(candidates[int(i)].segment for i in row) for row in chosen]


def uniform(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Any segments, all rounds and demonstrations alike."""
    everything = np.ones(len(pool.stage), bool)
    return _draw(pool, everything, everything, k, rng, aligned=False)


def recent(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Segments of the present policy."""
    return _draw(pool, pool.recent, pool.recent, k, rng, aligned=False)


def stage(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Segments of the present policy at the same stage."""
    return _draw(pool, pool.recent, pool.recent, k, rng, aligned=True)


def disagreement(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Among many proposals at the same stage, those about which the reward models disagree most.

    Disagreement is the deviation over the ensemble of the probability that a clip is the best, averaged over the clips.
    """
    return _most(pool, k, rng, lambda best: best.std(0).mean(-1))


def information(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Among many proposals at the same stage, those whose answers tell most about which reward model is right.

    That is the mutual information of answer and model (Houlsby et al. 2011, "BALD"): how unsure the ensemble is as a
    whole, less how unsure its members say the answer must be anyway.
    """
    return _most(pool, k, rng, lambda best: _entropy(best.mean(0)) - _entropy(best).mean(0))


def demonstrations(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """A demonstration against the present policy, at the same stage."""
    return _draw(pool, pool.demonstration, pool.recent, k, rng, aligned=True)


def endings(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """How an episode of the present policy, or a demonstration, ended, against any moment of the present policy.

    Success comes at the end and is rare at first; between clips at the same stage it is hardly ever set against what
    leads up to it, and then a reward model learns to linger just before it.
    """
    last = (pool.recent | pool.demonstration) & (pool.stage >= 1.0 - STAGE_TOLERANCE)
    return _draw(pool, last, pool.recent, k, rng, aligned=False)


def mixed(pool: Pool, k: int, rng: np.random.Generator) -> Array:
    """Two fifths endings, a fifth by disagreement, a tenth against demonstrations, the rest at the same stage."""
    doubtful = round(DISAGREEMENT_SHARE * k) if pool.returns is not None else 0
    shown = round(DEMONSTRATION_SHARE * k) if pool.demonstration.any() and pool.recent.any() else 0
    ended = round(ENDING_SHARE * k)
    parts = [stage(pool, k - doubtful - shown - ended, rng), endings(pool, ended, rng)]
    parts += [disagreement(pool, doubtful, rng)] if doubtful else []
    parts += [demonstrations(pool, shown, rng)] if shown else []
    chosen = _distinct(np.concatenate(parts))
    if len(chosen) < k:
        chosen = _distinct(np.concatenate([chosen, stage(pool, 2 * k, rng)]))[:k]
    return rng.permutation(chosen)


METHODS: dict[str, Method] = {
    method.__name__: method
    for method in (uniform, recent, stage, endings, disagreement, information, demonstrations, mixed)
}


def _most(pool: Pool, k: int, rng: np.random.Generator, measure: Callable[[Array], Array]) -> Array:
    """Return the proposals of which `measure` is largest.

    It gets the probability that each clip is the best, by each reward model, (E, proposals, K), of one clip that it is
    good and that it is bad, and returns (proposals,). No segment is in more than two questions where others will do, so
    that one odd segment does not take all of them.
    """
    if pool.returns is None:
        raise InvalidValueError(
            "selection by what reward models say", "no predicted returns", "those of a reward model"
        )
    proposals = stage(pool, PROPOSALS * k, rng)
    logits = pool.returns[:, proposals]  # (E, proposals, K)
    if pool.clips == 1:  # one clip is judged against a return of 0
        logits = np.concatenate([logits, np.zeros_like(logits)], axis=-1)
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    doubt = measure(odds / odds.sum(-1, keepdims=True))
    return _spread(proposals[np.argsort(-doubt, kind="stable")], k, pool)


def _entropy(chances: Array) -> Array:
    """Return the entropy [nat] over the last axis."""
    found: Array = -(chances * np.log(np.maximum(chances, 1e-12))).sum(-1)
    return found


def _pool(candidates: Sequence[SegmentCandidate], returns: Array | None, clips: int) -> Pool:
    demonstration = np.array([c.demonstration for c in candidates])
    rounds = np.array([c.round for c in candidates])
    newest = rounds[~demonstration].max() if not demonstration.all() else -1
    return Pool(
        episode=np.unique([c.segment.episode_id for c in candidates], return_inverse=True)[1],
        recent=~demonstration & (rounds == newest),
        stage=np.array([c.stage for c in candidates], np.float64),
        demonstration=demonstration,
        returns=returns,
        clips=clips,
    )


def _draw(pool: Pool, first: Array, rest: Array, k: int, rng: np.random.Generator, *, aligned: bool) -> Array:
    """Draw up to `k` different questions, the first clip out of mask `first` (n,), the others out of `rest`.

    Clips come from different episodes where there are enough. Aligned clips are within STAGE_TOLERANCE of the first,
    or the nearest to it where there are too few. Which clip comes first is left to chance.
    """
    starts = np.flatnonzero(first)
    if not starts.size or np.count_nonzero(rest) < pool.clips - 1:
        return np.empty((0, pool.clips), int)
    drawn = np.empty((0, pool.clips), int)
    for _ in range(4):  # where candidates are few, some questions come twice
        missing = k - len(drawn)
        if not missing:
            break
        # every segment is used about equally often
        order = np.concatenate([rng.permutation(starts) for _ in range(-(-missing // starts.size))])[:missing]
        rows = [_complete(pool, int(place), rest, rng, aligned=aligned) for place in order]
        drawn = _distinct(np.concatenate([drawn, *(row for row in rows if row is not None)]))
    return drawn


def _complete(pool: Pool, place: int, rest: Array, rng: np.random.Generator, *, aligned: bool) -> Array | None:
    """Return a question (1, K) around the clip at `place`, or None where there is nothing to set against it."""
    partners = rest.copy()
    partners[place] = False
    elsewhere = partners & (pool.episode != pool.episode[place])
    partners = elsewhere if np.count_nonzero(elsewhere) >= pool.clips - 1 else partners
    choices = np.flatnonzero(partners)
    if choices.size < pool.clips - 1:
        return None
    distance = np.abs(pool.stage[choices] - pool.stage[place])
    near = distance <= STAGE_TOLERANCE if aligned else np.ones(choices.size, bool)
    rank = np.lexsort((rng.random(choices.size), np.where(near, 0.0, distance)))  # nearest first, then by chance
    return rng.permutation(np.append(place, choices[rank[: pool.clips - 1]]))[None]


def _spread(rows: Array, k: int, pool: Pool) -> Array:
    """Return the first `k` questions that use no segment more than twice; more often only where there is no other."""
    uses, left, most = np.zeros(len(pool.stage), int), list(rows), 2
    chosen: list[Array] = []
    while len(chosen) < k and left:
        passed = []
        for row in left:
            if len(chosen) < k and np.all(uses[row] < most):
                uses[row] += 1
                chosen.append(row)
            else:
                passed.append(row)
        left, most = passed, 2 * most
    return np.array(chosen, int).reshape(-1, pool.clips)


def _distinct(rows: Array) -> Array:
    """Drop questions with the same clips as an earlier one, whatever their order."""
    _, first = np.unique(np.sort(rows, axis=1), axis=0, return_index=True)
    kept: Array = rows[np.sort(first)]
    return kept


def sample_in_proportion(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Choose `count` of n cases, each with a chance in proportion to its size.

    Systematic sampling in random order (Madow 1949): exactly as many as were asked for, and none twice.

    Args:
        size: (n,), above 0.
        count: how many; all of them where there are fewer.
        rng: the source of chance.

    Returns:
        The places of those chosen (min(count, n),), rising, and the chance (n,) of each case to be among them.
    """
    count, sure = min(count, len(size)), np.zeros(len(size), np.bool_)
    while True:  # what is so large that its chance would exceed one is certain
        left = count - int(sure.sum())
        chance = np.where(sure, 1.0, left * size / max(float(size[~sure].sum()), 1e-12))
        more = (chance >= 1.0) & ~sure
        if not more.any() or not left:
            break
        sure |= more
    order = rng.permutation(np.flatnonzero(~sure))
    ends = np.cumsum(chance[order])
    places = np.searchsorted(ends[:-1], rng.uniform() + np.arange(left), side="right")  # the last ends at `left`
    chosen = np.sort(np.concatenate([np.flatnonzero(sure), order[places]]))
    return chosen, chance
