"""The policy beside its teachers: what it does in evaluation next to what operators did in their demonstrations."""

from math import isfinite, isnan
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.stats import Interval, bootstrap_difference, share_difference
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.rollouts.evaluation import Evaluation, summarize_episodes


class BesideTeachers(NamedTuple):
    """A policy's evaluation and what its teachers did; the starts are not the same, so nothing is paired."""

    policy: Evaluation
    teachers: Evaluation

    @property
    def success(self) -> Interval:
        """Share solved at the end by the policy less that by the teachers, with Newcombe's interval."""
        both = [(sum(one.success_end), one.episodes) for one in (self.teachers, self.policy)]
        return share_difference(both[0], both[1])

    @property
    def seconds(self) -> Interval:
        """Mean time until solved [s] of the policy less that of the teachers; NaN where it is not known of both."""
        both = [np.array(one.seconds, np.float64) for one in (self.teachers, self.policy)]
        return bootstrap_difference(both[0], both[1])

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        seconds = None if isnan(self.seconds.value) else self.seconds._asdict()
        return {"teachers": self.teachers.summary(), "success": self.success._asdict(), "seconds": seconds}

    def sentence(self) -> str:
        """Return in words whether the policy does it as well as the people who showed it."""
        verdict = _verdict(self.success, ("less often than", "more often than", "as often as, as far as can be told,"))
        policy, teachers = (_percent(one.success) for one in (self.policy, self.teachers))
        text = (
            f"The policy succeeds {verdict} those who showed it: {policy} against {teachers} of "
            f"{self.teachers.episodes} demonstrations that were kept, {_points(self.success)}."
        )
        if not isfinite(self.seconds.value):
            return text
        pace = _verdict(self.seconds, ("faster", "slower", "neither faster nor slower, as far as can be told"))
        means = [one.time_to_success.value for one in (self.policy, self.teachers)]
        low, high = self.seconds.low, self.seconds.high
        return f"{text} It is {pace}: {means[0]:.1f} s against {means[1]:.1f} s ({low:+.1f} to {high:+.1f} s)."


def evaluate_demonstrations(reader: Reader, task: str) -> Evaluation:
    """Return the evaluation of the demonstrations of a task in a dataset; raises as `shown_by_operators`.

    Success is the task's measure, as for policies; discarded episodes are not in a dataset, so they do not count.
    """
    return summarize_episodes(list(reader.load_all(info.meta.id for info in shown_by_operators(reader, task))))


def shown_by_operators(reader: Reader, task: str) -> list[EpisodeInfo]:
    """Return the demonstrations of a task in a dataset: what a policy drove, or began, is none.

    Raises:
        NotFoundError: there is none.
    """
    listed = [info for info in reader.list(task=task) if info.length]
    found = [info for info in listed if info.meta.device != "policy" and not info.meta.parent]
    if not found:
        advice = "Name the dataset in which operators showed the task: `robo-rlhf episodes list` shows what there is."
        raise NotFoundError(f"demonstration of {task} in dataset", str(reader.path.name), advice)
    return found


def _verdict(difference: Interval, words: tuple[str, str, str]) -> str:
    below, above, neither = words
    return below if difference.high < 0 else above if difference.low > 0 else neither


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _points(difference: Interval) -> str:
    value, low, high = (100 * part for part in difference)
    return f"{value:+.0f} points ({low:+.0f} to {high:+.0f})"
