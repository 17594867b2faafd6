"""The questions page: make questions of any kind, settle disputed ones, make gold; and one's own answers."""

import uuid
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.core.checks import RUNS
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.judgeable import check_questions
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.queries import question_row
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.feedback.store import Store
from teleop.input.key_bindings import Binding
from teleop.station.questions.answered import AnsweredQuestion, answered_questions, my_answers, surprises
from teleop.station.questions.making import make_questions
from teleop.station.web.auth import Me, SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

MOST, MOST_PEOPLE, SHOWN, MINE = 500, 20, 60, 100  # questions at once, people each, rows of a list, own answers
USUAL = "pairwise"  # the kind that is offered first
SURPRISES = 20  # answers that a reward expects least
BY_AXES = "axes"  # the kind that compares along the axes of the task
STEM = "asked"  # of the names under which questions of this page are asked
MORE = 2  # people who are asked in addition
PAGE = Page("questions", "Questions", "/questions", order=4, group="review", role="operator")
ANSWERS_PAGE = Page("answers", "Your answers", "/answers", order=3, group="review")
PAGES = (ANSWERS_PAGE,)
KEYS = (
    Binding("next", "Next question", "page", ("ArrowDown", "KeyJ")),
    Binding("previous", "Question before", "page", ("ArrowUp", "KeyK")),
    Binding("accept", "Accept this answer", "answer", ("KeyA",)),
    Binding("more", "Ask more people", "answer", ("KeyM",)),
    Binding("gold", "Make it gold", "answer", ("KeyG",)),
    Binding("practice", "Make it practice", "answer", ("KeyP",)),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
router = APIRouter()
Operator = Annotated[SignedIn, Depends(requires("operator"))]
Name = Annotated[str, Query(max_length=200)]


class NewQuestions(BaseModel):
    """Questions about clips of a dataset, or of a run ("runs/NAME")."""

    model_config = ConfigDict(extra="forbid")
    place: Annotated[str, Field(min_length=1, max_length=400)]
    task: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Annotated[str, Field(min_length=1, max_length=200)]
    count: Annotated[int, Field(ge=1, le=MOST)] = 20
    people: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] = 1
    seconds: Annotated[float, Field(ge=0.1, le=600)] = 2.0


class Settled(BaseModel):
    """What becomes of a question, by one of its answers."""

    model_config = ConfigDict(extra="forbid")
    question: Annotated[str, Field(min_length=1, max_length=64)]
    act: Literal["accept", "more", "gold", "practice"]
    value: dict[str, Any] = {}


@router.get("/questions")
def page(request: Request, me: Operator) -> Response:
    """Show the form that makes questions, and those that were answered."""
    station = station_of(request)
    station.library.index.refresh()
    tasks: dict[str, set[str]] = {}
    for entry in station.library.index.entries():
        tasks.setdefault(entry.key.dataset, set()).add(entry.meta.task)
    runs = [line for line in station.runs.runs() if (station.runs.home / line.name / "episodes" / "episodes").is_dir()]
    data = {
        "keys": [asdict(binding) for binding in KEYS],
        "places": [{"name": name, "tasks": sorted(found)} for name, found in sorted(tasks.items())]
        + [{"name": f"{RUNS}/{line.name}", "tasks": [line.task], "title": line.title} for line in runs if line.task],
        "kinds": [{"name": name, "prompt": KINDS[name].prompt} for name in _kinds()],
        "most": {"count": MOST, "people": MOST_PEOPLE},
    }
    return render(request, "questions/questions.html", page=PAGE, data=data)


def _kinds() -> list[str]:
    """Return the kinds that can be asked about recorded episodes, the usual one first."""
    return sorted((name for name in KINDS if KINDS[name].of_recordings), key=lambda name: (name != USUAL, name))


@router.post("/api/questions")
def ask(request: Request, body: NewQuestions, me: Operator) -> dict[str, Any]:
    """Make questions; all of them or none."""
    station = station_of(request)
    if body.kind not in _kinds():
        raise NotFoundError("kind of question", body.kind, "Choose one of those in the list.")
    run = f"{STEM}-{1 + sum(name.startswith(f'{STEM}-') for name in station.store.runs())}"
    made = make_questions(
        station.home,
        body.place,
        body.task,
        body.kind,
        body.count,
        seconds=body.seconds,
        overlap=body.people,
        run=run,
        meta={"axes": list(station.store.tasks.axes(body.task))} if body.kind == BY_AXES else {},
    )
    check_questions(station.home, made)
    station.store.add_questions(made)
    about = f"{run}: {len(made)} of {body.kind} about {body.place}"
    station.people.audit.write(principal_of(request), "questions asked", about)
    return {"run": run, "count": len(made)}


@router.get("/api/questions/answered")
def answered(request: Request, me: Operator, disputed: bool = False) -> dict[str, Any]:
    """Return questions that people answered, the newest first; those that are disputed where that is asked for."""
    every = answered_questions(station_of(request).store)
    shown = [one for one in every if one.disputed or not disputed]
    return {"questions": [_row(one) for one in shown[:SHOWN]], "disputed": sum(one.disputed for one in every)}


@router.post("/api/questions/settle")
def settle(request: Request, body: Settled, me: Operator) -> dict[str, Any]:
    """Accept an answer as one's own, ask more people, or make a gold or practice question with this answer."""
    store, by = station_of(request).store, principal_of(request)
    known = question_row(store.database, body.question)
    if body.act == "more":
        store.set_overlap(int(known["given"]) + MORE, question=body.question, by=by)
    elif not body.value:
        raise InvalidValueError("answer", "none", "the answer that is accepted, or known to be right")
    elif body.act == "accept":
        key = uuid.uuid4().hex
        store.submit(SubmittedAnswer(body.question, me.person.name, "human", body.value, key, None, None, None))
    else:
        copy = _copy(store, body.question, body.act)
        store.add_questions([copy])
        store.gold.set(copy.id, {k: v for k, v in body.value.items() if k != "note"}, by=by)
    return {"done": True}


@router.get("/answers")
def own_page(request: Request, me: Me) -> Response:
    """Show one's own answers."""
    return render(request, "questions/answers.html", page=ANSWERS_PAGE)


@router.get("/api/questions/mine")
def mine(request: Request, me: Me) -> dict[str, Any]:
    """Return one's own newest answers."""
    station = station_of(request)
    return {"answers": my_answers(station.store, station.home, me.person.name, MINE)}


@router.get("/api/questions/surprises")
def surprising(request: Request, me: Operator, run: Name = "", task: Name = "") -> dict[str, Any]:
    """Return how far rewards predict each person's newest answers that they did not learn from, and the least so."""
    station = station_of(request)
    return surprises(station.store, station.home, SURPRISES, run, task)


def _copy(store: Store, name: str, role: Literal["gold", "practice"]) -> Question:
    """Return a question with the clips of another, whose answer is known."""
    found = next((question for question in store.questions() if question.id == name), None)
    if found is None:
        raise NotFoundError("question", name, "It may have been withdrawn.")
    key = question_id(role, 0, found.kind, found.segments)
    return replace(found, id=key, run=role, round=0, role=role, created="")


def _row(one: AnsweredQuestion) -> dict[str, Any]:
    return {**asdict(one), "disputed": one.disputed}
