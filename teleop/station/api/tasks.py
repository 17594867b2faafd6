"""Tasks: the settings by which their questions are assigned, and their guidelines."""

from typing import Annotated

from pydantic import Field

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.feedback.assignment.task_settings import LONGEST_GUIDELINES
from robo_rlhf.feedback.axes import LONGEST, MOST
from robo_rlhf.feedback.queries import task_names
from robo_rlhf.feedback.reasons.listed import MOST as MOST_REASONS
from robo_rlhf.feedback.reasons.listed import Direction, Reason
from robo_rlhf.feedback.store import Store
from teleop.station.operate import launch_options
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    Annotator,
    Answers,
    Body,
    InPath,
    Items,
    Name,
    Operator,
    Shape,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("tasks")
Share = Annotated[float, Field(ge=0, le=0.5)]
Part = Annotated[float, Field(ge=0, le=1)]


class SharingShape(Shape):
    """The settings by which questions are assigned."""

    overlap: int = Field(description="Number of people who shall answer each question, where the question sets none.")
    lease: float = Field(description="Time limit of a question [s].")
    gold_share: float = Field(description="Share of questions whose answer is known.")
    repeat_share: float = Field(description="Share of questions that the person has answered before.")
    repeat_gap: int = Field(description="Questions between the first time and the second.")
    too_fast: float = Field(description="Shortest time in which the clips can be watched [s].")
    least_gold: float = Field(description="Share of gold questions that a reliable person gets right.")
    most_too_fast: float = Field(description="Share of answers that may come too fast before a person is warned about.")
    most_ties: float = Field(description="Share of answers that may prefer nothing.")
    least_consistent: float = Field(description="Share of questions asked twice that a reliable person answers alike.")
    least_skill: float = Field(description="Probability of the true label, by the crowd model, of a reliable person.")


class SharingBody(Body):
    """Settings that are to change; the others stay. null removes the task's setting: the default applies."""

    overlap: Annotated[int, Field(ge=1, le=1000)] | None = None
    lease: Annotated[float, Field(ge=1, le=86400, description="[s]")] | None = None
    gold_share: Share | None = None
    repeat_share: Share | None = None
    repeat_gap: Annotated[int, Field(ge=1, le=10**6)] | None = None
    too_fast: Annotated[float, Field(ge=0, le=60, description="[s]")] | None = None
    least_gold: Part | None = None
    most_too_fast: Part | None = None
    most_ties: Part | None = None
    least_consistent: Part | None = None
    least_skill: Part | None = None

    @property
    def changes(self) -> dict[str, float | None]:
        """The settings that are to change."""
        return self.model_dump(exclude_unset=True)


class ReasonShape(Shape):
    """A reason on the list of a task."""

    name: str
    axis: str
    direction: str


class TaskShape(Shape):
    """A task."""

    name: str
    about: str = Field(description="One sentence; empty where the station does not know the task.")
    settings: SharingShape
    own: list[str] = Field(description="Settings of the task itself; the others have the default of all tasks.")
    guidelines: int = Field(description="Version of the guidelines; 0 where there are none.")
    axes: list[str] = Field(description="What its clips are judged by where a question asks along axes.")
    reasons: list[ReasonShape] = Field(description="What people may pick beside an answer, by one key each.")


class TaskRows(Items[TaskShape]):
    """The tasks that this station knows, or that questions were asked about."""


class AxesBody(Body):
    """What the clips of a task are judged by."""

    axes: Annotated[list[Name], Field(max_length=MOST, description="Empty: the usual ones.", examples=[["speed"]])]


class ReasonBody(Body):
    """A reason on the list of a task."""

    name: Name = Field(examples=["too slow"])
    axis: Annotated[str, Field(max_length=LONGEST, pattern=PLAIN)] = Field(
        default="", description="The named axis whose reward it trains; empty: the clip as a whole.", examples=["speed"]
    )
    direction: Direction = Field(default="worse", description="Of the clip that it is about, along the axis.")


class ReasonsBody(Body):
    """The list of reasons of a task, in the order of its keys."""

    reasons: Annotated[list[ReasonBody], Field(max_length=MOST_REASONS)]


class GuidelinesBody(Body):
    """A new version of a task's guidelines."""

    text: Annotated[str, Field(max_length=LONGEST_GUIDELINES, pattern=PLAIN, description="Markdown.")]


class GuidelinesShape(Shape):
    """The guidelines of a task."""

    task: str
    text: str = Field(description="Markdown as it was written: sanitise it where you show it.")
    author: str
    written: str = Field(description="ISO 8601, UTC.")
    version: int = Field(description="1 for the first.")


@router.get("/tasks", responses=answers())
def list_tasks(store: Answers, _: Annotator) -> TaskRows:
    """List tasks."""
    return TaskRows(items=[_task(store, name) for name in _names(store)])


@router.get("/tasks/{task}", responses=answers(404))
def one_task(store: Answers, _: Annotator, task: InPath) -> TaskShape:
    """Show one task."""
    if task not in _names(store):
        raise NotFoundError("task", task[:80], "List the tasks to see what there is.")
    return _task(store, task)


@router.patch("/tasks/{task}/settings", responses=answers(*BODY))
def change_settings(store: Answers, _: Operator, who: Who, task: InPath, body: SharingBody) -> SharingShape:
    """Change the settings by which the questions of a task are assigned."""
    return SharingShape.model_validate(store.tasks.set_sharing(task, by=who, **body.changes))


@router.put("/tasks/{task}/axes", responses=answers(*BODY))
def set_axes(store: Answers, _: Operator, who: Who, task: InPath, body: AxesBody) -> TaskShape:
    """Set the named axes along which the clips of a task are judged."""
    store.tasks.set_axes(task, body.axes, by=who)
    return _task(store, task)


@router.put("/tasks/{task}/reasons", responses=answers(*BODY))
def set_reasons(store: Answers, _: Operator, who: Who, task: InPath, body: ReasonsBody) -> TaskShape:
    """Set the list of reasons of a task, empty to have none. Answers keep the reasons that they were given."""
    store.tasks.set_reasons(task, [Reason(one.name, one.axis, one.direction) for one in body.reasons], by=who)
    return _task(store, task)


@router.get("/settings", responses=answers())
def default_settings(store: Answers, _: Annotator) -> SharingShape:
    """Show the default settings of all tasks."""
    return SharingShape.model_validate(store.tasks.sharing())


@router.patch("/settings", responses=answers(*BODY))
def change_defaults(store: Answers, _: Operator, who: Who, body: SharingBody) -> SharingShape:
    """Change the default settings of all tasks."""
    return SharingShape.model_validate(store.tasks.set_sharing("", by=who, **body.changes))


@router.get("/tasks/{task}/guidelines", responses=answers(404), tags=["guidelines"])
def read_guidelines(store: Answers, _: Annotator, task: InPath) -> GuidelinesShape:
    """Read the guidelines of a task."""
    found = store.tasks.guidelines(task)
    if found is None:
        raise NotFoundError("guidelines of task", task[:80], "Nobody has written any.")
    return GuidelinesShape.model_validate(found)


@router.put("/tasks/{task}/guidelines", responses=answers(*BODY), tags=["guidelines"])
def write_guidelines(store: Answers, _: Operator, who: Who, task: InPath, body: GuidelinesBody) -> GuidelinesShape:
    """Write a new version of the guidelines of a task; earlier ones are kept."""
    written = store.tasks.write_guidelines(task, body.text, who.name, address=who.address)
    return GuidelinesShape.model_validate(written)


def _names(store: Store) -> list[str]:
    known = (
        {choice.name for choice in launch_options.tasks()}
        | set(task_names(store.database))
        | set(store.tasks.settings())
    )
    return sorted(known - {""})


def _task(store: Store, name: str) -> TaskShape:
    choice = launch_options.task(name)
    guidelines = store.tasks.guidelines(name)
    settings = SharingShape.model_validate(store.tasks.sharing(name))
    version, own = guidelines.version if guidelines else 0, sorted(store.tasks.own(name))
    about, axes = choice.about if choice else "", list(store.tasks.axes(name))
    listed = [ReasonShape.model_validate(reason.as_json()) for reason in store.tasks.reasons(name)]
    return TaskShape(name=name, about=about, settings=settings, own=own, guidelines=version, axes=axes, reasons=listed)
