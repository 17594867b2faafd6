"""The exports page: what is written in formats of the field, how far it is, and the results to take away."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import open_whole
from robo_rlhf.formats.kinds import FORMATS
from teleop.station.exports.jobs import ExportJob
from teleop.station.library.zip_download import pack_tree
from teleop.station.media.clip_cache import CachedBytes
from teleop.station.media.file_responses import Content, respond
from teleop.station.web.auth import SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("exports", "Exports", "/exports", order=4, group="library", role="operator")
MOST_EPISODES, MOST_CAMERAS = 100_000, 20
router = APIRouter()
Exporter = Annotated[SignedIn, Depends(requires("operator"))]
Id = Annotated[str, Field(max_length=128)]


class NewExport(BaseModel):
    """Episodes of a dataset, in a format."""

    model_config = ConfigDict(extra="forbid")
    dataset: Annotated[str, Field(min_length=1, max_length=200)]
    episodes: list[Id] = Field(min_length=1, fail_fast=True, max_length=MOST_EPISODES)
    format: Annotated[str, Field(min_length=1, max_length=40)]
    cameras: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=MOST_CAMERAS)
    size: Annotated[int, Field(ge=16, le=4096)] | None = None


class ExportName(BaseModel):
    """One export."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=300)]


@router.get("/exports")
def page(request: Request, me: Exporter) -> Response:
    """Show the exports; the page's script asks how far they are."""
    return render(request, "exports/exports.html", page=PAGE, data={"folder": "exports"})


@router.get("/api/exports")
def exports(request: Request, me: Exporter) -> dict[str, Any]:
    """Return every export, the newest first."""
    station = station_of(request)
    return {"exports": [_row(job, station.outward(job.request.error)) for job in station.exports.jobs()]}


@router.post("/api/exports")
def start(request: Request, body: NewExport, me: Exporter) -> dict[str, Any]:
    """Queue an export; what cannot be written is refused here."""
    if body.format not in FORMATS:
        raise InvalidValueError("format", repr(body.format), f"one of {', '.join(FORMATS)}")
    station = station_of(request)
    ids = list(dict.fromkeys(body.episodes))
    made = station.exports.start(me.person.name, body.dataset, ids, body.format, body.cameras, body.size)
    about = f"{len(ids):,} of {body.dataset} as {body.format}: {made.name}"
    station.people.audit.write(principal_of(request), "episodes exported", about)
    return {"name": made.name}


@router.post("/api/exports/delete")
def delete(request: Request, body: ExportName, me: Exporter) -> dict[str, bool]:
    """Stop an export, and delete what it made."""
    station_of(request).exports.delete(body.name)
    return {"deleted": True}


@router.get("/exports/download/{name}")
def download(request: Request, name: str, me: Exporter) -> Response:
    """Send the result: a file as it is, a folder as a ZIP file that is made while it is sent."""
    place = station_of(request).exports.result(name)
    if place.is_dir():
        safe = re.sub(r"[^A-Za-z0-9_.-]", "-", place.name)
        headers = {"content-disposition": f'attachment; filename="{safe}.zip"'}
        return StreamingResponse(pack_tree(place), headers=headers, media_type="application/zip")
    version = f"{place.name}-{place.stat().st_mtime_ns:x}"
    return respond(
        request, Content(CachedBytes(open_whole(place, "")), "application/octet-stream", version, place.name)
    )


def _row(job: ExportJob, error: str) -> dict[str, Any]:
    request = job.request
    return {
        "name": request.name,
        "place": request.place,
        "dataset": request.dataset,
        "episodes": len(request.ids),
        "format": request.form,
        "cameras": request.cameras,
        "person": request.person,
        "asked": request.asked,
        "state": job.state,
        "what": job.progress.what,
        "done": job.progress.done,
        "total": job.progress.total,
        "error": error,
    }
