"""Preferences that follow from rewinds and takeovers, each with the person, the frame and how sure it is.

A rewind: the branch that was gone on with is better than the one that was left, from the frame that both share.
A takeover from a frame of another episode: the same. A takeover while a policy acts: what the person did is better than
what the policy had done right before; nothing shows what it would have done.

How an episode ended is what a person marked; only where nobody did is it the task's own measure, and the answer says
so ("judged"). A branch that ended no better says less, and one that ended worse than what it replaced says nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from robo_rlhf.core.checks import is_well_formed
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.core.types import Array, EpisodeMeta, Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST, datasets_of, episode_path
from robo_rlhf.data.schema import read_columns
from robo_rlhf.feedback.queries import dataset_names
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.records import AnnotatorKind, Question, question_id
from robo_rlhf.feedback.store import Store

KIND = "correction"
LENGTH = 50  # steps a clip, at most
LEAST = 3  # steps a clip, at least
PROGRAMS = ("scripted", "policy")  # devices that no person holds
LEFT = "branch"  # tag of an episode that was rewound and left

CLEAR, NO_BETTER, FAILED = 1.0, 0.5, 0.2  # how sure: it ended better; as well as the other; badly, as the other did
BEFORE = 0.5  # how sure what was done is better than what came before it, of CLEAR

GONE = "the episode that it went on from is gone"
NOTHING_LEFT = "nothing comes after its frame in the episode that it went on from"
TOO_SHORT = f"it lasted less than {LEAST} steps"
ALSO_LEFT = "it was left as well, at a frame before it differs"
WORSE = "it ended worse than what it went on from"

How = Literal["rewind", "takeover"]


class Preference(NamedTuple):
    """A question about what was left, with what was done instead as its answer."""

    question: Question
    annotator: str
    annotator_kind: AnnotatorKind
    answer: AnswerValue


class Reading(NamedTuple):
    """What a dataset's episodes say."""

    found: list[Preference]
    silent: Mapping[str, int]  # reason why a rewind or takeover says nothing → how often


def datasets_in(home: Path, store: Store, *, first: Sequence[str] = ()) -> dict[str, Dataset]:
    """Return the datasets that may hold originals, by name: `first`, all others, and those of questions.

    The last are such as the clips of a run, which are not listed among the datasets of a data home.
    """
    asked = [name for name in dataset_names(store.database) if _in_data_home(home, name)]
    names = dict.fromkeys([*first, *datasets_of(home), *asked])
    return {name: Dataset(find_dataset(home, name)) for name in names}


def read_preferences(corrections: str, datasets: Mapping[str, Dataset], *, run: str, length: int = LENGTH) -> Reading:
    """Return what the rewinds and takeovers in a dataset say, and why others say nothing.

    Both clips of a preference are equally long. A trimmed episode is not a correction of the one it was cut out of.

    Args:
        corrections: the name of the dataset.
        datasets: datasets that may hold originals, by their path relative to the data home.
        run: the run that the questions belong to.
        length: steps a clip, at most.

    Raises:
        InvalidValueError: a length of less than one step.
    """
    if length < 1:
        raise InvalidValueError("steps of a corrected clip", length, "at least 1")
    reader = _Reader(corrections, datasets, run, length)
    found = [preference for episode in reader.children for preference in reader.of_branch(episode)]
    found += [preference for episode in reader.infos.values() for preference in reader.of_takeovers(episode)]
    return Reading(found, dict(sorted(reader.silent.items())))


def how_sure(ended: EpisodeMeta, left: EpisodeMeta) -> tuple[float, str]:
    """Return how sure it is that what `ended` so is better than what was left, and who judged that; 0: it is not.

    The second is "person" where people marked both, "task" where the task's own measure says one of them, and "" where
    neither is known.
    """
    known = [meta.marked for meta in (ended, left) if meta.outcome != "aborted"]
    judged = "" if not known else "person" if all(known) else "task"
    good, before = ended.outcome == "success", left.outcome == "success"
    if before and not good:
        return 0.0, judged
    return (NO_BETTER if good and before else CLEAR if good else FAILED), judged


class _Left(NamedTuple):
    dataset: str
    meta: EpisodeMeta
    steps: int


class _Reader:
    def __init__(self, corrections: str, datasets: Mapping[str, Dataset], run: str, length: int) -> None:
        self.name, self.dataset, self.run, self.length = corrections, datasets[corrections], run, length
        self.datasets = {corrections: self.dataset, **datasets}
        self.infos = {info.meta.id: info.meta for info in self.dataset.list()}
        self.children = [meta for meta in self.infos.values() if meta.parent and not meta.trimmed]
        self.followers = defaultdict[str, list[EpisodeMeta]](list)
        for meta in self.children:
            self.followers[meta.parent].append(meta)
        self.silent: Counter[str] = Counter()
        self._parents: dict[str, _Left | None] = {}

    def of_branch(self, meta: EpisodeMeta) -> Iterator[Preference]:
        """Yield what an episode says about the one that it branched from."""
        where = self._parent(meta.parent)
        if where is None:
            self.silent[GONE] += 1
            return
        name, left, length = where
        source, first = self._source(meta.id), meta.parent_step
        corrected = bool(np.any(source[first : first + self.length] == Source.CORRECTION))
        if not corrected and LEFT not in left.tags:
            return  # it goes on from a frame of an episode that nobody left
        final, gone_on = self._gone_on_with(meta, len(source))
        steps = min(self.length, gone_on - first, length - first)
        sure, judged = how_sure(final, left)
        for wrong, reason in (
            (length <= first, NOTHING_LEFT),
            (gone_on <= first, ALSO_LEFT),
            (steps < min(LEAST, self.length), TOO_SHORT),
            (not sure, WORSE),
        ):
            if wrong:
                self.silent[reason] += 1
                return
        how: How = "takeover" if corrected else "rewind"
        yield self._preference(meta, name, Segment(meta.parent, first, steps), first, sure, how, judged)

    def of_takeovers(self, meta: EpisodeMeta) -> Iterator[Preference]:
        """Yield what the takeovers within an episode say about what the policy had done before each."""
        if LEFT in meta.tags or meta.trimmed:
            return
        source, parent = self._source(meta.id), self._parent(meta.parent) if meta.parent else None
        shared = 0 if parent is None or LEFT in parent.meta.tags else meta.parent_step  # steps that are the parent's
        for start, stop in corrected_spans(source):
            if start < shared or (meta.parent and start == meta.parent_step):
                continue  # the parent says it, or shows what is replaced
            steps = min(self.length, stop - start, _policy_before(source, start))
            if not steps:
                continue  # nothing was taken over from
            sure = {"success": CLEAR, "failure": FAILED, "aborted": FAILED}[meta.outcome] * BEFORE
            if steps < min(LEAST, self.length):
                self.silent[TOO_SHORT] += 1
                continue
            judged = "" if meta.outcome == "aborted" else "person" if meta.marked else "task"
            clip = Segment(meta.id, start - steps, steps)
            yield self._preference(meta, self.name, clip, start, sure, "takeover", judged)

    def _preference(
        self, meta: EpisodeMeta, name: str, left: Segment, start: int, sure: float, how: How, judged: str
    ) -> Preference:
        asked = question_id(self.run, 0, KIND, (left, Segment(meta.id, start, left.length)))
        about = {"dataset": self.name, "episode": meta.id}
        question = Question(asked, self.run, 0, KIND, meta.task, (left,), name, meta=about, role="implicit")
        kind: AnnotatorKind = "simulated" if meta.device in PROGRAMS else "human"
        answer = {"choice": "corrected", **about, "start": start, "length": left.length, "from": left.start}
        why = {"sure": round(sure, 3), "how": how, "judged": judged}
        return Preference(question, meta.operator or "operator", kind, {**answer, **why})

    def _gone_on_with(self, meta: EpisodeMeta, steps: int) -> tuple[EpisodeMeta, int]:
        """Return how the branch ended at last, and how many of an episode's steps were gone on with."""
        final, kept = meta, steps
        while LEFT in final.tags:
            later = [one for one in self.followers[final.id] if one.id != final.id]
            if not later:
                break
            final = max(later, key=lambda one: one.id)
            kept = min(kept, final.parent_step)
        return final, kept

    def _source(self, episode_id: str) -> Array:
        source: Array = read_columns(episode_path(self.dataset.path, episode_id), ("source",))[0]["source"]
        return source

    def _parent(self, episode_id: str) -> "_Left | None":
        if episode_id not in self._parents:
            self._parents[episode_id] = _find(episode_id, self.datasets)
        return self._parents[episode_id]


def corrected_spans(source: Array) -> list[tuple[int, int]]:
    """Return where the steps of a takeover begin and end, for each in the sources (T,) of an episode."""
    corrects = np.concatenate([[False], source == Source.CORRECTION, [False]])
    edges = np.flatnonzero(np.diff(corrects.astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _policy_before(source: Array, step: int) -> int:
    """Return how many steps right before a step a policy chose."""
    others = np.flatnonzero(source[:step] != Source.POLICY)
    return step - int(others[-1]) - 1 if len(others) else step


def _in_data_home(home: Path, name: str) -> bool:
    """Whether a dataset that questions are about is there, and in the data home."""
    return is_well_formed(name) and (find_dataset(home, name) / MANIFEST).is_file()


def _find(episode_id: str, datasets: Mapping[str, Dataset]) -> _Left | None:
    """Return the dataset that holds an episode, or held it before it was trimmed, and the episode's head."""
    for name, dataset in datasets.items():
        try:
            if episode_id in dataset:
                info = dataset.info(episode_id)
                return _Left(name, info.meta, info.length)
            before = dataset.recall(episode_id)
            return _Left(name, before.meta, len(before))
        except NotFoundError:
            continue
    return None
