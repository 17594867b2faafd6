"""The live signal: presses of + and − while a policy runs."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from robo_rlhf.feedback.listing import signal_rows
from robo_rlhf.feedback.signals import Signal
from teleop.station.rest import (
    BODY,
    PLAIN,
    After,
    Annotator,
    Answers,
    Body,
    Key,
    Limit,
    Name,
    Operator,
    Rows,
    Run,
    Shape,
    again,
    answers,
)
from teleop.station.rest import (
    router as make,
)

router = make("signals")


class Press(Body):
    """One press."""

    run: Annotated[str, Field(max_length=200, pattern=PLAIN, description="Of the policy; empty for none.")] = ""
    dataset: Name = Field(description="Within the data home.", examples=["runs/one/live"])
    episode_id: Name
    sign: Literal[1, -1] = Field(description="1: good, -1: bad.")
    step: Annotated[float, Field(ge=0, lt=1e9, description="Step of the episode that was shown at the press.")]
    rate: Annotated[float, Field(ge=1e-3, le=1e6, description="[steps/s] that were shown.", examples=[20.0])]
    key: Key


class New(Shape):
    """Whether it had not come before."""

    new: bool


class PressShape(Shape):
    """A press as it is kept."""

    number: int = Field(description="Order of arrival.")
    annotator: str
    run: str
    dataset: str
    episode_id: str
    sign: int
    step: float
    rate: float = Field(description="[steps/s]")
    pressed: str = Field(description="ISO 8601, UTC.")


class PressRows(Rows):
    """Presses in the order in which they came."""

    items: list[PressShape]


@router.get("/signals", responses=answers())
def list_signals(
    store: Answers,
    _: Operator,
    run: Run = None,
    dataset: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this dataset.")] = None,
    episode: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this episode.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> PressRows:
    """List presses."""
    found = signal_rows(store.database, after=after, limit=limit, run=run, dataset=dataset, episode_id=episode)
    return PressRows.model_validate(found)


@router.post(
    "/signals",
    status_code=201,
    responses=again(New) | answers(*BODY, 409),
)
def press(response: Response, store: Answers, me: Annotator, body: Press) -> New:
    """Hand a press in. Sent again with the same key it changes nothing."""
    said = Signal(me.person.name, body.run, body.dataset, body.episode_id, body.sign, body.step, body.rate)
    new = store.signals.add(said, key=body.key)
    response.status_code = 201 if new else 200
    return New(new=new)
