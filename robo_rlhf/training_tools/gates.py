"""Gates: whether a new policy may replace the old one, and when to stop training. Pure functions of measurements.

`replacement` compares two policies on the same seeds: the new one is refused where it is shown to be worse.
`over_optimised` detects that a learned reward is maximised at the expense of the annotators' preferences (Gao et al.
2023, "Scaling laws for reward model overoptimization"): the reward keeps rising while true success, or the agreement
of held-out answers with the reward, falls.
"""

from collections.abc import Sequence
from math import comb
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.stats import Interval, bootstrap_mean, paired_share, wilson
from robo_rlhf.core.types import Array


class GateDecision(NamedTuple):
    """The decision of a gate."""

    accepted: bool
    reason: str
    difference: Interval  # new minus old
    episodes: int

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, for the events of a run."""
        return {**self._asdict(), "difference": self.difference._asdict()}


class Measurement(NamedTuple):
    """The performance of a policy at one time during training."""

    learned: float  # mean learned reward of its episodes
    good: int  # how many were successes, or answers that the reward agrees with
    total: int


def replacement(old: Array, new: Array, confidence: float = 0.95, *, percent: bool = False) -> GateDecision:
    """Decide whether a new policy may replace the old one: only if it is not shown to be worse.

    Args:
        old: scores (M,) of the old policy by seed: bool for success, else the more the better.
        new: those of the new one, on the same seeds.
        confidence: of the interval of the difference; bool by Newcombe's paired interval, else by a bootstrap.
        percent: whether scores that are not bool are chances of success.

    Raises:
        ShapeError: not the same seeds.
        InvalidValueError: no episodes, or scores that are not finite.
    """
    if old.shape != new.shape or old.ndim != 1:
        raise ShapeError("scores of the new policy", old.shape, new.shape)
    if not len(old) or not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise InvalidValueError("scores at a gate", f"{len(old)} episodes", "at least one, all scores finite")
    shares = old.dtype == np.bool_ and new.dtype == np.bool_
    if shares:
        difference = paired_share(old, new, confidence)
    else:
        difference = bootstrap_mean(new.astype(np.float64) - old.astype(np.float64), confidence)
    worse = difference.high < 0
    text = "{:+.1%} ({:+.1%} to {:+.1%})" if shares or percent else "{:+.4g} ({:+.4g} to {:+.4g})"
    verdict = "refused: shown to be worse" if worse else "accepted: not shown to be worse"
    return GateDecision(not worse, f"{verdict}, {text.format(*difference)} over {len(old)} seeds", difference, len(old))


def over_optimised(history: Sequence[Measurement], *, window: int = 5, confidence: float = 0.95) -> str:
    """Return the reason to stop training, "" where there is none.

    The newest `window` entries are compared with the best `window` in a row before them. The alarm is raised where
    the learned reward is higher now, and the share of good outcomes is significantly lower.

    Raises:
        InvalidValueError: an empty window.
    """
    if window < 1:
        raise InvalidValueError("window of the over-optimisation alarm", window, "at least 1")
    if len(history) < 2 * window:
        return ""
    learned = np.array([one.learned for one in history])
    good, count = (np.array([getattr(one, name) for one in history]) for name in ("good", "total"))
    starts = [i for i in range(len(history) - 2 * window + 1) if count[i : i + window].sum()]
    now = slice(len(history) - window, len(history))
    if not starts or not count[now].sum():
        return ""
    best = max(starts, key=lambda i: good[i : i + window].sum() / count[i : i + window].sum())
    then = slice(best, best + window)
    gain = float(learned[now].mean() - learned[then].mean())
    before, after = (wilson(int(good[at].sum()), int(count[at].sum()), confidence) for at in (then, now))
    high = after.value - before.value + _square_sum(after.high - after.value, before.value - before.low)
    if gain <= 0 or high >= 0:
        return ""
    return (
        f"the learned reward rose by {gain:.3g} while the true measure fell from {before.value:.0%} to "
        f"{after.value:.0%} (entries {best + 1} to {best + window} against the newest {window})"
    )


class Decline(NamedTuple):
    """How far people want to go back, by their held-out answers."""

    rounds: int  # policies to go back; 0: none
    why: str


def prefers_older(votes: Sequence[tuple[int, int]], gain: float, looks: int, *, level: float = 0.05) -> Decline:
    """Return whether the newest policy is worse than one before, by people's answers (sign tests).

    The newest comparison is tested alone and together with all before it, so that a slow decline is found as well.
    Each look at the answers may spend an equal part of `level` (Bonferroni), whatever comes of it.

    Args:
        votes: answers that prefer a clip of the newer policy, and of the one before it; of each round, oldest first.
        gain: of the learned reward, from the one before to the newest.
        looks: how often a run asks.
        level: chance that a run whose policies are all equally good is ever rolled back.
    """
    spans = dict.fromkeys([1, len(votes)])  # how many of the newest rounds are tested together
    chances = {span: _sign_test(votes[-span:]) for span in spans if votes}
    if not chances or min(chances.values()) > level / looks / len(spans):
        return Decline(0, "")
    span = min(chances, key=chances.__getitem__)
    older, total = sum(old for _, old in votes[-span:]), sum(map(sum, votes[-span:]))
    when = f", over {span} rounds" if span > 1 else ""
    why = (
        f"people prefer the policy before in {older} of {total} comparisons held out for this{when} (chance alone: "
        f"{chances[span]:.1%}), while the learned reward {'rose' if gain > 0 else 'fell'} by {abs(gain):.3g} a step"
    )
    return Decline(span, why)


def _sign_test(votes: Sequence[tuple[int, int]]) -> float:
    """Return the chance of so many for the older ones, or more, where both are equally good."""
    older, total = sum(old for _, old in votes), sum(map(sum, votes))
    return float(sum(comb(total, k) for k in range(older, total + 1)) / 2**total)


def _square_sum(a: float, b: float) -> float:
    """Return the half width of a difference of independent shares (Newcombe 1998, method 10 of the first paper)."""
    return float(np.hypot(a, b))
