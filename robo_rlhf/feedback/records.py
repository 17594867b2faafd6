"""The records of the feedback database: questions and answers, as objects and as rows."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import sqlalchemy as sa

from robo_rlhf.core.errors import DatabaseError, InvalidValueError
from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import Segment
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CLIP_NAMES, AnswerValue, check_clips

AnnotatorKind = Literal["human", "simulated"]
Role = Literal[
    "work",
    "gold",
    "practice",  # gold that people see before real work
    "implicit",  # nobody is asked: what a person did says it, see `feedback.implicit`
]

Standing = Literal[
    "counted",  # it is one of the answers that were asked for
    "late",  # it came after its lease had run out, while there still was room: it counts
    "surplus",  # it came when enough others had answered: it is kept, and does not count
    "withdrawn",  # the question should not have been asked any more: it is kept, and does not count
    "gold",  # to a question whose answer is known
    "practice",
    "repeat",  # the same person was asked before; it is kept beside the first answer
]
COUNTED: tuple[Standing, ...] = ("counted", "late")
LONGEST_ANSWER = 64 * 1024  # characters of JSON
RESTORE = "Put a copy of it in its place."
DEEPEST = 32  # objects and lists inside of each other


@dataclass(frozen=True)
class Question:
    """A question to people about some clips. Clip i of the question is `segments[i]`."""

    id: str  # see `question_id`
    run: str
    round: int
    kind: str
    task: str
    segments: tuple[Segment, ...]
    dataset: str  # where the episodes live: a path relative to the data home
    created: str = ""  # ISO 8601, UTC; filled in by the store
    meta: Mapping[str, Any] = field(default_factory=dict)  # a JSON object
    overlap: int = 1  # how many people are to answer it
    role: Role = "work"

    @property
    def in_any_run(self) -> str:
        """The name of the same question in every run, whatever the run's name: hexadecimal digits."""
        return question_id("", self.round, self.kind, self.segments)


@dataclass(frozen=True)
class Answer:
    """The newest answer of one annotator to one question."""

    question_id: str
    annotator: str
    annotator_kind: AnnotatorKind
    value: AnswerValue
    answered: str  # ISO 8601, UTC
    response_time: float | None  # [s] from seeing the clips to the answer
    number: int = 0  # order of arrival
    standing: Standing = "counted"
    shown: str | None = None  # the clips in the order in which this person saw them, such as "BA"
    weight: float = 1.0  # training weight, in [0, 1]: see `quality.weighed`


class Counts(NamedTuple):
    """The progress of labelling in a run."""

    questions: int
    answered: int  # questions with at least one answer
    answers: int  # newest of each annotator
    human: int  # of these, by people
    simulated: int  # of these, by simulated teachers


def question_id(run: str, round: int, kind: str, clips: Sequence[Segment]) -> str:
    """Return the id that the same question always gets, so that asking it again changes nothing."""
    text = json.dumps([run, round, kind, [list(clip) for clip in clips]])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def clip_id(dataset: str, clip: Segment) -> str:
    """Return the id of a clip."""
    return hashlib.sha256(json.dumps([dataset, *clip]).encode()).hexdigest()[:24]


def question_row(question: Question) -> dict[str, Any]:
    """Return the row of a question in the table of questions, without its number and counters.

    Raises:
        UnknownNameError: there is no such kind of question.
        InvalidValueError: the kind does not go with that many clips, or the overlap or role cannot be.
    """
    check_clips(KINDS[question.kind], len(question.segments))
    if question.overlap < 1:
        raise InvalidValueError("overlap of a question", question.overlap, "at least 1 person")
    if question.role not in get_args(Role):
        raise InvalidValueError("role of a question", repr(question.role), f"one of {', '.join(get_args(Role))}")
    names = ("id", "run", "round", "kind", "task", "dataset", "overlap", "role")
    row = {name: getattr(question, name) for name in names}
    return {**row, "created": question.created or timestamp(), "meta": json_text(question.meta)}


def segment_rows(question: Question) -> list[dict[str, Any]]:
    """Return what the table of segments holds of a question."""
    pairs = [(clip, clip_id(question.dataset, clip)) for clip in question.segments]
    return [
        {"question_id": question.id, "position": i, **clip._asdict(), "clip_id": name}
        for i, (clip, name) in enumerate(pairs)
    ]


def question_of(row: sa.RowMapping, clips: tuple[Segment, ...]) -> Question:
    """Return the question in a row of `questions`.

    Raises:
        DatabaseError: it is damaged.
    """
    if not clips:
        raise DatabaseError("of feedback", f"the clips of question {row['id'][:80]!r} are missing", RESTORE)
    names = ("id", "run", "round", "kind", "task", "dataset", "created", "overlap", "role")
    return Question(**{name: row[name] for name in names}, segments=clips, meta=_stored(row["meta"]))


def answer_of(row: sa.RowMapping) -> Answer:
    """Return the answer in a row of `answers` that takes nothing back.

    Raises:
        DatabaseError: it is damaged.
    """
    names = ("question_id", "annotator", "annotator_kind", "answered", "response_time", "number", "standing", "shown")
    return Answer(**{name: row[name] for name in names}, value=_stored(row["value"]))


def _stored(text: str) -> dict[str, Any]:
    """Return the JSON object in a column."""
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DatabaseError("of feedback", f"it is damaged: {text[:80]!r} is no JSON object", RESTORE)
    return value


def order_of(shown: str) -> tuple[int, ...]:
    """Return the places in the question of the clips that were shown, in the order in which they were."""
    return tuple(CLIP_NAMES.index(name) for name in shown)


def json_text(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same for equal objects.

    Raises:
        InvalidValueError: it is not JSON, or too long.
    """
    try:
        text = json.dumps(dict(value), sort_keys=True, allow_nan=False, ensure_ascii=False)
        text.encode()  # half a character pair cannot be stored
    except (TypeError, ValueError) as error:
        raise InvalidValueError("feedback", f"{value!r} ({error})", "a JSON object") from error
    except RecursionError as error:
        raise InvalidValueError("feedback", "very deep JSON", f"at most {DEEPEST} levels") from error
    if text.count("{") + text.count("[") > DEEPEST and _too_deep(value):
        raise InvalidValueError("feedback", "very deep JSON", f"at most {DEEPEST} levels")
    if "\\u0000" in text:
        raise InvalidValueError("feedback", "text with a NUL character", "text without")
    if len(text) > LONGEST_ANSWER:
        raise InvalidValueError("feedback", f"{len(text):,} characters", f"at most {LONGEST_ANSWER:,}")
    return text


def _too_deep(value: Any) -> bool:
    """Whether there are more than DEEPEST levels; level by level, because what is very deep ends a recursion."""
    level = [value]
    for _ in range(DEEPEST):
        nested = [one.values() if isinstance(one, Mapping) else one for one in level if _is_nested(one)]
        level = [inner for one in nested for inner in one]
    return any(map(_is_nested, level))


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)
