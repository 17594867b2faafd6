"""The feedback database: questions, and answers that are only ever appended.

`Store.answer` is the only way in for answers, for people and for simulated teachers alike. What it has returned from is
on the disk. The newest answer of a person to a question wins, so history stays and undoing is one more row.
SQLite by default, PostgreSQL by URL; the same code for both.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from robo_rlhf.errors import ConflictError, CorruptFileError, InvalidValueError, NotFoundError, VersionError
from robo_rlhf.feedback.engine import insert_new, open_engine, transaction
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.base import AnswerValue
from robo_rlhf.feedback.tables import SCHEMA_VERSION, answers, metadata, questions, schema_version, segments
from robo_rlhf.types import Segment

AnnotatorKind = Literal["human", "simulated"]


@dataclass(frozen=True)
class Question:
    """What people are asked about some clips. Clip i of the question is `segments[i]`."""

    id: str  # see `question_id`
    run: str
    round: int
    kind: str
    task: str
    segments: tuple[Segment, ...]
    dataset: str  # where the episodes live: a path relative to the data home
    created: str = ""  # ISO 8601, UTC; filled in by the store
    meta: Mapping[str, Any] = field(default_factory=dict)  # a JSON object

    @property
    def in_any_run(self) -> str:
        """What the same question is called in every run, whatever the run's name: hexadecimal digits."""
        return question_id("", self.round, self.kind, self.segments)


@dataclass(frozen=True)
class Answer:
    """What one annotator said last about one question."""

    question_id: str
    annotator: str
    annotator_kind: AnnotatorKind
    value: AnswerValue
    answered: str  # ISO 8601, UTC
    response_time: float | None  # [s] from seeing the clips to the answer


class Counts(NamedTuple):
    """How far the labelling of a run is."""

    questions: int
    answered: int  # questions with at least one answer
    answers: int  # newest of each annotator
    human: int  # of these, by people
    simulated: int  # of these, by simulated teachers


def question_id(run: str, round: int, kind: str, clips: Sequence[Segment]) -> str:
    """Return the id that the same question always gets, so that asking it again changes nothing."""
    text = json.dumps([run, round, kind, [list(clip) for clip in clips]])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """The feedback database. Safe to use from several threads and processes at once."""

    def __init__(self, where: str | Path) -> None:
        """Open or create the database at `where`: the path of an SQLite file, or a URL such as postgresql://host/name.

        Raises:
            CorruptFileError: the file is not a database.
            VersionError: the database was made by another version of this program.
            MissingDependencyError: the driver for the URL is not installed.
        """
        self._engine, self.name = open_engine(where)
        try:
            self._prepare()
        except sa.exc.DatabaseError as error:
            if "not a database" in str(error) or "malformed" in str(error):
                raise CorruptFileError(Path(self.name), str(error.orig), "Restore a copy, or move it away.") from error
            raise

    def _prepare(self) -> None:
        """Make the tables where there are none; check their version where there are."""
        with transaction(self._engine, write=False) as connection:
            known = sa.inspect(connection).has_table(schema_version.name)
        with transaction(self._engine, write=not known) as connection:
            if not known:
                metadata.create_all(connection)
                connection.execute(insert_new(connection, schema_version), {"one": 1, "version": SCHEMA_VERSION})
            found = connection.scalar(sa.select(schema_version.c.version))
        if found != SCHEMA_VERSION:
            self.close()
            advice = "Open it with the version of robo-rlhf that made it, or choose another database."
            raise VersionError(Path(self.name), found, SCHEMA_VERSION, advice)

    def close(self) -> None:
        """Release all connections."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def add_questions(self, new: Iterable[Question]) -> int:
        """Add questions and return how many of them were new; those that are there already are left as they are.

        Raises:
            UnknownNameError: there is no such kind of question.
            InvalidValueError: the kind does not go with that many clips.
            ConflictError: another question has the same id; nothing was added.
        """
        now = _now()
        rows = {question.id: _question_row(question, now) for question in new}
        with transaction(self._engine, write=True) as connection:
            known = _known_questions(connection, list(rows))
            for key, (row, clips) in known.items():
                if ({**rows[key][0], "created": ""}, rows[key][1]) != ({**row, "created": ""}, clips):
                    raise ConflictError(f"question {key}", "it is there already with other clips or another content")
            ids = [key for key in rows if key not in known]
            if ids:
                connection.execute(insert_new(connection, questions), [rows[key][0] for key in ids])
                connection.execute(insert_new(connection, segments), [row for key in ids for row in rows[key][1]])
        return len(ids)

    def answer(
        self,
        question: str,
        annotator: str,
        value: AnswerValue | None,
        *,
        key: str,
        annotator_kind: AnnotatorKind = "human",
        response_time: float | None = None,
    ) -> bool:
        """Write down what `annotator` says about `question`; return whether it is a new row.

        When this returns, the answer is on the disk. Sending it again with the same idempotency `key` changes nothing.
        A `value` of None takes the annotator's earlier answer back.

        Raises:
            NotFoundError: there is no such question.
            InvalidValueError: it is no answer to a question of this kind.
            ConflictError: the key was used by this annotator for something else.
        """
        row: dict[str, Any] = {
            "question_id": question,
            "annotator": annotator,
            "annotator_kind": annotator_kind,
            "idempotency_key": key,
        }
        row |= {"value": None if value is None else _json(value), "answered": _now(), "response_time": response_time}
        if not annotator or not key:
            raise InvalidValueError("answer", f"annotator {annotator!r} and key {key!r}", "neither to be empty")
        if response_time is not None and not 0 <= response_time < math.inf:
            raise InvalidValueError("response time of an answer [s]", response_time, "a finite number from 0")
        with transaction(self._engine, write=True) as connection:
            self._check_answer(connection, question, value)
            if connection.execute(insert_new(connection, answers), row).rowcount == 1:
                return True
            same_key = (answers.c.annotator == annotator) & (answers.c.idempotency_key == key)
            found = connection.execute(sa.select(answers).where(same_key)).mappings().one()
        if (found["question_id"], found["value"]) != (row["question_id"], row["value"]):
            raise ConflictError(f"answer with key {key!r} of {annotator}", "the key came with another answer before")
        return False

    def _check_answer(self, connection: sa.Connection, question: str, value: AnswerValue | None) -> None:
        kind = connection.scalar(sa.select(questions.c.kind).where(questions.c.id == question))
        if kind is None:
            raise NotFoundError("question", question, "It may belong to another database; list what is there.")
        if value is not None:
            count = sa.select(sa.func.count()).select_from(segments).where(segments.c.question_id == question)
            KINDS[kind].validate(value, connection.scalar(count) or 0)

    def questions(
        self,
        run: str | None = None,
        round: int | None = None,
        *,
        unanswered_by: str | None = None,
        unanswered: bool = False,
        limit: int | None = None,
    ) -> list[Question]:
        """Return questions in the order in which they were added.

        Args:
            run: only of this run.
            round: only of this round.
            unanswered_by: only those that this annotator has not answered.
            unanswered: only those that nobody has answered.
            limit: at most so many.
        """
        query = sa.select(questions).order_by(questions.c.number)
        query = query.where(questions.c.run == run) if run is not None else query
        query = query.where(questions.c.round == round) if round is not None else query
        if unanswered_by is not None:
            query = query.where(~_answered(answers.c.annotator == unanswered_by))
        if unanswered:
            query = query.where(~_answered(sa.true()))
        chosen = (query.limit(limit) if limit is not None else query).subquery()
        with transaction(self._engine, write=False) as connection:
            rows = connection.execute(sa.select(chosen).order_by(chosen.c.number)).mappings().all()
            pair = sa.select(segments).join(chosen, segments.c.question_id == chosen.c.id)
            clips: dict[str, list[Segment]] = {}
            for clip in connection.execute(pair.order_by(segments.c.position)).mappings():
                segment = Segment(clip["episode_id"], clip["start"], clip["length"])
                clips.setdefault(clip["question_id"], []).append(segment)
        return [_question(row, tuple(clips[row["id"]])) for row in rows]

    def answers(self, run: str | None = None, round: int | None = None) -> list[Answer]:
        """Return the newest answer of each annotator to each question, oldest first; those taken back are left out."""
        query = sa.select(answers).where(_newest(), answers.c.value.is_not(None)).order_by(answers.c.number)
        if run is not None or round is not None:
            query = query.join(questions, questions.c.id == answers.c.question_id)
            query = query.where(questions.c.run == run) if run is not None else query
            query = query.where(questions.c.round == round) if round is not None else query
        with transaction(self._engine, write=False) as connection:
            return [_answer(row) for row in connection.execute(query).mappings()]

    def counts(self, run: str | None = None, round: int | None = None) -> Counts:
        """Return how many questions and answers there are."""
        count = sa.select(sa.func.count()).select_from(questions)
        valid = sa.select(answers.c.question_id, answers.c.annotator_kind).where(
            _newest(), answers.c.value.is_not(None)
        )
        valid = valid.join(questions, questions.c.id == answers.c.question_id)
        for column, wanted in ((questions.c.run, run), (questions.c.round, round)):
            if wanted is not None:
                count, valid = count.where(column == wanted), valid.where(column == wanted)
        given = valid.subquery()
        human = sa.func.coalesce(sa.func.sum(sa.case((given.c.annotator_kind == "human", 1), else_=0)), 0)
        tally = sa.select(sa.func.count(sa.distinct(given.c.question_id)), sa.func.count(given.c.question_id), human)
        with transaction(self._engine, write=False) as connection:
            total = connection.scalar(count) or 0
            answered, number, people = connection.execute(tally).one()
        return Counts(total, answered, number, int(people), number - int(people))

    def runs(self) -> list[str]:
        """Return the names of the runs that asked something, sorted."""
        with transaction(self._engine, write=False) as connection:
            return list(connection.scalars(sa.select(questions.c.run).distinct().order_by(questions.c.run)))


_QuestionRows = tuple[dict[str, Any], list[dict[str, Any]]]  # a row of questions, and its rows of question_segments


def _known_questions(connection: sa.Connection, ids: Sequence[str]) -> dict[str, _QuestionRows]:
    """Return the rows of those questions that are there, by id."""
    known: dict[str, _QuestionRows] = {}
    for start in range(0, len(ids), 500):  # databases limit how many parameters a statement has
        some = ids[start : start + 500]
        for row in connection.execute(sa.select(questions).where(questions.c.id.in_(some))).mappings():
            known[row["id"]] = ({name: row[name] for name in row if name != "number"}, [])
        clips = sa.select(segments).where(segments.c.question_id.in_(some)).order_by(segments.c.position)
        for clip in connection.execute(clips).mappings():
            known[clip["question_id"]][1].append(dict(clip))
    return known


def _newest() -> sa.ColumnElement[bool]:
    """An answer that the same annotator has not answered anew."""
    later = answers.alias()
    same = (later.c.question_id == answers.c.question_id) & (later.c.annotator == answers.c.annotator)
    return ~sa.exists().where(same & (later.c.number > answers.c.number))


def _answered(who: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """A question with an answer, not taken back, by `who`."""
    return sa.exists().where((answers.c.question_id == questions.c.id) & who & _newest() & answers.c.value.is_not(None))


def _question_row(question: Question, now: str) -> _QuestionRows:
    kind = KINDS[question.kind]
    if len(question.segments) not in kind.num_clips:
        expected = f"{kind.num_clips.start} to {kind.num_clips.stop - 1}"
        raise InvalidValueError(f"clips of a {question.kind} question", len(question.segments), expected)
    row = {name: getattr(question, name) for name in ("id", "run", "round", "kind", "task", "dataset")}
    row |= {"created": question.created or now, "meta": _json(question.meta)}
    clips = [{"question_id": question.id, "position": i, **s._asdict()} for i, s in enumerate(question.segments)]
    return row, clips


def _question(row: sa.RowMapping, clips: tuple[Segment, ...]) -> Question:
    names = ("id", "run", "round", "kind", "task", "dataset", "created")
    return Question(**{name: row[name] for name in names}, segments=clips, meta=json.loads(row["meta"]))


def _answer(row: sa.RowMapping) -> Answer:
    names = ("question_id", "annotator", "annotator_kind", "answered", "response_time")
    return Answer(**{name: row[name] for name in names}, value=json.loads(row["value"]))


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same for equal objects.

    Raises:
        InvalidValueError: it is not JSON.
    """
    try:
        return json.dumps(dict(value), sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidValueError("feedback", f"{value!r} ({error})", "a JSON object") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
