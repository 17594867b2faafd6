"""Where a policy fails: its starts drawn as a map, and new starts like those that fail, to record next from."""

from collections.abc import Sequence
from contextlib import closing
from html import escape
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.pipeline.report.charts import Axis, scatter_chart
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.rollouts.evaluation import Evaluation
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.external.ids import naming

RECORD_SEED = 7_500_000  # first of the seeds that are offered to record from: no result is reported on them
OFFERED, CANDIDATES = 3, 128  # of these
NEAREST = 5  # evaluated starts that say how likely one beside them fails
ALIKE = 0.9  # correlation from which two columns show the same


class FailureMap(NamedTuple):
    """Where failures lie among the starts."""

    columns: tuple[int, int]  # of the observation, those that tell failures best from successes
    seeds: tuple[int, ...]  # new starts where the nearest ones fail most, the worst first
    failing: tuple[int, ...]  # how many of the `NEAREST` evaluated starts fail there


def failures_section(findings: Findings) -> str:
    """Return the part of the report about failures; empty where there is none, or all starts are alike."""
    failed = ~np.array(findings.after.success_end)
    if not failed.any() or len(failed) < NEAREST:
        return ""
    with closing(make_env(findings.config["task"], findings.config["num_envs"])) as env:
        starts = _starts(env, np.array(findings.after.seeds))
        found = _mapped(env, starts, failed)
        names = getattr(getattr(env, "task", None), "obs_names", ())
    if found is None:
        return ""
    x, y = (Axis(f"{_name(names, column)} at the start") for column in found.columns)
    across, up = (starts[:, column].tolist() for column in found.columns)
    chart = scatter_chart("where it fails", list(zip(across, up, (~failed).tolist(), strict=True)), x, y)
    return (
        f"<h2>Where it fails</h2><p>It fails from {failed.sum()} of {len(failed)} starts, the red rings. "
        "Green discs are starts from which the fine-tuned policy succeeds, by the two columns that tell most.</p>"
        f'<div class="grid"><figure>{chart}</figure></div>{_advice(findings, found)}'
    )


def map_failures(starts: Array, failed: Array, candidates: Array, seeds: Array) -> FailureMap | None:
    """Return where failures lie among `starts` (S, d); `failed` (S,) bool. None where all starts are alike.

    Args:
        starts: the observations that evaluated episodes began with.
        failed: whether these failed.
        candidates: (C, d), those of new starts.
        seeds: (C,), the seeds of these.
    """
    spread = starts.std(axis=0)
    varied = np.flatnonzero(spread > 1e-6)
    if len(varied) < 2:
        return None
    middle = starts[:, varied].mean(axis=0)
    seen, new = ((obs[:, varied] - middle) / spread[varied] for obs in (starts, candidates))
    marks = failed - failed.mean()
    correlation = np.abs(marks @ seen) / (np.sqrt((marks**2).sum()) * np.sqrt(len(seen)) + 1e-12)
    first = int(correlation.argmax())
    same = np.abs(seen.T @ seen[:, first]) / len(seen) > ALIKE
    second = int(np.where(same, -1.0, correlation).argmax())
    distance = ((new[:, None] - seen[None]) ** 2).sum(axis=2)
    count = failed[np.argsort(distance, axis=1)[:, :NEAREST]].sum(axis=1)
    worst = np.argsort(-count, kind="stable")[:OFFERED]
    worst = worst[count[worst] > NEAREST * failed.mean()]
    columns = (int(varied[first]), int(varied[second]))
    return FailureMap(columns, tuple(int(seeds[i]) for i in worst), tuple(int(count[i]) for i in worst))


def failing_starts(env: VecEnv, tried: Evaluation) -> FailureMap | None:
    """Return where a policy that was tried fails; None where it always does or never, or all starts are alike."""
    failed = ~np.array(tried.success_end)
    if failed.all() or not failed.any() or len(failed) < NEAREST:
        return None
    return _mapped(env, _starts(env, np.array(tried.seeds)), failed)


def _mapped(env: VecEnv, starts: Array, failed: Array) -> FailureMap | None:
    offered = np.arange(RECORD_SEED, RECORD_SEED + CANDIDATES)
    return map_failures(starts, failed, _starts(env, offered), offered)


def _advice(findings: Findings, found: FailureMap) -> str:
    if not found.seeds:
        return '<p class="quiet">No part of the starts stands out: failures are as likely from anywhere.</p>'
    task = findings.config["task"]
    lines = [
        f"<dt><code>robo-rlhf record {escape(naming(task))} --seed {seed}</code></dt>"
        f"<dd>{failing} of the {NEAREST} nearest starts fail</dd>"
        for seed, failing in zip(found.seeds, found.failing, strict=True)
    ]
    why = "New starts like those that fail, worth a demonstration:"
    return f"<h3>Record from here</h3><p>{why}</p><dl>{''.join(lines)}</dl>"


def _starts(env: VecEnv, seeds: Array) -> Array:
    """Return the observations (S, d) that episodes of these seeds begin with."""
    found = []
    for first in range(0, len(seeds), env.num_envs):
        part = seeds[first : first + env.num_envs]
        found.append(env.reset(np.pad(part, (0, env.num_envs - len(part)), mode="edge"))[: len(part)])
    return np.concatenate(found).astype(np.float64)


def _name(names: Sequence[str], column: int) -> str:
    return names[column] if column < len(names) else f"column {column}"
