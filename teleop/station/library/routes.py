"""The library: all recordings, to browse, play, cut, tag and download."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError, VersionError
from robo_rlhf.core.files import open_whole
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.feedback.implicit.keeping import of_episode, restore, take_back
from robo_rlhf.feedback.judgeable import check_questions
from robo_rlhf.feedback.recorded_pairs import pairs_among, questions_about
from robo_rlhf.formats.kinds import FORMATS
from teleop.station.library import statistics, zip_download
from teleop.station.library.edits import LONGEST_NOTE, OUTCOMES, EditResult, Library
from teleop.station.library.entry import EpisodeEntry, EpisodeKey
from teleop.station.library.filters import Query
from teleop.station.library.index import gone
from teleop.station.library.keys import KEYS
from teleop.station.library.signals import signals_of
from teleop.station.media.clip_cache import CachedBytes
from teleop.station.media.file_responses import Content, respond
from teleop.station.media.media import TASK, WIDTHS
from teleop.station.web.auth import Me, SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page(
    "library",
    "Library",
    "/library",
    order=3,
    group="library",
    about="Watch what was recorded from any camera, cut it, tag it, and resume from any frame.",
    call="Look through",
    key="KeyL",
)
ON_A_PAGE, MOST_ON_A_PAGE = 48, 200
MOST_COMPARED = 12  # episodes of one comparison, every two of which are a question
COMPARED = "compared"  # of the names under which such questions are asked
MOST_AT_ONCE = 500  # episodes of one change; a page sends more in several
SHORT_NOTE = 160  # [characters] of a note in a list
router = APIRouter()
Name = Annotated[str, Field(max_length=128)]
Editor = Annotated[SignedIn, Depends(requires("operator"))]
SAYS = ("outcome", "trim", "delete", "restore", "purge")  # edits that change what rewinds and takeovers say
LOGGED = {"delete": "episodes deleted", "restore": "episodes restored", "purge": "episodes purged"}


class EpisodeBody(BaseModel):
    """An episode."""

    model_config = ConfigDict(extra="forbid")
    dataset: str = Field(max_length=200)
    episode: str = Field(max_length=128)

    @property
    def key(self) -> EpisodeKey:
        """An episode's row of the index."""
        return EpisodeKey(self.dataset, self.episode)


class EpisodesBody(BaseModel):
    """Episodes."""

    model_config = ConfigDict(extra="forbid")
    episodes: list[EpisodeBody] = Field(min_length=1, fail_fast=True, max_length=20_000)


class EpisodesChange(BaseModel):
    """The edit of episodes."""

    model_config = ConfigDict(extra="forbid")
    act: Literal["tag", "untag", "note", "outcome", "trim", "delete", "restore", "purge"]
    episodes: list[EpisodeBody] = Field(min_length=1, fail_fast=True, max_length=MOST_AT_ONCE)
    tags: list[Annotated[str, Field(max_length=400)]] = Field(default=[], fail_fast=True, max_length=20)
    note: str = Field(default="", max_length=10 * LONGEST_NOTE)
    was: str | None = Field(default=None, max_length=10 * LONGEST_NOTE)
    outcome: str = Field(default="", max_length=40)
    start: int = 0
    stop: int = 0


class ComparedEpisodes(BaseModel):
    """Episodes of a dataset that are compared with each other."""

    model_config = ConfigDict(extra="forbid")
    dataset: str = Field(max_length=200)
    episodes: list[Annotated[str, Field(max_length=128)]] = Field(
        min_length=2, fail_fast=True, max_length=MOST_COMPARED
    )
    axes: bool = False  # along those of the task, each by itself


class PreferenceChange(BaseModel):
    """What becomes of a preference that follows from a rewind or takeover."""

    model_config = ConfigDict(extra="forbid")
    act: Literal["take_back", "restore"]
    question: str = Field(max_length=64)


@router.get("/library")
@router.get("/library/episode/{dataset:path}/{episode}")
async def page(request: Request, me: Me, dataset: str = "", episode: str = "") -> Response:
    """Show the grid, or an episode above it; the rest of the address is read by the page's script."""
    data = {
        "mayEdit": me.person.may("operator"),
        "keys": [asdict(binding) for binding in KEYS],
        "outcomes": OUTCOMES,
        "widths": WIDTHS,
        "onAPage": ON_A_PAGE,
        "atOnce": MOST_AT_ONCE,
        "formats": {name: FORMATS[name].title for name in FORMATS if FORMATS[name].pictures},
        "mostCompared": MOST_COMPARED,
    }
    return render(request, "library/library.html", page=PAGE, data=data)


@router.get("/library/trash")
async def trash_page(request: Request, me: Me) -> Response:
    """Show what was deleted."""
    data = {"mayEdit": me.person.may("operator"), "atOnce": MOST_AT_ONCE}
    return render(request, "library/trash.html", page=PAGE, data=data)


@router.get("/library/statistics")
async def statistics_page(request: Request, me: Me) -> Response:
    """Show the statistics of the episodes that fit the query string."""
    return render(request, "library/statistics.html", page=PAGE)


@router.get("/api/library/statistics")
def statistics_of(request: Request) -> dict[str, Any]:
    """Return the charts of the episodes that fit the query string, and how much of them is still being read."""
    library = station_of(request).library
    query = Query.parse(request.query_params)
    progress = library.index.refresh()
    entries = library.select(query).entries
    known = library.facts.of(entries)
    return {
        "summary": statistics.summary(entries),
        "charts": statistics.charts(entries, known.facts) if entries else [],
        "missing": known.missing + progress.total - progress.done,
        "total": len(entries) + progress.total - progress.done,
    }


@router.get("/api/library/episodes")
def episodes(request: Request, offset: int = 0, limit: int = ON_A_PAGE) -> dict[str, Any]:
    """Return a page of the episodes that fit the query string, and the values of the facets."""
    library = station_of(request).library
    query = Query.parse(request.query_params)
    progress = library.index.refresh()
    found = library.select(query)
    offset = max(offset, 0)
    shown = found.entries[offset : offset + max(1, min(limit, MOST_ON_A_PAGE))]
    return {
        "total": len(found.entries),
        "all": progress.done,
        "reading": None if progress.done == progress.total else progress._asdict(),
        "offset": offset,
        "items": [_item(library, entry) for entry in shown],
        "facets": found.facets,
        "aside": library.index.problems[-3:],
        "trash": library.trash_count(),
    }


@router.get("/api/library/keys")
def keys(request: Request) -> dict[str, Any]:
    """Return which episodes fit the query string, all of them, in order: to select them all."""
    found = station_of(request).library.select(Query.parse(request.query_params))
    return {"episodes": [list(entry.key) for entry in found.entries]}


@router.get("/api/library/episode")
def episode(request: Request, dataset: str, episode: str) -> dict[str, Any]:
    """Return all that a player shows of an episode, and those before and after it among what fits the query string."""
    library = station_of(request).library
    key = EpisodeKey(dataset, episode)
    library.index.refresh()
    try:
        entry = library.index.get(key)
        timeline = library.timeline(key)
    except (CorruptFileError, FileNotFoundError) as error:
        raise gone(key) from error
    asked = {name: request.query_params.getlist(f"in_{name}") for name in Query.__dataclass_fields__}
    return {
        **_item(library, entry, whole=True),
        "timeline": timeline,
        "place": library.place(key, Query.parse(_Params(asked))),
        "preferences": [one._asdict() for one in of_episode(station_of(request).store, dataset, episode)],
    }


@router.get("/api/library/signals")
def signals(request: Request, dataset: str, episode: str) -> dict[str, Any]:
    """Return the curves of an episode: its action, gripper, force and reward over its steps."""
    key = EpisodeKey(dataset, episode)
    try:
        return signals_of(station_of(request).library.index.path(key))
    except (CorruptFileError, VersionError, FileNotFoundError) as error:
        raise gone(key) from error


@router.post("/api/library/preference")
def preference(request: Request, body: PreferenceChange, me: Editor) -> dict[str, Any]:
    """Take back what a rewind or takeover says, or let it stand again; logged with the user's name."""
    station, by = station_of(request), principal_of(request)
    if body.act == "take_back":
        take_back(station.store, body.question, by.name)
    else:
        restore(station.store, body.question)
    station.people.audit.write(
        by, f"preference {'taken back' if body.act == 'take_back' else 'restored'}", body.question
    )
    return {"done": True}


@router.get("/api/library/cameras")
async def cameras(request: Request, task: str) -> dict[str, Any]:
    """Return the cameras of a task, each with the position of a free camera in its place; without one if recorded."""
    recorded = await asyncio.to_thread(station_of(request).library.recorded_cameras, task)
    if recorded:
        return {"cameras": dict.fromkeys(recorded)}
    if not TASK.fullmatch(task) or len(task) > 100:
        raise InvalidValueError("task", repr(task[:100]), "the name of a task")
    return {"cameras": await station_of(request).media.cameras(task)}


@router.post("/api/library/change")
def change(request: Request, body: EpisodesChange, me: Editor) -> dict[str, Any]:
    """Change episodes; an error with one does not stop the others."""
    library = station_of(request).library
    wanted = [which.key for which in body.episodes]
    done = _change(library, body, wanted)
    library.index.refresh()
    if body.act in SAYS:
        for dataset in {one.key.dataset for one in done if not one.error}:
            station_of(request).implicit.look(dataset)
    names = [f"{one.key.dataset}/{one.key.episode}" for one in done if not one.error]
    if body.act in LOGGED and names:
        about = f"{len(names):,}: {', '.join(names)}"
        station_of(request).people.audit.write(principal_of(request), LOGGED[body.act], about)
    return {
        "done": [{**done_one.key._asdict(), "new": done_one.new} for done_one in done if not done_one.error],
        "failed": [{**failed.key._asdict(), "error": failed.error} for failed in done if failed.error],
    }


@router.post("/api/library/compare")
def compare(request: Request, body: ComparedEpisodes, me: Editor) -> dict[str, Any]:
    """Ask about every two of some episodes; return the run that the questions belong to."""
    station = station_of(request)
    reader = Reader(require_dataset(station.home, body.dataset))
    pairs = pairs_among([info for info in reader.list() if info.length], body.episodes)
    run = f"{COMPARED}-{1 + sum(name.startswith(f'{COMPARED}-') for name in station.store.runs())}"
    asked = questions_about(pairs, body.dataset, run, 1, station.store.tasks.axes if body.axes else None)
    check_questions(station.home, asked)
    station.store.add_questions(asked)
    station.people.audit.write(principal_of(request), "questions asked", f"{run}: {len(asked)} about {body.dataset}")
    return {"run": run, "count": len(asked)}


@router.get("/api/library/trash")
def trash(request: Request, me: Me) -> dict[str, Any]:
    """Return the episodes in the trash."""
    items = [
        {
            **item.key._asdict(),
            "version": item.version,
            "versions": item.versions,
            "size": item.size,
            "since": item.since,
            "task": item.meta.task if item.meta else "",
            "outcome": item.meta.outcome if item.meta else "",
            "operator": item.meta.operator if item.meta else "",
            "seconds": item.steps * item.meta.control_dt if item.meta else 0.0,
            "damaged": item.meta is None,
        }
        for item in station_of(request).library.trash()
    ]
    return {"items": items}


@router.get("/library/download")
async def download(request: Request, dataset: str, episode: str) -> Response:
    """Send the file of an episode."""
    key = EpisodeKey(dataset, episode)
    index = station_of(request).library.index
    try:
        entry = await asyncio.to_thread(index.get, key)
        body = await asyncio.to_thread(lambda: CachedBytes(open_whole(index.path(key), "")))
    except (FileNotFoundError, CorruptFileError) as error:
        raise gone(key) from error
    kind = "application/vnd.apache.parquet"
    return respond(request, Content(body, kind, f"{episode}-{entry.version}", f"{episode}.parquet"))


@router.post("/api/library/zip")
def pack(request: Request, body: EpisodesBody, me: Me) -> dict[str, Any]:
    """Return the address of a ZIP file of episodes, good for some minutes."""
    library = station_of(request).library
    ticket = library.tickets.issue([which.key for which in body.episodes], me.person.id)
    return {"address": f"/library/zip/{ticket}"}


@router.get("/library/zip/{ticket}")
def unpack(request: Request, ticket: str, me: Me) -> Response:
    """Send the ZIP file, made while it is sent."""
    library = station_of(request).library
    wanted = library.tickets.find(ticket, me.person.id)
    if wanted is None:
        raise NotFoundError("download", ticket, "Its address is good for ten minutes; choose the episodes again.")
    headers = {"content-disposition": f'attachment; filename="{zip_download.file_name(wanted)}"'}
    return StreamingResponse(zip_download.pack(library.index, wanted), headers=headers, media_type="application/zip")


def _change(library: Library, body: EpisodesChange, wanted: list[EpisodeKey]) -> list[EditResult]:
    match body.act:
        case "tag":
            return library.tag(wanted, body.tags)
        case "untag":
            return library.untag(wanted, body.tags)
        case "note":
            return [library.note(wanted[0], body.note, body.was)]
        case "outcome":
            return library.set_outcome(wanted, body.outcome)
        case "trim":
            return [library.trim(wanted[0], body.start, body.stop)]
        case "delete":
            return library.delete(wanted)
        case "restore":
            return library.restore(wanted)
        case "purge":
            return library.purge(wanted)


class _Params(dict[str, list[str]]):
    """A parsed query string."""

    def getlist(self, key: str) -> list[str]:
        return self.get(key, [])


def _item(library: Library, entry: EpisodeEntry, *, whole: bool = False) -> dict[str, Any]:
    """Return an episode as a page shows it; `whole`: with all of its note and where it came from."""
    meta = entry.meta
    item = {
        **entry.key._asdict(),
        "v": entry.version,
        "task": meta.task,
        "outcome": meta.outcome,
        "operator": meta.operator,
        "device": meta.device,
        "started": entry.started,
        "seconds": round(entry.seconds, 3),
        "steps": entry.steps,
        "sources": entry.sources,
        "tags": meta.tags,
        "note": meta.note if whole else meta.note[:SHORT_NOTE],
        "ships": library.index.ships(entry.key.dataset),
    }
    if whole:
        item |= {
            "seed": meta.seed,
            "dt": meta.control_dt,
            "parent": meta.parent,
            "parentStep": meta.parent_step,
            "trimmed": meta.trimmed,
            "size": entry.signature[2],
            "versions": dict(meta.versions),
        }
    return item
