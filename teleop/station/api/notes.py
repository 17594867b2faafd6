"""Notes: what annotators write about questions, clips, episodes and runs."""

from typing import Annotated

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from robo_rlhf.feedback.notes import LONGEST_NOTE, Note
from robo_rlhf.feedback.queries import note_rows
from teleop.station.web.auth import may_note
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    SOME,
    After,
    Annotator,
    Answers,
    Body,
    Key,
    Limit,
    Name,
    Operator,
    Rows,
    Shape,
    again,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("notes")
WORD = r"^[a-z_]+$"


class NewNote(Body):
    """A note."""

    about: Annotated[str, Field(max_length=16, pattern=WORD, description="What kind of thing.", examples=["question"])]
    name: Name = Field(description="Which one.")
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE, pattern=SOME)]
    key: Key


class NoteResult(Shape):
    """Whether the note is new."""

    new: bool


class NoteShape(Shape):
    """A stored note."""

    number: int = Field(description="Order of arrival.")
    annotator: str
    about: str
    name: str
    text: str = Field(description="As it was written: escape it where you show it.")
    written: str = Field(description="ISO 8601, UTC.")


class NoteRows(Rows[NoteShape, int]):
    """Notes in the order in which they came."""


@router.get("/notes", responses=answers())
def list_notes(
    store: Answers,
    _: Operator,
    about: Annotated[str | None, Query(max_length=16, pattern=WORD, description="Only about such things.")] = None,
    name: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only about this one.")] = None,
    annotator: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only this person's.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> NoteRows:
    """List notes."""
    found = note_rows(store.database, after=after, limit=limit, about=about, name=name, annotator=annotator)
    return NoteRows.model_validate(found)


@router.post(
    "/notes",
    status_code=201,
    responses=again(NoteResult) | answers(*BODY, 409),
)
def write(request: Request, response: Response, store: Answers, me: Annotator, body: NewNote) -> NoteResult:
    """Write a note, at most 30 a minute. Sent again with the same key it changes nothing."""
    may_note(request, me)
    new = store.notes.add(Note(me.person.name, body.about, body.name, body.text), key=body.key)
    response.status_code = 201 if new else 200
    return NoteResult(new=new)
