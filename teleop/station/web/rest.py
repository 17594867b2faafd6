"""Shared code of the REST API: field types, pages of rows, errors, and the router.

One form of error everywhere: `Problem`. The errors of a route are declared where it is made, by
`answers`, so that the description of the API holds every status that can come.
"""

from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from robo_rlhf.accounts.roles import Principal, Role
from robo_rlhf.feedback.store import Store
from teleop.station.services import Station
from teleop.station.web.auth import SignedIn, principal_of, requires, station_of

PREFIX = "/api/v1"
PLAIN = r"^[^\x00]*$"  # databases store no NUL
SOME = r"^[^\x00]*[^\x00\s][^\x00]*$"

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN)]
Text = Annotated[str, Field(max_length=4000, pattern=PLAIN)]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=PLAIN,
        description="Idempotency key: sent again with the same key nothing changes; with another body it is refused.",
        examples=["8f14e45f-ceea-467f-ab1c-5d3b6c1c2a10"],
    ),
]
Number = Annotated[int, Field(ge=0, lt=2**31)]
Object = Annotated[dict[str, Any], Field(description="A JSON object.")]
Serial = Annotated[int, Field(ge=1, lt=2**63)]
InPath = Annotated[str, Path(min_length=1, max_length=200, pattern=PLAIN)]
SerialInPath = Annotated[int, Path(ge=1, lt=2**63)]
Run = Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this run.")]
Task = Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this task.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows at most.")]
After = Annotated[
    int,
    Query(ge=0, lt=2**63, description="The `next` of the page before: rows that follow it. 0 for the first page."),
]
Item = TypeVar("Item")
Place = TypeVar("Place", int, str)


class Body(BaseModel):
    """The body of a request: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Shape(BaseModel):
    """What an answer holds."""

    model_config = ConfigDict(from_attributes=True)


class Problem(Shape):
    """An error. This form is the same for every error."""

    error: str = Field(description="What is wrong, and what to do, as text.", examples=["No question 'x'."])
    code: str = Field(description="The same for programs.", examples=["notfound"])


class Items(Shape, Generic[Item]):
    """A whole list."""

    items: list[Item]


class Rows(Items[Item], Generic[Item, Place]):
    """One page of a list; `Place` identifies the last row."""

    next: Place | None = Field(description="Ask with `after` set to this for what follows; null where nothing does.")


_WHY = {
    400: "The body cannot be read",
    401: "Not signed in: the token is missing, revoked or expired",
    403: "Your role may not do this, or the request came from a foreign page",
    404: "There is no such thing",
    405: "The address knows no such request",
    408: "The body came too slowly",
    409: "It does not go together with what is there",
    413: "The body is too long",
    415: "The body is of another type",
    422: "A value is not as it should be",
    429: "Too much at once, or too often, from you or your address; wait",
    503: "The database is busy or cannot be reached; try again",
    507: "The disk is full",
}


def answers(*more: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors that a route may answer with: those that every route may, and `more`."""
    statuses = sorted({401, 403, 422, 429, 503, *more})
    return {status: {"model": Problem, "description": _WHY[status]} for status in statuses}


def again(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the response to a repeated request."""
    return {200: {"model": shape, "description": "It had come before; nothing was changed"}}


BODY = (400, 408, 413, 507)  # what a request that brings something may be answered with


def router(tag: str) -> APIRouter:
    """Return a router for one resource; `tag` groups its routes in the description."""
    return APIRouter(prefix=PREFIX, tags=[tag])


def store_of(connection: HTTPConnection) -> Store:
    """Return the feedback database of the station that a request came to."""
    return station_of(connection).store


def _asker(role: Role) -> Any:
    check = requires(role)

    def asker(connection: HTTPConnection) -> SignedIn:
        return check(connection)

    asker.role = role  # type: ignore[attr-defined]  # the description says it
    return asker


Annotator = Annotated[SignedIn, Depends(_asker("annotator"))]
Operator = Annotated[SignedIn, Depends(_asker("operator"))]
Administrator = Annotated[SignedIn, Depends(_asker("administrator"))]
Who = Annotated[Principal, Depends(principal_of)]
Answers = Annotated[Store, Depends(store_of)]
Here = Annotated[Station, Depends(station_of)]
