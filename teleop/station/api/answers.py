"""Answers: submit each of them once, retract them, and read them."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from robo_rlhf.feedback.assignment.submission import SubmissionResult, SubmittedAnswer
from robo_rlhf.feedback.queries import answer_rows
from robo_rlhf.feedback.records import AnnotatorKind, Standing
from teleop.station.review.questions import answer_view, practice_feedback
from teleop.station.web.auth import ForbiddenError, SignedIn
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    After,
    Annotator,
    Answers,
    Body,
    Key,
    Limit,
    Name,
    Object,
    Operator,
    Rows,
    Run,
    Serial,
    Shape,
    Task,
    again,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("answers")
Lease = Annotated[
    Serial | None,
    Field(description="Lease under which the question was assigned. Without a lease the caller must be an operator."),
]


class AnswerBody(Body):
    """Your answer to a question."""

    question: Name = Field(description="Its id.")
    value: Object = Field(description="As the question's controls say.", examples=[{"choice": "A"}])
    key: Key
    lease: Lease = None
    seconds: Annotated[float | None, Field(ge=0, le=1e6, description="From seeing the clips to the answer [s].")] = None
    program: bool = Field(default=False, description="A program judged, not a person: it is marked so everywhere.")


class RetractionBody(Body):
    """An answer of yours that is to be retracted."""

    question: Name = Field(description="Its id.")
    key: Key
    lease: Lease = None


class Feedback(Shape):
    """Feedback on the answer to a practice question."""

    right: bool
    expected: dict[str, Any] = Field(description="The right answer.")
    why: str


class AnswerResult(Shape):
    """The outcome of a submitted answer."""

    new: bool = Field(description="False: it had been submitted before.")
    counts: bool = Field(description="False: enough others had answered, or the question was withdrawn.")
    feedback: Feedback | None = Field(description="To a practice question.")


class AnswerShape(Shape):
    """A stored answer."""

    number: int = Field(description="Order of arrival.")
    question_id: str
    annotator: str
    annotator_kind: AnnotatorKind
    value: dict[str, Any] | None = Field(description="Null: the earlier one was retracted.")
    answered: str = Field(description="ISO 8601, UTC.")
    response_time: float | None = Field(description="From seeing the clips to the answer [s].")
    standing: Standing = Field(description="Whether it counts; counted and late do.")
    shown: str | None = Field(description="The clips in the order in which they were shown.", examples=["BA"])


class AnswerRows(Rows[AnswerShape, int]):
    """Answers in the order in which they came. Of one person to one question the newest holds."""


class MyAnswer(Shape):
    """An answer of yours."""

    number: int
    question_id: str
    value: dict[str, Any] | None = Field(description="Null: the earlier one was retracted.")
    answered: str = Field(description="ISO 8601, UTC.")
    response_time: float | None = Field(description="[s]")


class MyAnswerRows(Rows[MyAnswer, int]):
    """Your answers in the order in which they came."""


@router.get("/answers", responses=answers())
def list_answers(
    store: Answers,
    _: Operator,
    run: Run = None,
    task: Task = None,
    question: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only to this question.")] = None,
    annotator: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only this person's.")] = None,
    standing: Annotated[Standing | None, Query(description="Only answers in this state.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> AnswerRows:
    """List answers. To follow them, ask again with `after` set to the number of the last one that you have."""
    found = answer_rows(
        store.database,
        after=after,
        limit=limit,
        question=question,
        annotator=annotator,
        standing=standing,
        run=run,
        task=task,
    )
    return AnswerRows.model_validate(found)


@router.get("/answers/mine", responses=answers())
def my_answers(store: Answers, me: Annotator, after: After = 0, limit: Limit = 100) -> MyAnswerRows:
    """List your own answers."""
    return MyAnswerRows.model_validate(answer_rows(store.database, after=after, limit=limit, annotator=me.person.name))


@router.post("/answers", status_code=201, responses=again(AnswerResult) | answers(*BODY, 404, 409))
def answer(response: Response, store: Answers, me: Annotator, body: AnswerBody) -> AnswerResult:
    """Submit an answer. When this returns it is on the disk. Sent again with the same key it changes nothing."""
    _check_lease(me, body.lease)
    kind: AnnotatorKind = "simulated" if body.program else "human"
    sent = SubmittedAnswer(body.question, me.person.name, kind, body.value, body.key, body.seconds, body.lease, None)
    written = store.submit(sent)
    known = practice_feedback(store, body.question, body.value) if written.standing == "practice" else None
    return _result(response, written, known)


@router.post("/answers/take-back", status_code=201, responses=again(AnswerResult) | answers(*BODY, 404, 409))
def take_back(response: Response, store: Answers, me: Annotator, body: RetractionBody) -> AnswerResult:
    """Retract your answer to a question; under a live lease the question is yours again."""
    _check_lease(me, body.lease)
    sent = SubmittedAnswer(body.question, me.person.name, "human", None, body.key, None, body.lease, None)
    return _result(response, store.submit(sent), None)


def _check_lease(me: SignedIn, lease: int | None) -> None:
    """Check that the caller was asked: else more people would answer than was wanted."""
    if lease is None and not me.person.may("operator"):
        raise ForbiddenError("operator")


def _result(response: Response, written: SubmissionResult, known: dict[str, Any] | None) -> AnswerResult:
    response.status_code = 201 if written.new else 200
    return AnswerResult.model_validate(answer_view(written, known))
