"""Episodes of a run that people can watch: the first of each evaluation, and of those that each round asked about."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.data.layout import EPISODE_SUFFIX, names
from robo_rlhf.data.schema import read_header

EVALUATED: Literal["evaluations"] = "evaluations"  # datasets in the folder of a run
ASKED: Literal["episodes"] = "episodes"
SHOWN = 3  # of each
_OF_ROUND = {"": "asked about", "gate": "fine-tuned", "look": "looked at again", "begun": "compared with the first"}
_ID = re.compile(r"(?P<ends>before|after)-\d+|r(?:ound-)?(?P<round>[1-9]\d*)(?:-(?P<stage>gate|look|begun))?-\d+")


def clips(folder: Path) -> list[dict[str, Any]]:
    """Return the episodes of a run that are shown, by evaluation, in the order in which they were made."""
    found: dict[tuple[float, int, str, str], list[Path]] = {}
    for dataset in (EVALUATED, ASKED):
        for path in sorted(Path(entry.path) for entry in names(folder / dataset / "episodes", EPISODE_SUFFIX)):
            if match := _ID.fullmatch(path.name.removesuffix(EPISODE_SUFFIX)):
                found.setdefault((*_place(match), dataset), []).append(path)
    return [
        {
            "name": words,
            "dataset": dataset,
            "episodes": [
                {"episode": path.name.removesuffix(EPISODE_SUFFIX), "outcome": _outcome(path)} for path in paths[:SHOWN]
            ],
        }
        for (_, _, words, dataset), paths in sorted(found.items())
    ]


def _place(match: re.Match[str]) -> tuple[float, int, str]:
    """Return where an evaluation stands among the others, and what it is called."""
    if match["ends"]:
        return (0.0, 0, "before fine-tuning") if match["ends"] == "before" else (float("inf"), 0, "the result")
    stage = match["stage"] or ""
    return float(match["round"]), list(_OF_ROUND).index(stage), f"round {match['round']}, {_OF_ROUND[stage]}"


@lru_cache(maxsize=4096)
def _outcome(path: Path) -> str:
    """Return how an episode ended, which never changes; empty where its file cannot be read."""
    try:
        return read_header(path).meta.outcome
    except (RoboRlhfError, OSError):
        return ""
