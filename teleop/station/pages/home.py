"""Home: what to do next, and what was done last."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from teleop.station.auth import Me
from teleop.station.pages import Page
from teleop.station.rendering import render

PAGE = Page("home", "Home", "/", order=0)
router = APIRouter()


@router.get("/")
def home(request: Request, me: Me) -> Response:
    """Show the page."""
    return render(request, "home.html")
