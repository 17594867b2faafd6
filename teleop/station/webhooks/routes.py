"""The webhooks page: the receivers of the station's events, and their deliveries."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from robo_rlhf.webhooks.events import EVENTS
from teleop.station.web.auth import SignedIn, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("webhooks", "Webhooks", "/webhooks", order=12, group="team", role="administrator")
LAST = 12  # messages of each that are shown
WORDS = {
    "answer.created": "an answer was given",
    "answer.changed": "an answer was changed or taken back",
    "question.withdrawn": "a question was withdrawn",
    "run.round": "a round of a run went on",
}
router = APIRouter()


@router.get("/webhooks")
def page(request: Request, me: Annotated[SignedIn, Depends(requires("administrator"))]) -> Response:
    """Show the webhooks and their last messages."""
    station = station_of(request)
    store = station.store.webhooks
    waiting = store.waiting()
    shown: list[dict[str, Any]] = [
        {"webhook": one, "waiting": waiting.get(one.id, 0), "messages": store.messages(one.id, limit=LAST).items}
        for one in store.list()
    ]
    events = [(name, WORDS[name]) for name in EVENTS]
    private = station.posting.allow_private
    return render(request, "webhooks/webhooks.html", page=PAGE, shown=shown, events=events, private=private)
