"""Runs: those that asked questions, the progress of their rounds, and their numbers of answers."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.feedback.notes import Round
from robo_rlhf.feedback.store import Store
from teleop.station.web.rest import (
    BODY,
    Annotator,
    Answers,
    Body,
    InPath,
    Items,
    Object,
    Operator,
    Shape,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("runs")


class CountsShape(Shape):
    """The progress of the labelling."""

    questions: int
    answered: int = Field(description="Questions with at least one answer.")
    answers: int = Field(description="That count, the newest of each annotator.")
    human: int = Field(description="Of these, by people.")
    simulated: int = Field(description="Of these, by simulated teachers.")


class RunShape(Shape):
    """A run."""

    name: str
    counts: CountsShape


class RunRows(Items[str]):
    """The runs that asked questions or whose rounds were recorded, by name."""


class RoundShape(Shape):
    """The progress of one round of a run."""

    run: str
    round: int
    state: str = Field(examples=["asking"])
    meta: dict[str, Any] = Field(description="Figures of the round.")
    changed: str = Field(description="ISO 8601, UTC.")


class RoundRows(Items[RoundShape]):
    """Rounds in their order."""


class SetRound(Body):
    """The progress of a round."""

    state: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[a-z_]+$", examples=["learning"])]
    meta: Object = Field(default={}, description="Figures of the round: a JSON object.")


@router.get("/runs", responses=answers())
def list_runs(store: Answers, _: Annotator) -> RunRows:
    """List runs."""
    return RunRows(items=_names(store))


@router.get("/runs/{run}", responses=answers(404))
def one_run(store: Answers, _: Annotator, run: InPath) -> RunShape:
    """Show the progress of a run's labelling."""
    _check(store, run)
    return RunShape(name=run, counts=CountsShape.model_validate(store.counts(run)))


@router.get("/runs/{run}/rounds", responses=answers(404))
def list_rounds(store: Answers, _: Annotator, run: InPath) -> RoundRows:
    """List the progress of a run's rounds."""
    _check(store, run)
    return RoundRows.model_validate({"items": store.rounds.list(run)})


@router.put("/runs/{run}/rounds/{round}", responses=answers(*BODY))
def set_round(
    store: Answers, _: Operator, run: InPath, round: Annotated[int, Path(ge=0, le=10**6)], body: SetRound
) -> RoundShape:
    """Record the progress of a round; the earlier record is replaced."""
    store.rounds.set(Round(run, round, body.state, body.meta))
    return RoundShape.model_validate(next(one for one in store.rounds.list(run) if one.round == round))


def _names(store: Store) -> list[str]:
    return sorted({*store.runs(), *(round.run for round in store.rounds.list())})


def _check(store: Store, run: str) -> None:
    if run not in _names(store):
        raise NotFoundError("run", run[:80], "List the runs to see what there is.")
