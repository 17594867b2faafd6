"""Statistics of recordings, as charts that a page draws: `shared/charts.js` knows the kinds.

A chart is {"kind", "id", "title", "text", ...}: `text` describes it in a sentence, for users who cannot see it.
Shares and means come with their 95 % confidence interval.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from robo_rlhf.core.stats import Interval, bootstrap_mean, wilson
from robo_rlhf.core.types import Array
from teleop.station.library.entry import NOBODY, EpisodeEntry, EpisodeKey
from teleop.station.library.facts_cache import Facts
from teleop.station.web.formatting import percent

GROUPS = 12  # tasks or operators that a chart shows; the rest is counted together
TASKS = 4  # tasks whose starts and actions are shown
POINTS = 1200  # of a scatter chart; more are thinned out evenly
STRETCHES = 20  # of success over time
LEAST_A_STRETCH = 5  # episodes
MANY = 300  # values of which a mean is as good as normal
OTHERS = "all others"

Chart = dict[str, Any]
Group = Callable[[EpisodeEntry], str]


def charts(entries: Sequence[EpisodeEntry], facts: Mapping[EpisodeKey, Facts]) -> list[Chart]:
    """Return the charts of these episodes; what needs facts counts those whose facts are known."""
    known = {key: one for key, one in facts.items() if "error" not in one}
    made = [outcomes(entries), over_time(entries), lengths(entries), *by_operator(entries, known)]
    return [chart for chart in [*made, *starts(entries, known), *actions(entries, known)] if chart]


def outcomes(entries: Sequence[EpisodeEntry]) -> Chart:
    """How episodes ended, by task."""
    rows = []
    for task, group in _groups(entries, lambda entry: entry.meta.task):
        parts = Counter(entry.meta.outcome for entry in group)
        rate = wilson(parts["success"], len(group))
        rows.append({"name": task, "count": len(group), "parts": dict(parts), **_interval(rate)})
    good = sum(entry.meta.outcome == "success" for entry in entries)
    text = f"{good} of {len(entries)} episodes are a success."
    return {"kind": "shares", "id": "outcomes", "title": "Outcomes by task", "text": text, "rows": rows}


def over_time(entries: Sequence[EpisodeEntry]) -> Chart:
    """The share of successes, in the order of recording, in stretches of equally many episodes."""
    dated = sorted((entry for entry in entries if entry.started), key=lambda entry: (entry.started, entry.key))
    count = min(STRETCHES, len(dated) // LEAST_A_STRETCH)
    if count < 2:
        return {}
    edges = np.linspace(0, len(dated), count + 1).round().astype(int)
    points = []
    for start, stop in pairwise(edges.tolist()):
        rate = wilson(sum(entry.meta.outcome == "success" for entry in dated[start:stop]), stop - start)
        middle = dated[(start + stop) // 2].started
        points.append({"x": (start + stop) / 2, "when": middle, **_interval(rate)})
    text = f"From {percent(points[0]['value'])} in the first stretch to {percent(points[-1]['value'])} in the last."
    return {
        "kind": "line",
        "id": "over-time",
        "title": "Success over time",
        "text": text,
        "x": {"label": "episodes in the order of recording", "low": 0, "high": len(dated)},
        "y": {"label": "successes", "low": 0, "high": 1, "percent": True},
        "points": points,
    }


def lengths(entries: Sequence[EpisodeEntry]) -> Chart:
    """How long episodes are."""
    seconds = np.array([entry.seconds for entry in entries])
    if not len(seconds):
        return {}
    high = max(float(np.quantile(seconds, 0.995)), 1e-3)
    edges = np.linspace(0.0, high, 25)
    good = np.array([entry.meta.outcome == "success" for entry in entries])
    clipped = np.minimum(seconds, high)
    series = {"success": np.histogram(clipped[good], edges)[0], "other": np.histogram(clipped[~good], edges)[0]}
    middle = f"Half of the episodes are shorter than {np.median(seconds):.1f} s."
    return {
        "kind": "bars",
        "id": "lengths",
        "title": "Lengths",
        "text": middle + (" The last bar holds all longer ones." if seconds.max() > high else ""),
        "x": {"label": "length [s]"},
        "y": {"label": "episodes", "low": 0},
        "edges": edges.tolist(),
        "series": [{"name": name, "values": values.tolist()} for name, values in series.items()],
    }


def starts(entries: Sequence[EpisodeEntry], facts: Mapping[EpisodeKey, Facts]) -> list[Chart]:
    """The positions of the first object when the episodes began, or the hand where a task has no object."""
    made = []
    for task, group in _tasks(entries, facts):
        rows = [(facts[entry.key], entry.meta.outcome == "success") for entry in group]
        with_object = [(fact["object"], good) for fact, good in rows if fact["object"]]
        chosen = with_object or [(fact["hand"], good) for fact, good in rows if fact["hand"]]
        if not chosen:
            continue
        what = next(fact["what"] for fact, _ in rows if fact["what"]) if with_object else "hand"
        thinned = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, POINTS).round().astype(int))]
        text = f"The {what} of {task} at the first frame of {len(chosen)} episodes, from above."
        made.append(
            {
                "kind": "points",
                "id": f"starts-{task}",
                "title": f"{task}: where the {what} began",
                "text": text,
                "x": {"label": "x [m]"},
                "y": {"label": "y [m]"},
                "points": [[round(x, 4), round(y, 4), good] for (x, y), good in thinned],
            }
        )
    return made


def actions(entries: Sequence[EpisodeEntry], facts: Mapping[EpisodeKey, Facts]) -> list[Chart]:
    """The histogram of the actions, one row per action column."""
    made = []
    for task, group in _tasks(entries, facts):
        tables = [facts[entry.key] for entry in group if facts[entry.key]["actions"]]
        tables = [table for table in tables if table["names"] == tables[0]["names"]]
        if not tables:
            continue
        counts = np.sum([table["actions"] for table in tables], axis=0)  # (act_dim, BINS)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        rows = [{"name": name, "shares": row.tolist()} for name, row in zip(tables[0]["names"], shares, strict=True)]
        text = f"Each row is one part of the action of {task}, from -1 to 1; the darker, the more often."
        made.append({"kind": "heat", "id": f"actions-{task}", "title": f"{task}: actions", "text": text, "rows": rows})
    return made


def by_operator(entries: Sequence[EpisodeEntry], facts: Mapping[EpisodeKey, Facts]) -> list[Chart]:
    """Each operator's share of idle steps, and the smoothness of their movements."""
    idle, smooth = [], []
    for operator, group in _groups(entries, lambda entry: entry.meta.operator or NOBODY):
        known = [(entry, facts[entry.key]) for entry in group if entry.key in facts]
        shares = np.array([fact["idle"] / entry.steps for entry, fact in known if entry.steps])
        jerks = np.array([fact["smooth"] for _, fact in known if fact["smooth"] is not None])
        name = "not known" if operator == NOBODY else operator
        if len(shares):
            idle.append({"name": name, "count": len(shares), **_interval(_mean(shares))})
        if len(jerks):
            smooth.append({"name": name, "count": len(jerks), **_interval(_mean(jerks))})
    charts: list[Chart] = []
    if idle:
        x: Chart = {"label": "share of steps that ask for nothing", "low": 0, "percent": True}
        text = "; ".join(f"{row['name']} {row['value']:.0%}" for row in idle[:3])
        charts.append({"kind": "intervals", "id": "idle", "title": "Idle share by operator", "text": text})
        charts[-1] |= {"x": x, "rows": idle}
    if smooth:
        x = {"label": "log dimensionless jerk of the hand: further right is smoother"}
        text = "; ".join(f"{row['name']} {row['value']:.1f}" for row in smooth[:3])
        charts.append({"kind": "intervals", "id": "smoothness", "title": "Smoothness by operator", "text": text})
        charts[-1] |= {"x": x, "rows": smooth}
    return charts


def summary(entries: Sequence[EpisodeEntry]) -> dict[str, Any]:
    """Return the figures at the head of the page."""
    good = sum(entry.meta.outcome == "success" for entry in entries)
    return {
        "episodes": len(entries),
        "minutes": sum(entry.seconds for entry in entries) / 60,
        "steps": sum(entry.steps for entry in entries),
        "operators": len({entry.meta.operator for entry in entries if entry.meta.operator}),
        "success": _interval(wilson(good, len(entries))) if entries else None,
    }


def _groups(entries: Sequence[EpisodeEntry], name: Group) -> list[tuple[str, list[EpisodeEntry]]]:
    """Return entries by name, the largest groups first; what is more than GROUPS comes together at the end."""
    groups: defaultdict[str, list[EpisodeEntry]] = defaultdict(list)
    for entry in entries:
        groups[name(entry)].append(entry)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(ordered) <= GROUPS:
        return ordered
    rest = [entry for _, group in ordered[GROUPS - 1 :] for entry in group]
    return [*ordered[: GROUPS - 1], (OTHERS, rest)]


def _tasks(entries: Sequence[EpisodeEntry], facts: Mapping[EpisodeKey, Facts]) -> list[tuple[str, list[EpisodeEntry]]]:
    known = [entry for entry in entries if entry.key in facts]
    groups = _groups(known, lambda entry: entry.meta.task)
    return [(task, group) for task, group in groups if task != OTHERS][:TASKS]


def _mean(values: Array) -> Interval:
    """Return the mean of values (M,) with its interval: by resampling, and of many by the normal distribution."""
    if len(values) < MANY:
        return bootstrap_mean(values)
    middle, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(middle, middle - half, middle + half)


def _interval(interval: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in interval._asdict().items()}
