"""Questions about recorded episodes, of any kind: which clips of which episodes, drawn by chance."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robo_rlhf.core.checks import RUNS, check_run
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset, run_folder
from robo_rlhf.core.types import Segment
from robo_rlhf.data.layout import MANIFEST, require_dataset
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import NOTHING
from robo_rlhf.feedback.records import Question, question_id

ENDINGS = ("success",)  # kinds that ask about how an episode ended
TRIES = 50  # draws of clips for a question that was not asked yet


def source_of(home: Path, place: str) -> tuple[str, Path]:
    """Return the name and the folder of the episodes of a dataset, or of a run that is called "runs/NAME".

    Raises:
        NotFoundError: there is none.
        InvalidValueError: the name leads out of the data home.
    """
    if not place.startswith(f"{RUNS}/"):
        return place, require_dataset(home, place)
    run = place.removeprefix(f"{RUNS}/")
    check_run("run", run)
    folder = run_folder(home, run) / "episodes"
    if not (folder / MANIFEST).exists():
        raise NotFoundError("run with episodes", run, "It may have been deleted, or not have tried its policy yet.")
    return f"{RUNS}/{run}/episodes", find_dataset(home, f"{RUNS}/{run}/episodes")


def make_questions(
    home: Path,
    place: str,
    task: str,
    kind: str,
    count: int,
    *,
    seconds: float,
    overlap: int,
    run: str,
    meta: Mapping[str, Any] = NOTHING,
) -> list[Question]:
    """Return new questions about clips of `seconds` of the episodes of a dataset or a run, each to `overlap` people.

    The same arguments give the same questions. Clips of one question are of different episodes where there are enough.

    Raises:
        NotFoundError: there is no such place.
        InvalidValueError: it holds too little to ask so many different questions.
    """
    name, folder = source_of(home, place)
    infos = [info for info in Reader(folder).list(task=task) if info.length]
    clips = KINDS[kind].clips_asked or KINDS[kind].num_clips.start
    rng = random.Random(f"{run} {name} {kind}")
    found: dict[str, Question] = {}
    for _ in range(count * TRIES if infos else 0):
        chosen = _draw(rng, infos, clips, seconds, ending=kind in ENDINGS)
        if len(set(chosen)) == clips:
            key = question_id(run, 0, kind, chosen)
            found.setdefault(key, Question(key, run, 0, kind, task, chosen, name, meta=meta, overlap=overlap))
        if len(found) == count:
            return list(found.values())
    raise InvalidValueError("questions", count, f"at most the {len(found)} that {len(infos)} episodes of {task} allow")


def _draw(
    rng: random.Random, infos: Sequence[EpisodeInfo], clips: int, seconds: float, *, ending: bool
) -> tuple[Segment, ...]:
    chosen = rng.sample(infos, clips) if len(infos) >= clips else rng.choices(infos, k=clips)
    found = []
    for info in chosen:
        length = min(max(round(seconds / info.meta.control_dt), 1), info.length)
        start = info.length - length if ending else rng.randint(0, info.length - length)
        found.append(Segment(info.meta.id, start, length))
    return tuple(found)
