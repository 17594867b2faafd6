"""The description of the REST API: OpenAPI for programs, and a page for people."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from teleop.station.api_docs.openapi import ABOUT, description, groups
from teleop.station.web.auth import Me
from teleop.station.web.markdown import as_html
from teleop.station.web.pages import Page
from teleop.station.web.rest import PREFIX
from teleop.station.web.templates import render

PAGE = Page("api_docs", "API", f"{PREFIX}/docs", order=13, group="team", role="operator")
router = APIRouter(prefix=PREFIX)


@router.get("/openapi.json")
def openapi(me: Me) -> dict[str, Any]:
    """Return the description of the API."""
    return description()


@router.get("/docs")
def docs(request: Request, me: Me) -> Response:
    """Show the description of the API."""
    return render(request, "api_docs/api_docs.html", page=PAGE, groups=groups(), about=as_html(ABOUT))
