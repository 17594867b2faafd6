"""What a run expects of its last policy, said after each round and compared with what comes.

A round's gate sees how often its policy succeeds. What the answers and iterations that are left add to that is known
from earlier runs: on the scale of log odds so much in the mean, and so uncertain. Nothing in a run depends on it.
"""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

from robo_rlhf.core.runs import Run
from robo_rlhf.core.stats import Interval
from robo_rlhf.pipeline.context import Context

GAIN, SPREAD = 0.8, 0.8  # log odds that all of the fine-tuning adds: the mean over runs, and their deviation
ERROR = 0.35  # deviation of the log odds by which a success head, and the seeds that choices are made on, mislead
CONFIDENCE = 0.9


class Forecast(NamedTuple):
    """The share of the evaluation's episodes that the last policy is expected to succeed in."""

    round: int  # after which it was made
    answers: int  # that were still to come
    expected: Interval

    def text(self) -> str:
        """Return it as a sentence."""
        low, high = (round(100 * end) for end in self.expected[1:])
        more = f"with {self.answers} more answers" if self.answers else "with no more answers"
        return f"{more} I expect the last policy to succeed in {low} to {high} % of evaluation episodes"


def expect(seen: float, episodes: int, left: float, evaluated: int) -> Interval:
    """Return the share of `evaluated` episodes that is expected to succeed, an interval of `CONFIDENCE`.

    Args:
        seen: the share of a policy's `episodes` that succeeded, or were judged so.
        episodes: how many.
        left: the share of the fine-tuning that is still to come, in [0, 1].
        evaluated: the episodes of the evaluation that it is a forecast of.
    """
    share = (seen * episodes + 1) / (episodes + 2)
    middle = math.log(share / (1 - share)) + GAIN * left
    expected = 1 / (1 + math.exp(-middle))
    sampling = 1 / ((episodes + 2) * share * (1 - share)) + 1 / (evaluated * expected * (1 - expected) + 1)
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(sampling + ERROR**2 + (SPREAD * left) ** 2)
    smoothed = (1 / (1 + math.exp(-at)) for at in (middle, middle - half, middle + half))
    counts = (share * (evaluated + 2) - 1 for share in smoothed)  # as above, so that none and all can be expected
    return Interval(*(min(max(count / evaluated, 0.0), 1.0) for count in counts))


def forecast(context: Context, number: int) -> None:
    """Say what is expected after round `number`, a stage of it; nothing where no gate saw successes."""
    config = context.config
    seen = (context.run.child(f"round-{number}/gate", {}).result() or {}).get("success")
    if seen is None:
        return

    def work(run: Run) -> Mapping[str, Any]:
        later = range(number + 1, config.rounds + 1)
        left = sum(map(config.iterations_of, later)) / config.rl.iterations
        answers = sum(map(config.labels_of, later))
        found = Forecast(number, answers, expect(seen, config.gate_episodes, left, config.episodes))
        return {**found._asdict(), "expected": found.expected._asdict(), "text": found.text()}

    context.stage(f"round-{number}/forecast", work)
