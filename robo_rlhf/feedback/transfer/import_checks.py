"""Validation of the rows of an import: what they refer to exists, and rows that exist already are the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.core.types import Segment
from robo_rlhf.database.engine import insert_new
from robo_rlhf.feedback.assignment.task_settings import check_settings
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.reasons.given import check_stored
from robo_rlhf.feedback.records import (
    AnnotatorKind,
    Question,
    Role,
    Standing,
    clip_id,
    question_row,
    segment_rows,
)
from robo_rlhf.feedback.tables import answers, clips, questions, segments
from robo_rlhf.feedback.transfer.columns import FILES, File, to_table
from robo_rlhf.feedback.transfer.staging import Staging

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Asked = tuple[str, int, dict[str, Any], str]  # kind, number of clips, meta and role of a question


class ImportChecker:
    """Checks rows, file by file and some at a time, and stages those that are new."""

    def __init__(self, connection: sa.Connection, staging: Staging) -> None:
        """Compare with what is in the database of `connection`, and with what waits in `staging`."""
        self.connection, self.staging = connection, staging
        self.touched: set[str] = set()  # questions whose counters are to be worked out
        self.people: set[str] = set()  # annotators that the rows name and the database knows
        self.asked: dict[str, Asked] = {}  # the questions that the rows name
        self.new: list[dict[str, Any]] = []
        self.changed: list[dict[str, Any]] = []  # clips
        self.pieces: list[dict[str, Any]] = []

    def known(self, file: File, rows: Sequence[Row]) -> dict[Key, Row]:
        """Return those rows that are in the database already, by their key."""
        if not rows:
            return {}
        columns = [file.table.c[name] for name in file.key]
        keys = sa.tuple_(*columns).in_([tuple(row[name] for name in file.key) for row in rows])
        found = self.connection.execute(sa.select(file.table).where(keys)).mappings().all()
        self._look_up(file, rows)
        there: dict[Key, Row] = {tuple(row[name] for name in file.key): dict(row) for row in found}
        if file.table is questions:
            self._add_clips(there)
        return there

    def take(self, file: File, row: Row, there: Row | None) -> bool:
        """Check a row and return whether it is new; `put` stages it.

        Raises:
            RoboRlhfError: it is invalid, or differs from the row that is there.
        """
        check = getattr(self, f"_check_{file.name}", None)
        if check is not None:
            check(row)
        values = to_table(file, row)
        if there is not None and file.table is questions:
            values["clips"] = [dict(clip) for clip in row["clips"]]
        if there is not None:
            return self._compare(file, values, there)
        self.new.append(values)
        if file.table is questions:
            self._add_pieces(row)
        return True

    def put(self, file: File) -> None:
        """Let the new rows wait, to be written by `write`."""
        rows = [{"handed": 0, **row} if file.table is annotators else row for row in self.new]
        if file.table is clips:
            rows = [{"id": clip_id(row["dataset"], _piece(row)), **row} for row in rows]
        self.staging.put(file.name, rows)
        if file.table is clips:  # those of new questions will be there, as good ones
            self.changed += [_state_of(row["id"], row) for row in rows]
        self.staging.put(CHANGED, self.changed)
        self.staging.put(segments.name, [_without(row, "dataset") for row in self.pieces])
        shown = [{"id": row["clip_id"], **_without(row, "question_id", "position", "clip_id")} for row in self.pieces]
        self.staging.put(clips.name, shown)
        self.staging.touch(self.touched)
        self.new, self.changed, self.pieces, self.touched = [], [], [], set()

    def _compare(self, file: File, values: Row, there: Row) -> bool:
        if file.table is clips:  # the newer state holds
            newer: bool = values["changed"] > there["changed"]
            if newer:
                self.changed.append(_state_of(there["id"], values))
            return newer
        free = {"since", "created", "overlap", "withdrawn", "changed", "answered", "pressed", "written", "added"}
        free |= {"standing", "shown", "response_time"}  # its outcome where it was first submitted
        free -= set(file.key)
        other = [name for name in values if name not in free and values[name] != there[name]]
        if other:
            what = f"row of {file.name}"
            raise ConflictError(what, f"{', '.join(other)} differs from what is there already")
        return False

    def _check_annotators(self, row: Row) -> None:
        _one_of("kind of an annotator", row["kind"], get_args(AnnotatorKind))
        if not row["name"]:
            raise InvalidValueError("name of an annotator", "none", "a name")
        self.staging.describe(annotators.name, [row["name"]], True)

    def _check_tasks(self, row: Row) -> None:
        check_settings(row["settings"])

    def _check_questions(self, row: Row) -> None:
        clips_of = tuple(Segment(c["episode_id"], c["start"], c["length"]) for c in row["clips"])
        names = ("id", "run", "round", "kind", "task", "dataset", "created", "meta", "overlap", "role")
        question_row(Question(**{name: row[name] for name in names}, segments=clips_of))
        _one_of("role of a question", row["role"], get_args(Role))
        about = (row["kind"], len(clips_of), row["meta"], row["role"])
        self.staging.describe(questions.name, [row["id"]], about)

    def _check_clips(self, row: Row) -> None:
        _one_of("state of a clip", row["state"], ("good", "quarantined", "withdrawn"))

    def _check_gold(self, row: Row) -> None:
        kind, number, meta, role = self._question(row["question_id"])
        if role not in ("gold", "practice"):
            raise InvalidValueError("gold", "a question that people are asked as work", "a gold or practice question")
        KINDS[kind].validate(row["expected"], number, meta)

    def _check_answers(self, row: Row) -> None:
        name = row["annotator"]
        if name not in self.people and self.staging.about(annotators.name, [name]) is None:
            advice = "Add a line for it to annotators.jsonl."
            raise NotFoundError("annotator", row["annotator"], advice)
        _one_of("kind of an annotator", row["annotator_kind"], get_args(AnnotatorKind))
        _one_of("standing of an answer", row["standing"], get_args(Standing))
        kind, number, meta, _ = self._question(row["question_id"])
        if row["value"] is not None:
            KINDS[kind].validate(row["value"], number, meta)
            check_stored(row["value"], number)
        if row["shown"] is not None and sorted(row["shown"]) != sorted("ABCDEF"[:number]):
            raise InvalidValueError("clips as shown", repr(row["shown"]), f"the names of {number} clips, each once")
        if row["response_time"] is not None and row["response_time"] < 0:
            raise InvalidValueError("response time of an answer [s]", row["response_time"], "a number from 0")
        self.touched.add(row["question_id"])

    def _check_signals(self, row: Row) -> None:
        if row["sign"] not in (1, -1):
            raise InvalidValueError("sign of a live signal", row["sign"], "1 or -1")

    def _look_up(self, file: File, rows: Sequence[Row]) -> None:
        """Find the questions and annotators in the database that the rows name."""
        self.asked, self.people = {}, set()
        if file.table is answers:
            names = annotators.c.name.in_({row["annotator"] for row in rows})
            self.people = set(self.connection.scalars(sa.select(annotators.c.name).where(names)))
        if "question_id" not in file.table.c:
            return
        ids = {row["question_id"] for row in rows}
        number = sa.select(sa.func.count()).where(segments.c.question_id == questions.c.id).scalar_subquery()
        columns = (questions.c.id, questions.c.kind, number, questions.c.meta, questions.c.role)
        for name, kind, count, meta, role in self.connection.execute(
            sa.select(*columns).where(questions.c.id.in_(ids))
        ):
            self.asked[name] = (kind, count, json.loads(meta), role)

    def _add_clips(self, there: dict[Key, Row]) -> None:
        """Add the clips of questions that are in the database."""
        ids = [key[0] for key in there]
        query = sa.select(segments).where(segments.c.question_id.in_(ids)).order_by(segments.c.position)
        shown: dict[str, list[dict[str, Any]]] = {name: [] for name in ids}
        for clip in self.connection.execute(query):
            piece = {"episode_id": clip.episode_id, "start": clip.start, "length": clip.length}
            shown[clip.question_id].append(piece)
        for key, row in there.items():
            there[key] = {**row, "clips": shown[key[0]]}

    def _question(self, name: str) -> Asked:
        if name not in self.asked:
            waiting = self.staging.about(questions.name, [name])
            if waiting is None:
                raise NotFoundError("question", name, "It is neither in questions.jsonl nor in the database.")
            kind, number, meta, role = waiting
            self.asked[name] = (kind, number, meta, role)
        return self.asked[name]

    def _add_pieces(self, row: Row) -> None:
        clips_of = tuple(Segment(c["episode_id"], c["start"], c["length"]) for c in row["clips"])
        question = Question(row["id"], "", 0, row["kind"], "", clips_of, row["dataset"])
        self.pieces += [{"dataset": row["dataset"], **piece} for piece in segment_rows(question)]
        self.touched.add(row["id"])


CHANGED = "changed clips"
_CHANGE = sa.update(clips).where(clips.c.id == sa.bindparam("which"), clips.c.changed < sa.bindparam("new_changed"))
_CHANGE = _CHANGE.values({name: sa.bindparam(f"new_{name}") for name in ("state", "reason", "changed")})
_TABLES = {table.name: table for table in (*(file.table for file in FILES), segments)}


def write(connection: sa.Connection, what: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows that `ImportChecker.put` let wait.

    Raises:
        sa.exc.IntegrityError: one of them was inserted since it was checked.
    """
    if what == CHANGED:
        connection.execute(_CHANGE, rows)
    else:
        table = _TABLES[what]
        connection.execute(insert_new(connection, clips) if table is clips else sa.insert(table), rows)


def _state_of(clip: str, row: Row) -> dict[str, Any]:
    return {"which": clip, **{f"new_{name}": row[name] for name in ("state", "reason", "changed")}}


def _piece(row: Row) -> Segment:
    return Segment(row["episode_id"], row["start"], row["length"])


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _one_of(what: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidValueError(what, repr(value), " or ".join(choices))
