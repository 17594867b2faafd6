"""The prediction: the success of a run, and what a success takes, drawn from what was measured and from earlier runs.

Success is counted in log-odds. That of a run which imitates `n` demonstrations and asks `L` questions is

    trial + recipe + slope * log(n / n0) + gain * (L / 200)^0.57

where `trial` is what a policy cloned from all `n0` demonstrations in a minute came to, `slope` what more of them bring
(from one cloned from half of them), and `recipe` and `gain` are drawn from earlier runs: by how much the clone of a
whole run is better than that of a minute, and what 200 answers gained. Drawn, not averaged: nothing else says how far
they scatter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.types import Array

DRAWS, PROPOSED = 4000, 40_000
USUAL_ANSWERS = 200
EVALUATED = 200  # episodes that a run is measured by
POWER = 0.57  # pick_place from five demonstrations: 100 answers gained two thirds of what 200 did (docs/benchmarks.md)
SAME_TASK = 4.0  # weight of an earlier run of the same task, next to one of another
SLOPE = (1.3, 1.0)  # log-odds for e times as many demonstrations: mean and deviation before anything is measured
RECIPE, GAIN = (1.0, 1.0), (1.0, 1.0)  # the same of what earlier runs say; they count as a run each
BLUR = 0.4  # deviation that a value of an earlier run is drawn with: another run of it would have come to another
SURE = 10.0  # failures from which on an earlier run counts in full: what gained nothing of one failure says little
LEVEL = 0.9  # confidence of intervals
MOST_ANSWERS, MOST_DEMOS = 5000.0, 1000.0  # beyond which is "more than that"


@dataclass(frozen=True)
class EarlierRun:
    """A run that is done. Successes are shares of `episodes` evaluation episodes."""

    task: str
    demos: int
    answers: int
    minutes: float  # that it was given
    cloned: float
    final: float
    episodes: int
    trial: float | None = None  # success of a policy cloned from as many in a minute, see `cloning`
    trial_episodes: int = 0
    spent: float | None = None  # [min] of work
    source: str = ""  # where this is from


class Range(NamedTuple):
    """The median and an interval; an infinite number is more than anybody would give."""

    value: float
    low: float
    high: float


class CurvePoint(NamedTuple):
    """What a policy cloned in a minute from so many demonstrations came to."""

    demos: int
    successes: int
    episodes: int


@dataclass(frozen=True)
class Draws:
    """Runs as they may turn out, one of equal chance an entry; all (S,)."""

    demos: int  # that the trial had
    cloned: Array  # log-odds of success of a run's cloned policy, from so many demonstrations
    slope: Array  # log-odds for e times as many
    gain: Array  # log-odds by 200 answers
    spent: Array  # share of its minutes that a run takes; NaN where no earlier run says it

    def success(self, demos: int, answers: int) -> Array:
        """Return the success (S,) that `EVALUATED` episodes show of runs with so many demonstrations and answers."""
        odds = self.cloned + self.slope * np.log(max(demos, 1) / self.demos)
        shares = _share(odds + self.gain * (answers / USUAL_ANSWERS) ** POWER)
        found: Array = np.random.default_rng(len(shares)).binomial(EVALUATED, shares) / EVALUATED
        return found

    def answers(self, target: float) -> Array:
        """Return how many answers (S,) it takes to a success, with the demonstrations that there are."""
        missing = _odds(target) - self.cloned
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = USUAL_ANSWERS * (missing / self.gain) ** (1 / POWER)
        needed = np.where(missing <= 0, 0.0, np.where(self.gain > 0, needed, np.inf))
        return np.where(needed > MOST_ANSWERS, np.inf, needed)

    def demonstrations(self, target: float) -> Array:
        """Return how many demonstrations (S,) it takes to a success by imitation alone, those that there are with them.

        Where fewer than there are would do, that is how many.
        """
        with np.errstate(over="ignore"):
            needed = np.ceil(self.demos * np.exp((_odds(target) - self.cloned) / self.slope))
        return np.where(needed > MOST_DEMOS, np.inf, np.maximum(needed, 1.0))


def draw(curve: Sequence[CurvePoint], earlier: Sequence[EarlierRun], task: str, seed: int = 0) -> Draws:
    """Return runs as they may turn out: `curve` has the parts of the demonstrations, all of them last."""
    rng = np.random.default_rng(seed)
    whole = curve[-1]
    trial, slope = _curve_draws(curve, rng)
    recipe = _drawn([(_recipe(run), _weight(run, task)) for run in earlier if run.trial is not None], RECIPE, rng)
    gain = _drawn([(_gain(run), _weight(run, task) * _says(run)) for run in earlier if run.answers], GAIN, rng)
    shares = [(run.spent / run.minutes, _weight(run, task)) for run in earlier if run.spent and run.minutes]
    values, weights = (np.array([one[i] for one in shares]) for i in (0, 1))
    spent = np.full(DRAWS, np.nan)
    if shares:
        spent = rng.choice(values, DRAWS, p=weights / weights.sum()) * np.exp(rng.normal(0, BLUR / 2, DRAWS))
    return Draws(whole.demos, trial + recipe, slope, gain, spent)


def interval(values: Array) -> Range:
    """Return the median of draws, and the interval that holds `LEVEL` of them."""
    ordered = np.sort(values)
    low, value, high = (
        float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
        for share in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
    )
    return Range(value, low, high)


def _curve_draws(curve: Sequence[CurvePoint], rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the log-odds of the policy cloned from all demonstrations and the slope, (S,) each.

    Proposed from what all of them came to and from `SLOPE`, and weighed by what the parts came to.
    """
    whole = curve[-1]
    share = rng.beta(whole.successes + 0.5, whole.episodes - whole.successes + 0.5, PROPOSED)
    trial = _odds(share)
    slope = np.abs(rng.normal(*SLOPE, PROPOSED))
    chance = np.zeros(PROPOSED)
    for point in curve[:-1]:
        part = np.clip(_share(trial + slope * np.log(point.demos / whole.demos)), 1e-9, 1 - 1e-9)
        chance += point.successes * np.log(part) + (point.episodes - point.successes) * np.log1p(-part)
    weight = np.exp(chance - chance.max())
    some = rng.choice(PROPOSED, DRAWS, p=weight / weight.sum())
    return trial[some], slope[some]


def _drawn(found: Sequence[tuple[float, float]], prior: tuple[float, float], rng: np.random.Generator) -> Array:
    """Return values (S,) of earlier runs, each as often as it weighs and blurred; the prior weighs as one run."""
    values, weights = np.array([(prior[0], 1.0), *found]).T
    which = rng.choice(len(values), DRAWS, p=weights / weights.sum())
    drawn: Array = values[which] + rng.normal(size=DRAWS) * np.where(which == 0, prior[1], BLUR)
    return drawn


def _recipe(run: EarlierRun) -> float:
    assert run.trial is not None
    return _counted(run.cloned, run.episodes) - _counted(run.trial, run.trial_episodes)


def _gain(run: EarlierRun) -> float:
    gained = _counted(run.final, run.episodes) - _counted(run.cloned, run.episodes)
    return float(gained / (run.answers / USUAL_ANSWERS) ** POWER)


def _weight(run: EarlierRun, task: str) -> float:
    return SAME_TASK if run.task == task else 1.0


def _says(run: EarlierRun) -> float:
    return min(run.episodes * (1 - run.cloned) / SURE, 1.0)


def _counted(share: float, episodes: int) -> float:
    """Return the log-odds of a share of so many episodes, with half a success and half a failure more."""
    return float(_odds((share * episodes + 0.5) / (episodes + 1)))


def _odds(share: Array | float) -> Array:
    clipped = np.clip(share, 1e-4, 1 - 1e-4)
    found: Array = np.log(clipped / (1 - clipped))
    return found


def _share(odds: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-odds))
    return found
