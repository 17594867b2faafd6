"""Answers as tensors, with their clips and annotators, and warnings about anomalies."""

import functools
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NonFiniteError, NotFoundError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.axes import OVERALL
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CLIP_NAMES, Label, QueryKind, Target, agreement
from robo_rlhf.feedback.reasons.targets import FEWEST, AnswerTarget, reason_targets
from robo_rlhf.feedback.store import Answer, Question
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors, check_clip, cut_clips
from robo_rlhf.rewards.success import SuccessExamples, demonstration_examples, ending_examples
from robo_rlhf.sim.column_names import column_names, objects
from robo_rlhf.sim.envs.current_observation import CurrentObservations
from robo_rlhf.vision.seen_episodes import SeenEpisodes

Load = Callable[[str, str], Episode]  # (dataset, episode id) → episode

NEITHER = "neither"  # the label of a tie
FEWEST_ODD = 10  # answers of one annotator, below which no anomaly is reported
ONE_SIDED = 0.95  # share of an annotator's answers for one side, above which a bias is reported


class AnswerData(NamedTuple):
    """Answers as tensors."""

    clips: ClipTensors
    examples: list[AnswerExamples]
    skipped: dict[str, int]  # reason why answers are skipped → number of answers
    task: str
    annotators: tuple[str, ...] = ()  # the annotators, in the order of `AnswerExamples.annotator`
    success: tuple[AnswerExamples, ...] = ()  # answers about success, which train no reward
    used: int = 0  # answers about the reward, each counted once whatever the number of its axes
    pictures: SeenEpisodes | None = None  # that the last column of observations numbers, for a reward with cameras


def episodes_of(home: Path, pictures: SeenEpisodes | None = None) -> Load:
    """Return a cached loader of the questions' episodes from the data home, trimmed ones in their untrimmed form.

    For a reward with cameras they are as `pictures` shows them.
    """
    current = CurrentObservations()

    @functools.cache
    def dataset(name: str) -> Dataset:
        return Dataset(find_dataset(home, name))

    @functools.cache
    def load(name: str, episode_id: str) -> Episode:
        episode = current(dataset(name).recall(episode_id))
        return episode if pictures is None else pictures.show(episode, dataset(name).path)

    return load


class ClipLoader:
    """A cache of the questions' clips, each loaded and checked once; it may be kept while answers come in."""

    def __init__(self, load: Load) -> None:
        """Load episodes with `load`."""
        self.load, self.task = load, ""
        self.pieces: list[tuple[Episode, Segment]] = []
        self._known: dict[tuple[str, Segment], int] = {}
        self._cut: ClipTensors | None = None

    def place(self, dataset: str, clip: Segment) -> int:
        """Return the place of a clip.

        Raises:
            NotFoundError: its dataset or episode is gone.
            CorruptFileError: its episode cannot be read.
            InvalidValueError: the episode has no such steps, or is of another task or shape than the clips before.
            NonFiniteError: NaN or infinity in it.
        """
        if (dataset, clip) not in self._known:
            episode = self.load(dataset, clip.episode_id)
            check_clip(episode, clip)
            self.task = self.task or episode.meta.task
            self._known[dataset, clip] = len(self.pieces)
            self.pieces.append((episode, clip))
        return self._known[dataset, clip]

    def exchanged(self, first: tuple[str, Segment], second: tuple[str, Segment], name: str) -> int | None:
        """Return the place of the first clip with an object as it is in the second; None where it is not observed.

        Where the second is shorter, the object stays as it is at its end. Raises as `place`.
        """
        key = (f"{first[0]} {second[0]} {second[1]} {name}", first[1])
        if key not in self._known:
            (one, clip), (other, there) = (self.pieces[self.place(*which)] for which in (first, second))
            names, _ = column_names(one.meta, one.obs.shape[1], one.action.shape[1])
            columns = list(objects(names).get(name, ()))
            if not columns:
                return None
            made = one.slice(clip.start, clip.length)
            obs = made.obs.copy()
            obs[:, columns] = other.obs[there.start + np.minimum(np.arange(len(obs)), there.length)][:, columns]
            self._known[key] = len(self.pieces)
            self.pieces.append((replace(made, obs=obs), Segment(clip.episode_id, 0, clip.length)))
        return self._known[key]

    def clips(self) -> ClipTensors:
        """Return all clips as tensors.

        Raises:
            InvalidValueError: they are of several tasks or shapes.
        """
        done = 0 if self._cut is None else len(self._cut)
        if done < len(self.pieces):
            for episode, _ in self.pieces[done:]:
                self._check_alike(episode)
            new = cut_clips(self.pieces[done:])
            self._cut = new if self._cut is None else self._cut.joined(new)
        assert self._cut is not None
        return self._cut

    def _check_alike(self, episode: Episode) -> None:
        first = self.pieces[0][0]
        same = (episode.meta.task, episode.obs.shape[1], episode.action.shape[1])
        if not any(same[1:]):
            given = f"episode {episode.meta.id}, a video alone"
            raise InvalidValueError("clips to learn a reward from", given, "episodes with observations or actions")
        if same != (first.meta.task, first.obs.shape[1], first.action.shape[1]):
            given = f"{first.meta.task} and {episode.meta.task}"
            raise InvalidValueError("clips to learn a reward from", given, "all of one task and of one shape")


def gather(
    questions: Sequence[Question], answers: Sequence[Answer], load: Load, *, loader: ClipLoader | None = None
) -> AnswerData:
    """Return answers as tensors; a `loader` that is kept avoids loading the clips of earlier answers again.

    Raises:
        InvalidValueError: no informative answer about an existing clip, or the clips are of different tasks.
    """
    asked = {question.id: question for question in questions}
    loader = ClipLoader(load) if loader is None else loader
    names = sorted({answer.annotator for answer in answers})
    rows: dict[tuple[str, int, str], list[_Row]] = {}
    used = 0
    skipped: Counter[str] = Counter()
    for answer in answers:
        question = asked.get(answer.question_id)
        if question is None:
            continue
        targets = _targets(question, answer)
        if not targets:
            skipped["says nothing"] += 1
            continue
        if answer.weight <= 0:
            skipped["is by a guessing annotator"] += 1
            continue
        try:
            found = _rows(question, answer, targets, names, loader)
        except (NotFoundError, CorruptFileError):
            skipped["clips are gone"] += 1
        except (InvalidValueError, NonFiniteError):
            skipped["clips are broken"] += 1
        else:
            used += any(KINDS[one.kind].needs != "success" for one in targets)
            for one, row in found:
                rows.setdefault((one.kind, len(row.places), one.axis), []).append(row)
    skipped.update(_drop_rare_axes(rows))
    if not rows:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "none were given"
        raise InvalidValueError("answers to learn a reward from", f"0 ({why})", "at least one that compares clips")
    groups = [_examples(KINDS[kind], axis, rows[kind, count, axis]) for kind, count, axis in sorted(rows)]
    about_reward = [group for group in groups if group.likelihood.needs != "success"]
    about_success = tuple(group for group in groups if group.likelihood.needs == "success")
    return AnswerData(loader.clips(), about_reward, dict(skipped), loader.task, tuple(names), about_success, used)


def success_examples(judged: AnswerData, demonstrations: Sequence[Episode] = ()) -> SuccessExamples:
    """Return what answers about success, and demonstrations, say about states.

    Raises:
        InvalidValueError: neither is there.
    """
    found = demonstration_examples(demonstrations)
    for group in judged.success:
        for clip, value, weight, fold in zip(
            group.clips[:, 0].tolist(),
            group.values[:, 0].tolist(),
            group.weight.tolist(),
            group.fold.tolist(),
            strict=True,
        ):
            steps = int(judged.clips.mask[clip].sum())
            found.append(ending_examples(judged.clips.next_obs[clip, :steps].numpy(), value, weight, fold))
    if not found:
        raise InvalidValueError("answers about success", 0, "at least one, or a demonstration")
    return functools.reduce(SuccessExamples.joined, found)


def fold_of(question: Question) -> int:
    """Return a fixed number from 0 of a question, the same in every run, so that held-out answers stay held out."""
    return int.from_bytes(hashlib.sha256(b"fold " + question.in_any_run.encode()).digest()[:4])


def clips_of(questions: Sequence[Question], load: Load) -> list[tuple[Episode, Segment]]:
    """Return all clips of the questions, each once, without those that are gone or broken."""
    loader = ClipLoader(load)
    for question in questions:
        for clip in question.segments:
            with suppress(NotFoundError, CorruptFileError, InvalidValueError, NonFiniteError):
                loader.place(question.dataset, clip)
    return loader.pieces


def people_agree(questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float | None, int]:
    """Return the annotators' agreement on the same questions, in [0, 1], and the number of pairs of answers.

    No reward model can predict answers much better than annotators predict each other's.
    """
    asked = {question.id: question for question in questions}
    by_question = defaultdict(list)
    for answer in answers:
        if answer.question_id in asked:
            by_question[answer.question_id].append(answer)
    found = [
        agreement(KINDS[asked[name].kind], first.value, second.value)
        for name, given in by_question.items()
        for first, second in combinations(given, 2)
    ]
    known = [value for value in found if value is not None]
    return (sum(known) / len(known) if known else None), len(known)


def oddities(questions: Sequence[Question], answers: Sequence[Answer]) -> list[str]:
    """Return a warning for each anomaly that makes the answers doubtful as training data."""
    labelled = list(_labels(questions, answers))
    found = []
    if len(labelled) == 1:
        found.append("There is one answer only; the reward explains that one and may say anything elsewhere.")
    if len(labelled) > 1 and all(set(labels.values()) == {NEITHER} for _, labels in labelled):
        found.append(f"All {len(labelled)} answers are ties; the reward is about the same everywhere.")
    first: dict[str, Mapping[str, Label]] = {}
    against = set()
    for answer, labels in labelled:
        before = first.setdefault(answer.question_id, labels)
        if any(_opposed(before.get(name, NEITHER), label) for name, label in labels.items()):
            against.add(answer.question_id)
    if against:
        found.append(f"Answers to {len(against)} of {len(first)} questions contradict each other and cancel out.")
    return found + _one_sided(labelled)


def _opposed(first: Label, second: Label) -> bool:
    sided = isinstance(first, str) and isinstance(second, str) and NEITHER not in (first, second)
    return sided and first != second


def _one_sided(labelled: Sequence[tuple[Answer, Mapping[str, Label]]]) -> list[str]:
    """Return a warning for each annotator who nearly always chooses the clip of the same side."""
    sides: dict[str, Counter[int]] = defaultdict(Counter)
    for answer, labels in labelled:
        better = labels.get("better", NEITHER)
        if isinstance(better, str) and better != NEITHER:
            sides[answer.annotator][(answer.shown or CLIP_NAMES).index(better)] += 1
    found = []
    for annotator, count in sorted(sides.items()):
        (side, most), total = count.most_common(1)[0], count.total()
        if total >= FEWEST_ODD and most >= ONE_SIDED * total:
            which = f"the {('first', 'second')[side]} clip in {most} of {total} questions"
            found.append(f"{annotator} prefers {which}; such answers may say nothing about the clips.")
    return found


def _labels(questions: Sequence[Question], answers: Sequence[Answer]) -> Iterator[tuple[Answer, Mapping[str, Label]]]:
    """Yield all informative answers, with their labels."""
    kinds = {question.id: KINDS[question.kind] for question in questions}
    for answer in answers:
        labels = kinds[answer.question_id].labels(answer.value) if answer.question_id in kinds else {}
        if labels:
            yield answer, labels


def _targets(question: Question, answer: Answer) -> list[AnswerTarget]:
    """Return all that an answer trains: its own judgement on each axis, and its reasons."""
    own = KINDS[question.kind].targets(answer.value, question.segments)
    found = [AnswerTarget(question.kind, axis, target, by_reason=False) for axis, target in own.items()]
    return [*found, *reason_targets(answer.value, question.segments)]


def _drop_rare_axes(rows: dict[tuple[str, int, str], list["_Row"]]) -> dict[str, int]:
    """Remove the rows of axes of which too few reasons and no other answers speak; return how many, by why.

    A head that was fitted to two answers would count in the mean as much as every other.
    """
    known: Counter[str] = Counter()
    for (_, _, axis), some in rows.items():
        known[axis] += sum(1 if row.by_reason else FEWEST for row in some)
    rare = {axis: count for axis, count in known.items() if count < FEWEST and axis != OVERALL}
    for key in [key for key in rows if key[2] in rare]:
        del rows[key]
    return {f"gives one of fewer than {FEWEST} reasons along {axis}": count for axis, count in sorted(rare.items())}


class _Row(NamedTuple):
    places: list[int]
    target: Target
    fold: int
    annotator: int
    round: int
    by_reason: bool


def _rows(
    question: Question, answer: Answer, targets: Sequence[AnswerTarget], names: Sequence[str], loader: ClipLoader
) -> list[tuple[AnswerTarget, _Row]]:
    """Return all that an answer says, but about objects that its clips do not observe; raises as `ClipLoader.place`."""
    found = []
    fold, person = fold_of(question), names.index(answer.annotator)
    for one in targets:
        meant = list(_meant(one.target, question))
        places: list[int | None] = [loader.place(dataset, clip) for dataset, clip in meant]
        if one.object:
            places[1] = loader.exchanged(meant[0], meant[1], one.object)
        known = [place for place in places if place is not None]
        if len(known) == len(places):
            weighed = replace(one.target, weight=one.target.weight * answer.weight)
            found.append((one, _Row(known, weighed, fold, person, question.round, one.by_reason)))
    return found


def _meant(target: Target, question: Question) -> Iterator[tuple[str, Segment]]:
    """Yield the clips of a target, each with its dataset."""
    clips = target.clips or question.segments
    for dataset, clip in zip(target.datasets or ("",) * len(clips), clips, strict=True):
        yield dataset or question.dataset, clip


def _examples(kind: QueryKind, axis: str, rows: Sequence[_Row]) -> AnswerExamples:
    return AnswerExamples(
        likelihood=kind,
        clips=torch.tensor([row.places for row in rows]),
        values=torch.from_numpy(_stack([row.target.values for row in rows])),
        weight=torch.tensor([row.target.weight for row in rows]),
        fold=torch.tensor([row.fold for row in rows]),
        annotator=torch.tensor([row.annotator for row in rows]),
        round=torch.tensor([row.round for row in rows]),
        axis=axis,
    )


def _stack(values: Sequence[Array]) -> Array:
    """Stack the values of targets; those of single steps, whose last axes differ, are padded with 0."""
    longest = max(value.shape[-1] for value in values)
    return np.stack([np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, longest - v.shape[-1])]) for v in values])
