"""What a learned reward predicts of answers that it was not trained on, for the people who gave them and for the lead.

A fit keeps them in its run folder: {"until": number of the newest answer, "people": {annotator: {question id: chance
that the reward gives to the answer}}}. Each chance is that of the members of the ensemble that hold the answer out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.core.checks import RUNS
from robo_rlhf.core.files import read_if_whole, write_json

FILE = "predictions.json"
FOLDERS = ("", "round-*/reward/", "round-*/finetune/meanwhile/")  # of a run, in which rewards are fitted
NEWEST = 50  # fits that are looked through
OTHERWISE = 0.5  # chance of an answer, below which the reward expects another


class AnswerPrediction(NamedTuple):
    """What a reward predicts of one answer."""

    chance: float  # of the answer as it was given, in [0, 1]
    run: str
    until: int  # number of the newest answer at the time: a later one is another answer


def keep_predictions(folder: Path, people: Mapping[str, Mapping[str, float]], until: int) -> None:
    """Keep the predictions of a fit in its folder: annotator → question id → chance of the answer."""
    rounded = {who: {name: round(chance, 4) for name, chance in some.items()} for who, some in people.items()}
    write_json(folder / FILE, {"until": until, "people": rounded}, indent=None)


def newest_predictions(home: Path) -> dict[tuple[str, str], AnswerPrediction]:
    """Return the newest fit's prediction of each answer: (question id, annotator) → prediction."""
    found: dict[tuple[str, str], AnswerPrediction] = {}
    paths = [path for part in FOLDERS for path in (home / RUNS).glob(f"*/{part}{FILE}")]
    for path in sorted(paths, key=_changed, reverse=True)[:NEWEST]:
        for key, prediction in _stored(path, path.relative_to(home / RUNS).parts[0]):
            found.setdefault(key, prediction)
    return found


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _stored(path: Path, run: str) -> Iterator[tuple[tuple[str, str], AnswerPrediction]]:
    """Yield what a file holds; nothing where it is damaged, as it is only displayed."""
    known = read_if_whole(path)
    until, people = known.get("until"), known.get("people")
    if not isinstance(until, int) or not isinstance(people, Mapping):
        return
    for person, chances in people.items():
        for name, chance in chances.items() if isinstance(chances, Mapping) else ():
            if isinstance(chance, int | float):
                yield (name, person), AnswerPrediction(float(chance), run, until)
