"""The description of the REST API: OpenAPI for programs, and a page of our own for people."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from teleop.station.auth import Me
from teleop.station.describing import ABOUT, description, groups
from teleop.station.guidelines import as_html
from teleop.station.pages import Page
from teleop.station.rendering import render
from teleop.station.rest import PREFIX

PAGE = Page("api_docs", "API", f"{PREFIX}/docs")
router = APIRouter(prefix=PREFIX)


@router.get("/openapi.json")
def openapi(me: Me) -> dict[str, Any]:
    """Return the description of the API."""
    return description()


@router.get("/docs")
def docs(request: Request, me: Me) -> Response:
    """Show the description of the API."""
    return render(request, "api_docs.html", page=PAGE, groups=groups(), about=as_html(ABOUT))
