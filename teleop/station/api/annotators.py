"""Annotators: the caller's own account, all annotators, and the quality of their answers."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from robo_rlhf.accounts.groups import LONGEST, MOST, groups_of
from robo_rlhf.accounts.roles import Role
from robo_rlhf.core.errors import BusyError, NotFoundError
from robo_rlhf.feedback.assignment import assign
from robo_rlhf.feedback.assignment.my_progress import waiting
from robo_rlhf.feedback.queries import annotator_rows
from robo_rlhf.feedback.records import AnnotatorKind
from teleop.station.quality.cache import ReportKey
from teleop.station.services import Station
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    Annotator,
    Answers,
    Body,
    Here,
    InPath,
    Items,
    Limit,
    Operator,
    Rows,
    Run,
    Shape,
    Task,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("annotators")
PATIENCE, LOOK = 30.0, 0.05  # [s] for the first report, and between looks whether it is there


class Me(Shape):
    """The caller."""

    name: str
    role: Role = Field(description="What this token, or this session, may do.")
    groups: list[str] = Field(description="Your groups, as you stated them.")
    waiting: int = Field(description="Questions that wait for you, counted up to 1,000.")


Group = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00,]*$")]


class GroupsBody(Body):
    """The groups that a user states to belong to."""

    groups: Annotated[list[Group], Field(fail_fast=True, max_length=MOST, examples=[["left-handed", "roboticist"]])]


class AnnotatorShape(Shape):
    """A person who was asked, or a simulated annotator."""

    name: str
    kind: AnnotatorKind
    groups: list[str] = Field(description="Groups that they state to belong to.")
    handed: int = Field(description="Questions assigned so far.")
    since: str = Field(description="ISO 8601, UTC.")


class AnnotatorRows(Rows[AnnotatorShape, str]):
    """All annotators who were ever asked, by name."""


class IntervalShape(Shape):
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float


class ShareShape(Shape):
    """A count and its total."""

    hits: int
    of: int
    interval: IntervalShape | None = Field(description="Null where the total is 0.")


class PersonQualityShape(Shape):
    """The quality of one person's answers."""

    name: str
    kind: AnnotatorKind
    team: str = Field(description="The groups that they say to belong to, with commas between them.")
    answers: int = Field(description="That count.")
    seconds: float | None = Field(description="Median from seeing the clips to the answer [s].")
    agreement: float | None = Field(description="Share of other annotators who gave the same answer.")
    consistency: ShareShape = Field(description="Questions asked twice that were answered alike.")
    gold: ShareShape = Field(description="Gold questions that were answered right.")
    left: ShareShape = Field(description="Clips chosen that stood on the left.")
    too_fast: ShareShape = Field(description="Answers given faster than the clips can be watched.")
    ties: ShareShape = Field(description="Answers that prefer nothing.")
    skipped: ShareShape = Field(description="Answers that judge nothing.")
    skill: float | None = Field(description="Probability of the true label, by the crowd model.")
    weight: float = Field(description="Information in the answers, in [0, 1].")
    warnings: list[str] = Field(description="The warning, as text.")


class Difference(Shape):
    """The disagreement between two groups: agreement within them less agreement between them."""

    first: str
    second: str
    difference: IntervalShape | None


class Agreement(Shape):
    """Agreement between annotators of the same questions."""

    newer: int = Field(description="Answers that came since this was computed; the next request recomputes it.")
    answers: int = Field(description="Answers that were evaluated.")
    agreement: float | None = Field(description="Share of pairs of annotators who gave the same answer.")
    alpha: dict[str, float | None] = Field(description="Kind of question → Krippendorff's alpha.")
    teams: dict[str, float | None] = Field(description="Group → mean agreement of its people with all others.")
    differences: list[Difference]


class QualityRows(Items[PersonQualityShape]):
    """The quality of each person's answers."""

    newer: int = Field(description="Answers that came since this was computed; the next request recomputes it.")


@router.get("/me", responses=answers())
def who_am_i(store: Answers, me: Annotator) -> Me:
    """Show the caller's account."""
    name = me.person.name
    mine = annotator_rows(store.database, limit=1, name=name).items
    count = waiting(store.database, name, assign.QuestionFilter())
    return Me(name=name, role=me.role, groups=list(groups_of(mine[0]["team"])) if mine else [], waiting=count)


@router.put("/me/groups", responses=answers(*BODY))
def set_groups(station: Here, me: Annotator, who: Who, body: GroupsBody) -> GroupsBody:
    """State the groups that you belong to."""
    name = me.person.name
    return GroupsBody(groups=list(station.people.set_groups(name, body.groups, by=who.name, address=who.address)))


@router.get("/annotators", responses=answers())
def list_annotators(
    store: Answers,
    _: Operator,
    kind: Annotated[AnnotatorKind | None, Query(description="Only people, or only simulated teachers.")] = None,
    after: Annotated[str, Query(max_length=200, pattern=PLAIN, description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> AnnotatorRows:
    """List all annotators who were ever asked."""
    found = annotator_rows(store.database, after=after, limit=limit, kind=kind)
    items = [AnnotatorShape.model_validate({**row, "groups": groups_of(row["team"])}) for row in found.items]
    return AnnotatorRows(items=items, next=found.next)


@router.get("/annotators/{name}/quality", responses=answers(404), tags=["quality"])
async def quality_of_one(
    station: Here, _: Operator, name: InPath, run: Run = None, task: Task = None
) -> PersonQualityShape:
    """Show the quality of one person's answers, as it was last computed."""
    for person in (await _report(station, run, task))["people"]:
        if person["name"] == name:
            return PersonQualityShape.model_validate(person)
    raise NotFoundError("answers of annotator", name[:80], "List the annotators to see who has answered.")


@router.get("/quality", responses=answers(), tags=["quality"])
async def quality_of_all(station: Here, _: Operator, run: Run = None, task: Task = None) -> QualityRows:
    """Show the quality of each person's answers, as it was last computed from the newest 50,000."""
    found = await _report(station, run, task)
    return QualityRows.model_validate({"items": found["people"], "newer": found["newer"]})


@router.get("/agreement", responses=answers(), tags=["quality"])
async def agreement(station: Here, _: Operator, run: Run = None, task: Task = None) -> Agreement:
    """Show the agreement between annotators, as it was last computed from the newest 50,000 answers."""
    return Agreement.model_validate(await _report(station, run, task))


async def _report(station: Station, run: str | None, task: str | None) -> dict[str, Any]:
    """Return the last report of the process that also computes it for the page; the first time it is awaited.

    Raises:
        BusyError: it takes long, or could not be done.
    """
    until = time.monotonic() + PATIENCE
    while (found := await asyncio.to_thread(station.quality.of, ReportKey(run, task)))["report"] is None:
        if time.monotonic() > until:
            raise BusyError("The report", "it is still being worked out")
        await asyncio.sleep(LOOK)
    if "error" in found["report"]:
        raise BusyError("The report", str(found["report"]["error"]))
    return {**found["report"], "newer": found["newer"]}
