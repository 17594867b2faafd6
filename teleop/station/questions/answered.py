"""Questions that people answered lately: their answers in words, how far they agree; and one's own answers."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.quality.predictions import OTHERWISE, AnswerPrediction, newest_predictions
from robo_rlhf.feedback.question_kind import AnswerValue, agreement
from robo_rlhf.feedback.reasons.given import described_with_reasons
from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, leases, questions, segments

NEWEST = 1000  # answers that are looked through
DISPUTED = 0.5  # agreement of two people, from which on a question is not disputed


@dataclass(frozen=True)
class AnswerInWords:
    """The newest answer of a person to a question."""

    annotator: str
    value: AnswerValue
    words: str
    answered: str  # ISO 8601, UTC
    number: int  # order of arrival


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question with the answers that count."""

    id: str
    kind: str
    task: str
    run: str
    prompt: str
    clips: list[str]  # their ids
    answers: list[AnswerInWords]
    agree: float | None  # least agreement of two people, 0 to 1; None where nobody can be compared

    @property
    def disputed(self) -> bool:
        """Whether two people judge the clips differently."""
        return self.agree is not None and self.agree < DISPUTED


def answered_questions(store: Store) -> list[AnsweredQuestion]:
    """Return the questions of the newest answers of people, the newest first; gold and practice are left out."""
    newest = sa.select(answers, questions.c.kind, questions.c.task, questions.c.run, questions.c.meta)
    newest = newest.join(questions, questions.c.id == answers.c.question_id)
    of_people = (answers.c.annotator_kind == "human") & answers.c.standing.in_(COUNTED)
    newest = newest.where(of_people, questions.c.role == "work")
    newest = newest.order_by(answers.c.number.desc()).limit(NEWEST)
    with store.database.read() as connection:
        rows = connection.execute(newest).mappings().all()
        by_question: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            if row["annotator"] not in {other["annotator"] for other in by_question[row["question_id"]]}:
                by_question[row["question_id"]].append(row)
        shown = _clips(connection, list(by_question))
    found = [_question(name, mine, shown.get(name, [])) for name, mine in by_question.items()]
    return [one for one in found if one.answers]


def my_answers(store: Store, home: Path, person: str, limit: int) -> list[dict[str, Any]]:
    """Return a person's newest answers, each with the lease under which it can be taken back.

    `chance` is what the newest reward that did not learn from an answer gives to it; None where there is none.
    """
    predicted = newest_predictions(home)
    about = (questions.c.kind, questions.c.task, questions.c.meta, leases.c.number.label("lease"))
    query = sa.select(answers, *about)
    query = query.join(questions, questions.c.id == answers.c.question_id)
    theirs = (leases.c.question_id == answers.c.question_id) & (leases.c.annotator == answers.c.annotator)
    query = query.join(leases, theirs)
    mine = (answers.c.annotator == person) & (questions.c.role != "practice") & (leases.c.turn == 0)
    standing = answers.c.standing.in_((*COUNTED, "gold"))  # a list without gold would tell which are gold
    query = query.where(mine, standing).order_by(answers.c.number.desc()).limit(limit)
    with store.database.read() as connection:
        rows = connection.execute(query).mappings().all()
        shown = _clips(connection, [row["question_id"] for row in rows])
    seen: set[str] = set()
    found = []
    for row in rows:
        if row["question_id"] not in seen and row["value"] is not None and row["kind"] in KINDS:
            value = json.loads(row["value"])
            words = {"words": described_with_reasons(KINDS[row["kind"]], value), "note": value.get("note", "")}
            fields = {name: row[name] for name in ("question_id", "kind", "task", "answered", "lease")}
            words["chance"] = _chance(predicted, row["question_id"], person, row["number"])
            found.append(
                {**fields, **words, "value": value, "prompt": _prompt(row), "clips": shown.get(row["question_id"], [])}
            )
        seen.add(row["question_id"])
    return found


def surprises(store: Store, home: Path, most: int, run: str = "", task: str = "") -> dict[str, Any]:
    """Return how far the newest rewards predict people's newest answers, and those that they expect least.

    Where `run` or `task` is not empty, of the answers to its questions.
    """
    predicted = newest_predictions(home)
    people: dict[str, list[bool]] = defaultdict(list)
    found = []
    asked = [q for q in answered_questions(store) if run in ("", q.run) and task in ("", q.task)]
    for question in asked:
        for one in question.answers:
            chance = _chance(predicted, question.id, one.annotator, one.number)
            if chance is not None:
                people[one.annotator].append(chance >= OTHERWISE)
                if chance < OTHERWISE:
                    row = {"id": question.id, "task": question.task, "kind": question.kind, "clips": question.clips}
                    found.append({**row, "person": one.annotator, "words": one.words, "chance": chance})
    found.sort(key=lambda row: (row["chance"], row["id"]))
    shares = {name: {"right": sum(hits), "of": len(hits)} for name, hits in sorted(people.items())}
    return {"people": shares, "otherwise": found[:most]}


def _chance(
    predicted: Mapping[tuple[str, str], AnswerPrediction], question: str, person: str, number: int
) -> float | None:
    """Return what a reward gives to an answer; None where it saw none, or an earlier answer of the person."""
    known = predicted.get((question, person))
    return known.chance if known is not None and number <= known.until else None


def _question(name: str, rows: list[Any], clips: list[str]) -> AnsweredQuestion:
    first, given = rows[0], []
    kind = KINDS.get(first["kind"])
    for row in rows:
        if row["value"] is not None and kind is not None:
            value = json.loads(row["value"])
            given.append(
                AnswerInWords(
                    row["annotator"], value, described_with_reasons(kind, value), row["answered"], row["number"]
                )
            )
    pairs = [agreement(kind, a.value, b.value) for a, b in combinations(given, 2)] if kind is not None else []
    known = [share for share in pairs if share is not None]
    return AnsweredQuestion(
        name, first["kind"], first["task"], first["run"], _prompt(first), clips, given, min(known, default=None)
    )


def _prompt(row: Any) -> str:
    own = json.loads(row["meta"]).get("prompt")
    return str(own or (KINDS[row["kind"]].prompt if row["kind"] in KINDS else row["kind"]))


def _clips(connection: sa.Connection, names: list[str]) -> dict[str, list[str]]:
    """Return the ids of the clips of some questions, in order."""
    query = sa.select(segments.c.question_id, segments.c.clip_id).where(segments.c.question_id.in_(names))
    found: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query.order_by(segments.c.question_id, segments.c.position)):
        found[row.question_id].append(row.clip_id)
    return found
