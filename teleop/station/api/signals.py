"""The live signal: presses of + and − while a policy runs (evaluative feedback)."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from robo_rlhf.feedback.live_signal.in_time import check_in_time
from robo_rlhf.feedback.live_signal.signals import LATEST, Signal
from robo_rlhf.feedback.queries import signal_rows
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    After,
    Annotator,
    Answers,
    Body,
    Here,
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
from teleop.station.web.rest import (
    router as make,
)

router = make("signals")


class SignalBody(Body):
    """One press."""

    run: Annotated[str, Field(max_length=200, pattern=PLAIN, description="Of the policy; empty for none.")] = ""
    dataset: Name = Field(description="Within the data home.", examples=["runs/one/live"])
    episode_id: Name
    sign: Literal[1, -1] = Field(description="1: good, -1: bad.")
    step: Annotated[float, Field(ge=0, lt=1e9, description="Step of the episode that was shown at the press.")]
    rate: Annotated[float, Field(ge=1e-3, le=1e6, description="[steps/s] that were shown.", examples=[20.0])]
    source: Annotated[Literal["", "live", "replay"], Field(description="What the user watched; empty if unknown.")] = ""
    delay: Annotated[
        float | None, Field(ge=0, le=LATEST, description="[s] from when the step happened, or was shown, to the press.")
    ] = None
    key: Key


class SignalRetraction(Body):
    """The press to retract."""

    key: Key


class RetractionResult(Shape):
    """Whether the press counted until now."""

    stood: bool


class SignalResult(Shape):
    """Whether the press is new."""

    new: bool


class SignalShape(Shape):
    """A stored press."""

    number: int = Field(description="Order of arrival.")
    annotator: str
    run: str
    dataset: str
    episode_id: str
    sign: int
    step: float
    rate: float = Field(description="[steps/s]")
    pressed: str = Field(description="ISO 8601, UTC.")
    source: str | None = Field(description="Source of the pictures, live or replay; null where unknown.")
    session: str | None = Field(description="The session that was watched live.")
    delay: float | None = Field(description="[s] from when the step happened, or was shown, to the press.")
    withdrawn: str | None = Field(description="When it was retracted: ISO 8601, UTC; null where it counts.")


class SignalRows(Rows[SignalShape, int]):
    """Presses in the order in which they came."""


@router.get("/signals", responses=answers())
def list_signals(
    store: Answers,
    _: Operator,
    run: Run = None,
    dataset: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this dataset.")] = None,
    episode: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this episode.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> SignalRows:
    """List presses, including those that were retracted."""
    found = signal_rows(store.database, after=after, limit=limit, run=run, dataset=dataset, episode_id=episode)
    return SignalRows.model_validate(found)


@router.post(
    "/signals",
    status_code=201,
    responses=again(SignalResult) | answers(*BODY, 409),
)
def press(response: Response, store: Answers, station: Here, me: Annotator, body: SignalBody) -> SignalResult:
    """Submit a press. Sent again with the same key it changes nothing."""
    fields = body.model_dump(exclude={"key"})
    check_in_time(station.home, body.dataset, body.episode_id, body.step, body.rate)
    new = store.signals.add(Signal(me.person.name, **fields), key=body.key)
    response.status_code = 201 if new else 200
    return SignalResult(new=new)


@router.post("/signals/take-back", responses=answers(*BODY, 404))
def take_back(store: Answers, me: Annotator, body: SignalRetraction) -> RetractionResult:
    """Retract a press of yours: it stays as a row, and is not trained on any more."""
    return RetractionResult(stood=store.signals.take_back(me.person.name, body.key))
