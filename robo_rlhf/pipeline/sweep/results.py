"""What became of the runs of a sweep: each combination of settings over its seeds, the best first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import run_folder
from robo_rlhf.core.stats import Interval, mean_over_seeds
from robo_rlhf.core.types import Array
from robo_rlhf.pipeline.report.formatting import interval_text, value_text
from robo_rlhf.pipeline.steps.evaluation import stored_evaluation
from robo_rlhf.pipeline.sweep.grid import SweepRun
from robo_rlhf.rollouts.evaluation import Evaluation
from robo_rlhf.sim.task_tools.style_measures import MEASURES


class FinishedRun(NamedTuple):
    """A run of a sweep that is finished."""

    cell: SweepRun
    before: Evaluation  # the cloned policy
    after: Evaluation  # the fine-tuned policy


@dataclass(frozen=True)
class Combination:
    """One combination of settings, over the seeds that are finished."""

    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    before: Interval
    after: Interval
    worst: float  # the worst seed, after
    gain: Interval  # over the first combination, on the seeds that both have; NaN for the first itself

    @property
    def name(self) -> str:
        """The settings in words."""
        return ", ".join(self.settings) or "as given"


def finished(cells: Sequence[SweepRun], home: Path) -> Iterator[FinishedRun]:
    """Yield the runs of a sweep that are finished.

    Raises:
        CorruptFileError: the result of one is damaged.
    """
    for cell in cells:
        path = run_folder(home, cell.run)
        if (path / "result.json").exists():
            yield FinishedRun(cell, stored_evaluation(path, "before"), stored_evaluation(path, "after"))


def choices(done: Sequence[FinishedRun]) -> list[Combination]:
    """Return what became of each combination of settings, the best first.

    Raises:
        CorruptFileError: a run was evaluated on other episodes than the others.
    """
    together: dict[tuple[str, ...], dict[int, FinishedRun]] = {}
    for found in done:
        together.setdefault(found.cell.settings, {})[found.cell.seed] = found
    _check_same(iter(done))
    measure = score_of(done)
    first = next(iter(together.values()), {})
    rows = []
    for settings, by_seed in together.items():
        after = [measure(found.after) for found in by_seed.values()]
        shared = [seed for seed in by_seed if seed in first and by_seed is not first]
        differences = [measure(by_seed[seed].after) - measure(first[seed].after) for seed in shared]
        rows.append(
            Combination(
                settings,
                tuple(by_seed),
                mean_over_seeds([measure(found.before) for found in by_seed.values()]),
                mean_over_seeds(after),
                min(float(scores.mean()) for scores in after),
                mean_over_seeds(differences),
            )
        )
    return sorted(rows, key=lambda row: -row.after.value)


class TradeOff(NamedTuple):
    """What each combination comes to in each criterion: success (or return), and the style measures that all have."""

    criteria: tuple[str, ...]  # success or return first
    rows: tuple[tuple[Combination, tuple[Interval, ...]], ...]  # of each combination: a mean over seeds a criterion

    def undominated(self) -> list[bool]:
        """Return for each combination whether no other is at least as good in all criteria and better in one."""
        means = np.array([[one.value for one in found] for _, found in self.rows])  # (C, K)
        means *= [1.0, *(1.0 if MEASURES[name].better == "higher" else -1.0 for name in self.criteria[1:])]
        as_good = (means[:, None] >= means[None]).all(axis=2)  # (C, C): row at least as good as column
        better = (means[:, None] > means[None]).any(axis=2)
        beaten = np.asarray((as_good & better).any(axis=0))
        return [not one for one in beaten]


def trade_off(done: Sequence[FinishedRun]) -> TradeOff:
    """Return how the combinations trade one criterion for another; raises as `choices`."""
    names = [name for name in done[0].after.style if all(name in found.after.style for found in done)]
    score = score_of(done)
    rows = []
    for choice in choices(done):
        mine = [found.after for found in done if found.cell.settings == choice.settings]
        styles = [[np.array(one.style[name], np.float64) for one in mine] for name in names]
        known = [[values[~np.isnan(values)] for values in style] for style in styles]
        means = [mean_over_seeds([values for values in style if len(values)]) for style in known]
        rows.append((choice, (mean_over_seeds([score(one) for one in mine]), *means)))
    return TradeOff(("success" if by_success(done) else "return", *names), tuple(rows))


def _check_same(found: Iterator[FinishedRun]) -> None:
    seeds = {one.after.seeds: one.cell.run for one in found}
    if len(seeds) > 1:
        path = list(seeds.values())[-1]
        why = "its evaluation has other episodes than the other runs of the sweep"
        raise CorruptFileError(Path(path), why, "Remove it, and run the same command again.")


def by_success(done: Sequence[FinishedRun]) -> bool:
    """Whether runs are compared by success at the end: by the return where no run of the sweep ever had a success."""
    return any(any(found.after.success_any) or any(found.before.success_any) for found in done)


def score_of(done: Sequence[FinishedRun]) -> Callable[[Evaluation], Array]:
    """Return what runs are compared by, (M,) an evaluation."""
    if by_success(done):
        return lambda evaluation: np.array(evaluation.success_end, np.float64)
    return lambda evaluation: np.array(evaluation.returns, np.float64)


def table(done: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Return a row for each combination, the best first, as a table shows it."""
    share = by_success(done)
    rows = []
    for choice in choices(done):
        rows.append(
            {
                "settings": choice.name,
                "seeds": len(choice.seeds),
                "cloned": value_text(choice.before.value, share),
                "success" if share else "return": value_text(choice.after.value, share),
                "95 % interval": interval_text(choice.after, share),
                "worst seed": value_text(choice.worst, share),
                f"against {', '.join(done[0].cell.settings) or 'as given'}": _gain_text(choice.gain, share),
            }
        )
    return rows


def _gain_text(gain: Interval, share: bool) -> str:
    """Return a difference in words, in points where it is one of shares."""
    value, low, high = (value_text(100 * number if share else number, sign=True) for number in gain)
    return "–" if gain.value != gain.value else f"{value} ({low} to {high})"
