"""Evaluation of policies: metrics with confidence intervals, and paired comparison of two policies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.stats import Interval, binomial_tail, bootstrap_mean, wilson
from robo_rlhf.core.types import Array, Episode, Policy, VecEnv
from robo_rlhf.rollouts.rollout import OnEnded, OnStep, check_environment, rollout
from robo_rlhf.sim.task_tools.style_measures import MEASURES, summarize

FIRST_SEED = 1_000_000  # first seed of the episodes that results are reported on; nothing is learned from them
SELECTION_SEED = 2_000_000  # first seed of the episodes that choose snapshots, kept apart to avoid selection bias


@dataclass(frozen=True)
class Evaluation:
    """The results of M episodes of one policy. Equal seeds make evaluations comparable episode by episode."""

    task: str
    seeds: tuple[int, ...]  # (M,)
    success_end: tuple[bool, ...]  # (M,) whether the task was solved when the episode ended
    success_any: tuple[bool, ...]  # (M,) whether it was solved at some time
    returns: tuple[float, ...]  # (M,) sum of task reward
    style: Mapping[str, tuple[float, ...]]  # measure → (M,), in the measure's unit
    aborted: int = 0  # episodes that a non-finite action or a fault of the environment ended; none is a success
    note: str = ""  # reason why the first of them ended
    seconds: tuple[float, ...] = ()  # (M,) [s] until it was solved for good, NaN where it was not; empty: not known

    @property
    def episodes(self) -> int:
        """M."""
        return len(self.seeds)

    @property
    def warning(self) -> str:
        """A note on aborted episodes; empty where none was."""
        if not self.aborted:
            return ""
        return f"{self.aborted} of {self.episodes} episodes count as failures: the first was {self.note}."

    @property
    def success(self) -> Interval:
        """Share of episodes solved at their end, with Wilson's interval."""
        return wilson(sum(self.success_end), self.episodes)

    @property
    def success_at_any_time(self) -> Interval:
        """Share of episodes solved at some time, with Wilson's interval."""
        return wilson(sum(self.success_any), self.episodes)

    @property
    def mean_return(self) -> Interval:
        """Mean return, with a bootstrap interval."""
        return bootstrap_mean(np.array(self.returns))

    @property
    def time_to_success(self) -> Interval:
        """Mean time [s] until the task was solved for good, where it was, with a bootstrap interval."""
        return bootstrap_mean(np.array(self.seconds, np.float64))

    def measures(self) -> dict[str, Interval]:
        """Return the mean of each style measure, with a bootstrap interval."""
        return {name: bootstrap_mean(np.array(values)) for name, values in self.style.items()}

    def summary(self) -> dict[str, Any]:
        """Return the summary for tables and reports, as a JSON object."""
        return {
            "task": self.task,
            "episodes": self.episodes,
            "aborted": self.aborted,
            "note": self.note,
            "success": self.success._asdict(),
            "success_at_any_time": self.success_at_any_time._asdict(),
            "return": self.mean_return._asdict(),
            "time_to_success": None if isnan(self.time_to_success.value) else self.time_to_success._asdict(),
            "style": {
                name: {**interval._asdict(), "unit": MEASURES[name].unit, "better": MEASURES[name].better}
                for name, interval in self.measures().items()
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object, for `from_json`; a measure that an episode lacks is null."""
        style = {name: [None if isnan(x) else x for x in values] for name, values in self.style.items()}
        return {**asdict(self), "style": style, "seconds": [None if isnan(x) else x for x in self.seconds]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation that `to_json` stored.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it stored none.
        """
        lists = {name: tuple(stored[name]) for name in ("seeds", "success_end", "success_any", "returns")}
        style = {name: tuple(nan if x is None else x for x in values) for name, values in stored["style"].items()}
        seconds = tuple(nan if x is None else x for x in stored.get("seconds", ()))
        found = cls(**{**stored, **lists, "style": style, "seconds": seconds})
        texts, flags = (found.task, found.note), (*found.success_end, *found.success_any)
        numbers = (*found.returns, *seconds, *(x for values in style.values() for x in values))
        fits = all(isinstance(text, str) for text in texts) and all(isinstance(flag, bool) for flag in flags)
        fits = fits and all(type(whole) is int for whole in (*found.seeds, found.aborted))
        if not fits or not all(type(number) in (int, float) for number in numbers):
            raise TypeError("an entry has another type")
        if {len(values) for values in (*lists.values(), *style.values(), seconds or lists["seeds"])} != {
            len(found.seeds)
        }:
            raise ValueError("its lists are of different lengths")
        return found


def evaluate(
    env: VecEnv,
    policy: Policy,
    seeds: Array,
    *,
    policy_seed: int = 0,
    on_step: OnStep | None = None,
    on_ended: OnEnded | None = None,
) -> Evaluation:
    """Run `policy` once from each of `seeds` (M,) and return the results.

    A policy with internal randomness is seeded with `policy_seed` first, so that the same call gives the same result.
    `on_ended` is given the episodes at the end, with their states, in the order of the seeds.

    Raises:
        InvalidValueError: no seeds.
        EnvironmentFaultError: a fault of the environment ended every episode.
    """
    seed = getattr(policy, "seed", None)
    if callable(seed):
        seed(policy_seed)
    episodes = rollout(env, policy, seeds, record_state=on_ended is not None, on_step=on_step)
    check_environment([e.meta for e in episodes], env.name)
    if on_ended is not None:
        on_ended(episodes)
    return summarize_episodes(episodes)


def summarize_episodes(episodes: Sequence[Episode]) -> Evaluation:
    """Return the evaluation of finished episodes of one task and one policy.

    Raises:
        InvalidValueError: no episodes.
    """
    if not episodes:
        raise InvalidValueError("an evaluation", "no episodes", "at least one")
    return summarize_results(episodes[0].meta.task, [result_of(episode) for episode in episodes])


class EpisodeResult(NamedTuple):
    """What one episode adds to an evaluation; equal after a way through JSON."""

    seed: int
    outcome: str  # as of `EpisodeMeta`
    note: str  # reason why it was aborted
    success_end: bool
    success_any: bool
    returned: float  # sum of task reward
    style: Mapping[str, float]  # measure → value, in the measure's unit
    seconds: float | None = None  # [s] until it was solved for good; None where it was not


def result_of(episode: Episode) -> EpisodeResult:
    """Return what a finished episode adds to an evaluation."""
    meta, counts = episode.meta, episode.meta.outcome != "aborted"
    return EpisodeResult(
        seed=meta.seed,
        outcome=meta.outcome,
        note=meta.note,
        success_end=bool(episode.success[-1]) and counts,
        success_any=bool(episode.success.any()) and counts,
        returned=float(episode.reward.sum(dtype=np.float64)),
        style=summarize(episode.signals, meta.control_dt) if len(episode) else {},
        seconds=_solved_after(episode) if counts else None,
    )


def _solved_after(episode: Episode) -> float | None:
    """Return the time [s] after which the task stayed solved to the end of an episode; None where it was not."""
    unsolved = np.flatnonzero(~episode.success)
    if not episode.success[-1]:
        return None
    return float((unsolved[-1] + 1 if len(unsolved) else 0) * episode.meta.control_dt)


def summarize_results(task: str, results: Sequence[EpisodeResult]) -> Evaluation:
    """Return the evaluation of what finished episodes of one task and one policy gave."""
    names = [name for name in MEASURES if any(name in result.style for result in results)]
    aborted = [result.note for result in results if result.outcome == "aborted"]
    return Evaluation(
        task=task,
        seeds=tuple(result.seed for result in results),
        success_end=tuple(result.success_end for result in results),
        success_any=tuple(result.success_any for result in results),
        returns=tuple(result.returned for result in results),
        style={name: tuple(result.style.get(name, nan) for result in results) for name in names},
        aborted=len(aborted),
        note=aborted[0] if aborted else "",
        seconds=tuple(nan if result.seconds is None else result.seconds for result in results),
    )


class Comparison(NamedTuple):
    """Two policies on the same seeds; differences are new minus old."""

    success: Interval  # difference of the share solved at the end, with a bootstrap interval over seeds
    only_old: int  # episodes that only the old policy solved
    only_new: int  # episodes that only the new policy solved
    p_worse: float  # p-value of so few wins among the seeds that differ, for equal policies; small: worse
    p_better: float  # p-value of so many wins
    style: Mapping[str, Interval]  # difference of each style measure

    def shown_worse(self, alpha: float = 0.05) -> bool:
        """Whether the new policy is shown to solve less, at level `alpha`: the gate that refuses to replace the old."""
        return self.p_worse < alpha


def compare(old: Evaluation, new: Evaluation) -> Comparison:
    """Compare two evaluations pairwise, episode by episode: an exact one-sided McNemar test each way.

    Raises:
        InvalidValueError: they are not of the same task and seeds.
    """
    if (old.task, old.seeds) != (new.task, new.seeds):
        raise InvalidValueError(
            "a paired comparison",
            f"{old.task} on {old.episodes} seeds and {new.task} on {new.episodes} seeds",
            "two evaluations of one task on the same seeds",
        )
    before, after = np.array(old.success_end), np.array(new.success_end)
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return Comparison(
        success=bootstrap_mean(after.astype(np.float64) - before),
        only_old=lost,
        only_new=won,
        p_worse=binomial_tail(lost, lost + won),
        p_better=binomial_tail(won, lost + won),
        style={
            name: bootstrap_mean(np.array(new.style[name]) - np.array(old.style[name]))
            for name in old.style
            if name in new.style
        },
    )
