"""Questions: ask, list and withdraw them."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AliasChoices, Field, field_validator, model_validator

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.axes import check_axes
from robo_rlhf.feedback.judgeable import check_questions
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.queries import QuestionState, question_row, question_rows
from robo_rlhf.feedback.records import Question, Role, question_id
from robo_rlhf.feedback.store import Store
from teleop.station.web.rest import (
    BODY,
    After,
    Answers,
    Body,
    Here,
    InPath,
    Limit,
    Name,
    Number,
    Object,
    Operator,
    Rows,
    Run,
    Shape,
    Task,
    Text,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

MOST = 500  # questions in one request
router = make("questions")


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"there is no such kind; one of {', '.join(KINDS)}")
    return kind


def _different(axes: list[str]) -> list[str]:
    if axes:
        try:
            check_axes(axes)
        except InvalidValueError as error:
            raise ValueError(str(error)) from error
    return axes


Kind = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(KINDS)}, examples=["pairwise"])]


class ClipPlace(Body):
    """A piece of an episode."""

    episode_id: Name = Field(description="Episode in the question's dataset.", examples=["20261121T094355-1f"])
    start: Number = Field(description="First step.", examples=[120])
    length: Annotated[int, Field(ge=1, lt=2**31, description="Steps.", examples=[50])]


class NewQuestion(Body):
    """A question to be asked."""

    kind: Kind = Field(description="The kind of answer.")
    task: Name = Field(description="The robot's task.", examples=["pick_place"])
    dataset: Name = Field(description="Dataset of the episodes, within the data home.", examples=["runs/one/clips"])
    clips: list[ClipPlace] = Field(
        fail_fast=True, min_length=1, max_length=6, description="The clips in the order of their names: the first is A."
    )
    run: Name = Field(description="The run that asks: answers are found by it.", examples=["nightly"])
    round: Annotated[int, Field(ge=0, le=10**6, description="Which round of the run.")] = 0
    role: Role = Field(
        default="work", description="gold: the right answer is known, and mixed in unseen; practice: shown before work."
    )
    overlap: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Number of people who shall answer it; the task's setting where null."
    )
    prompt: Text | None = Field(default=None, description="The text of the question; the kind's default where null.")
    axes: Annotated[list[Name], Field(fail_fast=True, max_length=10), AfterValidator(_different)] | None = Field(
        default=None,
        validation_alias=AliasChoices("axes", "criteria"),
        description="Of axes and ratings: what is judged, each by itself; the task's own where empty.",
        examples=[["gently", "quickly"], []],
    )
    meta: Object = Field(default={}, description="The caller's metadata: a JSON object.")

    @field_validator("meta")
    @classmethod
    def _plain(cls, meta: dict[str, Any]) -> dict[str, Any]:
        if {"prompt", "axes", "criteria"} & set(meta):
            raise ValueError("prompt and axes are fields of their own")
        return meta

    @model_validator(mode="after")
    def _asks_axes(self) -> "NewQuestion":
        if self.axes is not None and KINDS[self.kind].layout != "levels":
            named = [name for name, kind in KINDS.items() if kind.layout == "levels"]
            raise ValueError(f"axes go with questions of {' and '.join(named)}, not {self.kind}")
        return self


class QuestionsBody(Body):
    """Questions to be asked: all of them or none."""

    questions: list[NewQuestion] = Field(min_length=1, fail_fast=True, max_length=MOST)


class QuestionsResult(Shape):
    """The questions that were added."""

    new: int = Field(description="How many were not there already.")
    ids: list[str] = Field(description="Their ids, in the order of the request; the same question has the same id.")


class QuestionClip(Shape):
    """A clip of a question."""

    id: str = Field(description="Of the clip.")
    episode_id: str
    start: int = Field(description="First step.")
    length: int = Field(description="Steps.")


class QuestionShape(Shape):
    """A question."""

    number: int = Field(description="Order of adding.")
    id: str
    run: str
    round: int
    kind: str
    task: str
    dataset: str
    clips: list[QuestionClip]
    created: str = Field(description="ISO 8601, UTC.")
    meta: dict[str, Any]
    role: Role
    overlap: int = Field(description="People who shall answer it.")
    given: int = Field(description="People whose answer counts.")
    held: int = Field(description="People to whom it is assigned.")
    withdrawn: str | None = Field(description="Why the question was withdrawn.")


class QuestionRows(Rows[QuestionShape, int]):
    """Questions in the order in which they were added."""


class Withdraw(Body):
    """The reason for withdrawing a question."""

    reason: Text = Field(default="withdrawn", min_length=1, examples=["the camera was blocked"])


@router.get("/questions", responses=answers())
def list_questions(
    store: Answers,
    _: Operator,
    run: Run = None,
    round: Annotated[int | None, Query(ge=0, lt=2**31, description="Only of this round.")] = None,
    task: Task = None,
    kind: Annotated[str | None, Query(max_length=32, pattern=r"^[a-z_]*$", description="Only of this kind.")] = None,
    role: Annotated[Role | None, Query(description="Only of this role.")] = None,
    state: Annotated[QuestionState | None, Query(description="open: more answers are wanted.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> QuestionRows:
    """List questions."""
    found = question_rows(
        store.database,
        after=after,
        limit=limit,
        run=run,
        round=round,
        task=task,
        kind=kind,
        role=role,
        state=state,
    )
    return QuestionRows.model_validate(found)


@router.post("/questions", status_code=201, responses=answers(*BODY, 409))
def ask(store: Answers, here: Here, _: Operator, body: QuestionsBody) -> QuestionsResult:
    """Ask questions of any kind. Those that were asked before change nothing.

    Questions about episodes that people cannot be shown, such as those of outside environments, are refused.
    """
    asked = [_question(store, new) for new in body.questions]
    check_questions(here.home, asked)
    return QuestionsResult(new=store.add_questions(asked), ids=[question.id for question in asked])


@router.get("/questions/{question}", responses=answers(404))
def one_question(store: Answers, _: Operator, question: InPath) -> QuestionShape:
    """Show one question."""
    return QuestionShape.model_validate(question_row(store.database, question))


@router.post("/questions/{question}/withdraw", responses=answers(*BODY, 404))
def withdraw(store: Answers, _: Operator, who: Who, question: InPath, body: Withdraw) -> QuestionShape:
    """Withdraw a question; answers that were given stay."""
    store.clips.withdraw_question(question, body.reason, by=who)
    return QuestionShape.model_validate(question_row(store.database, question))


def _question(store: Store, new: NewQuestion) -> Question:
    places = tuple(Segment(clip.episode_id, clip.start, clip.length) for clip in new.clips)
    if len(set(places)) < len(places):
        raise InvalidValueError("clips of a question", "the same clip twice", "clips that differ")
    axes = new.axes if new.axes or new.axes is None else list(store.tasks.axes(new.task))
    stated = {"prompt": new.prompt, "axes": axes}
    overlap = new.overlap or store.tasks.sharing(new.task).overlap
    meta = {**new.meta, **{name: value for name, value in stated.items() if value is not None}}
    name = question_id(new.run, new.round, new.kind, places)
    return Question(
        name, new.run, new.round, new.kind, new.task, places, new.dataset, meta=meta, overlap=overlap, role=new.role
    )
