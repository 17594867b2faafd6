"""The home page: the next things to do, and the latest recordings and runs."""

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from teleop.input.key_bindings import Binding
from teleop.station.web.auth import Me, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import navigation, render

PAGE = Page("home", "Home", "/", order=0)
DATASETS, RUNS = 6, 8  # shown at most
HELP = Binding("help", "All keys", "page", ("Slash", "F1"), act="help")
router = APIRouter()


@router.get("/")
def home(request: Request, me: Me) -> Response:
    """Show the page."""
    station = station_of(request)
    entries = [page.for_role(me.person.role) for page in navigation(me)]
    invitations = [(page, page.news(request) if page.news else "") for page in entries if page.about]
    if not me.person.may("operator"):
        invitations.sort(key=lambda invitation: not invitation[1])  # the questions that wait for annotators come first
    datasets, dataset_count = station.overview.datasets(DATASETS)
    runs, run_count = station.overview.runs(RUNS)
    keys = [Binding(page.name, page.call or page.title, "page", (page.key,), act="go") for page in entries if page.key]
    data = {
        "keys": [asdict(binding) for binding in (*keys, HELP)],
        "paths": {page.name: page.path for page in entries},
    }
    return render(
        request,
        "home/home.html",
        data=data,
        invitations=invitations,
        datasets=datasets,
        dataset_count=dataset_count,
        runs=runs,
        run_count=run_count,
        paths=data["paths"],
        untouched=not runs and all(dataset.ships for dataset in datasets),
    )
