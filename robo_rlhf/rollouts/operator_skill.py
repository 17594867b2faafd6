"""The skill of operators: success, time and smoothness of the demonstrations of each person, with intervals."""

from collections import defaultdict
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.core.errors import CorruptFileError, NotFoundError
from robo_rlhf.core.stats import Interval
from robo_rlhf.data.layout import list_datasets
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.rollouts.evaluation import Evaluation, summarize_episodes
from robo_rlhf.rollouts.teachers import shown_by_operators

NEWEST = 100  # demonstrations of a person that are looked at: skill changes
SMOOTHNESS = "peak_jerk"  # the style measure of it, the lower the smoother


class OperatorSkill(NamedTuple):
    """How well a person shows a task."""

    operator: str
    shown: Evaluation  # their newest demonstrations

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object: shares, [s] until solved and [m/s³], each with its interval; None where unknown."""
        measures = self.shown.measures()
        known = {"seconds": self.shown.time_to_success, "jerk": measures.get(SMOOTHNESS)}
        return {
            "operator": self.operator,
            "demonstrations": self.shown.episodes,
            "success": self.shown.success._asdict(),
            **{name: _known(interval) for name, interval in known.items()},
        }


def skill_of_operators(home: Path, task: str) -> list[OperatorSkill]:
    """Return the skill of each person who showed a task in a data home, most demonstrations first; samples left out."""
    found = defaultdict[str, list[tuple[str, Reader, EpisodeInfo]]](list)
    for reader, info in _shown(home, task):
        found[info.meta.operator].append((info.meta.finished, reader, info))
    skills = []
    for operator, shown in found.items():
        newest = sorted(shown, key=lambda one: one[0])[-NEWEST:]
        episodes = [reader.load(info.meta.id) for _, reader, info in newest]
        skills.append(OperatorSkill(operator, summarize_episodes(episodes)))
    return sorted(skills, key=lambda skill: (-skill.shown.episodes, skill.operator))


def _shown(home: Path, task: str) -> Iterator[tuple[Reader, EpisodeInfo]]:
    for name in list_datasets(home):
        if name.startswith(f"{SAMPLES}/"):
            continue
        reader = Reader(home / name)
        try:
            for info in shown_by_operators(reader, task):
                yield reader, info
        except (NotFoundError, CorruptFileError):
            continue  # none of this task, or none that can be read


def _known(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None or isnan(interval.value) else interval._asdict()
