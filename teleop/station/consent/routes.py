"""The consent page: the text of the team, agreeing to it, and writing it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.feedback.rights.consent import LONGEST_CONSENT
from teleop.station.web.auth import InPerson, Me, SignedIn, principal_of, requires, station_of
from teleop.station.web.markdown import as_html
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("consent", "Consent", "/consent")
router = APIRouter()
Administrator = Annotated[SignedIn, Depends(requires("administrator"))]


class GivenConsent(BaseModel):
    """A person agrees."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=1, lt=2**63)]  # of the text that was read


class NewConsentText(BaseModel):
    """A new version of the text; an empty one asks nobody any more."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(max_length=LONGEST_CONSENT)]


@router.get("/consent")
def page(request: Request, me: Me, next: str = "/review") -> Response:
    """Show the text that holds; `next`: where to go on afterwards, on this station."""
    consents = station_of(request).store.consents
    found = consents.current()
    given = {number: at for number, at in consents.given(me.person.name)}
    return render(
        request,
        "consent/consent.html",
        found=found,
        html=as_html(found.text) if found is not None else "",
        given=given.get(found.number, "") if found is not None else "",
        may_write=me.person.may("administrator"),
        longest=LONGEST_CONSENT,
        data={
            "number": found.number if found else 0,
            "next": next if next.startswith("/") and next[1:2] != "/" else "/",
        },
    )


@router.post("/api/consent")
def agree(request: Request, body: GivenConsent, here: InPerson) -> dict[str, int]:
    """Agree to the text that holds."""
    station_of(request).store.consents.agree(here[0].person.name, body.number)
    return {"agreed": body.number}


@router.post("/api/consent/text")
def write(request: Request, body: NewConsentText, me: Administrator) -> dict[str, Any]:
    """Write a new version, to which everybody has to agree before the next question."""
    return {"number": station_of(request).store.consents.write(body.text, principal_of(request)).number}
