"""Pictures and clips of episodes, for every page that shows them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, RoboRlhfError, UnknownNameError
from teleop.station.library.entry import EpisodeKey
from teleop.station.media.clip_cache import CachedBytes
from teleop.station.media.file_responses import (
    KEPT,
    MOST_BYTES,
    REQUESTED,
    Content,
    GoneError,
    respond,
    unless_gone,
)
from teleop.station.media.films import NoPictureError
from teleop.station.media.media import TASK, CameraView, Media
from teleop.station.media.replayed import curves
from teleop.station.web.auth import station_of

router = APIRouter(prefix="/media")
LEFT = 499  # status of an answer that no client waits for any more
STATUS = {
    "broken": 410,
    "gone": 404,
    "outside": 422,
    "scene": 422,
    "whole": 422,
    "unseen": 422,
    "changed": 409,
}  # of a clip that cannot be shown
_BOTH = ["GET", "HEAD"]
_log = logging.getLogger("robo_rlhf.station")


@dataclass(frozen=True)
class Shot:
    """The parameters of every picture's address."""

    dataset: str
    episode: str
    camera: Annotated[str, Query(max_length=200)] = "front"
    width: int = 320
    trash: int = 0  # version in the trash; 0: the episode itself
    v: str = ""  # changes with the file, so that browsers can keep the picture for good


ShotQuery = Annotated[Shot, Depends()]
SceneName = Annotated[str, Query(max_length=200, pattern=f"^{TASK.pattern}$")]
_Draw = Callable[[Media, Path, CameraView], Awaitable[Content]]


@router.api_route("/poster", methods=_BOTH)
async def poster(request: Request, shot: ShotQuery) -> Response:
    """Send the thumbnail of an episode."""
    return await _picture(request, shot, lambda media, path, view: media.poster(path, view))


@router.api_route("/frame", methods=_BOTH)
async def frame(request: Request, shot: ShotQuery, frame: int = 0) -> Response:
    """Send one frame of an episode."""
    return await _picture(request, shot, lambda media, path, view: media.frame(path, view, frame))


@router.api_route("/hover", methods=_BOTH)
async def hover(request: Request, shot: ShotQuery) -> Response:
    """Send a short clip of all of an episode."""
    return await _clip(request, shot, lambda media, path, view: media.hover(path, view))


@router.api_route("/clip", methods=_BOTH)
async def clip(
    request: Request, shot: ShotQuery, start: int = 0, stop: int | None = None, download: bool = False
) -> Response:
    """Send frames [start, stop) of an episode as a clip, to be watched or to be saved."""
    file = f"{shot.episode}.mp4" if download else ""
    return await _clip(request, shot, lambda media, path, view: media.clip(path, view, start, stop, file=file))


@router.api_route("/recording", methods=_BOTH)
async def recording(request: Request, shot: ShotQuery) -> Response:
    """Send the video that a camera recorded, or the part of the file that a player asks for."""
    return await _clip(request, shot, lambda media, path, view: media.recording(path, view.camera), most=MOST_BYTES)


@router.api_route("/poses", methods=_BOTH)
async def poses(request: Request, shot: ShotQuery, start: int = 0, stop: int | None = None) -> Response:
    """Send the poses of frames [start, stop) of an episode, for pages that draw it themselves."""
    return await _clip(request, shot, lambda media, path, _: media.poses(path, start, stop))


@router.api_route("/seen", methods=_BOTH)
async def seen(request: Request, shot: ShotQuery, start: int = 0, stop: int = 1) -> Response:
    """Send what the policy of an episode saw at frames [start, stop): a row a frame, a column a camera."""
    return await _clip(request, shot, lambda media, path, _: media.seen(path, start, stop))


@router.get("/places")
async def places(request: Request, name: SceneName) -> dict[str, object]:
    """Return where a page gets a scene from that it draws live."""
    return await station_of(request).media.scenes.places(name)


@router.get("/scene")
async def scene(request: Request, name: SceneName, v: str = "") -> Response:
    """Send the description of a scene, which pages draw by poses."""
    return described(*await station_of(request).media.scenes.description(name), v, "application/json")


@router.get("/assets")
async def assets(request: Request, name: SceneName, v: str = "") -> Response:
    """Send the meshes and textures that a description points into."""
    return described(*await station_of(request).media.scenes.assets(name), v, "application/octet-stream")


def described(body: CachedBytes, digest: str, asked: str, kind: str) -> Response:
    """Return a file of a scene, compressed; browsers keep it for good where its address names its digest."""
    with closing(body):
        content = body.read(0, body.size)
    kept = KEPT if asked == digest else REQUESTED
    headers = {"cache-control": kept, "etag": f'"{digest}"', "vary": "accept-encoding"}
    return Response(content, 200, {**headers, "content-encoding": "gzip"} if content else headers, kind)


@router.api_route("/part", methods=_BOTH)
async def part(request: Request, shot: ShotQuery, frame: int = 0) -> Response:
    """Send the part of an episode that holds a frame; the header `x-frames` says which frames it is of."""
    found = range(0)

    async def draw(media: Media, path: Path, view: CameraView) -> Content:
        nonlocal found
        content, found = await media.part(path, view, frame)
        return content

    response = await _clip(request, shot, draw)
    if found:
        response.headers["x-frames"] = f"{found.start}-{found.stop}"
    return response


async def _picture(request: Request, shot: Shot, draw: _Draw) -> Response:
    """Send a picture; in the place of one that cannot be had, a picture that says why."""
    try:
        return await _sent(request, shot, draw)
    except NoPictureError as error:
        if error.code == "outside":
            drawing = await asyncio.to_thread(curves, _file(request, shot))
            return Response(drawing, 200, {"cache-control": "no-store", "x-picture": "curves"}, "image/svg+xml")
        return placeholder(str(error))


async def _clip(request: Request, shot: Shot, draw: _Draw, most: int | None = None) -> Response:
    """Send a clip; where it cannot be had, JSON that says why."""
    try:
        return await _sent(request, shot, draw, most)
    except NoPictureError as error:
        return JSONResponse({"error": str(error), "code": error.code}, STATUS.get(error.code, 503))


async def _sent(request: Request, shot: Shot, draw: _Draw, most: int | None = None) -> Response:
    """Draw and send.

    Raises:
        NoPictureError: it cannot be shown.
    """
    view = CameraView(shot.camera, shot.width)
    try:
        path = await asyncio.to_thread(_file, request, shot)
        content = await unless_gone(request, draw(station_of(request).media, path, view))
    except GoneError:
        return Response(status_code=LEFT)
    except (NotFoundError, FileNotFoundError):
        raise NoPictureError("gone", "This episode is not here any more.") from None
    except NoPictureError as error:
        if error.code == "broken" and not shot.trash:
            await asyncio.to_thread(_set_aside, request, shot, str(error))
            raise NoPictureError("broken", "The file of this episode was damaged; it was moved aside.") from error
        raise
    except (InvalidValueError, UnknownNameError):
        raise
    except (RoboRlhfError, RuntimeError) as error:
        _log.error("%s cannot be drawn", shot, exc_info=error)
        raise NoPictureError("drawing", "The drawing failed; the station's log says why. Try again.") from error
    return respond(request, content, immutable=bool(shot.v), most=most)


def _file(request: Request, shot: Shot) -> Path:
    index = station_of(request).library.index
    path = index.path(EpisodeKey(shot.dataset, shot.episode))
    return index.trash_path(EpisodeKey(shot.dataset, shot.episode), shot.trash) if shot.trash else path


def _set_aside(request: Request, shot: Shot, reason: str) -> None:
    station_of(request).library.index.set_aside(EpisodeKey(shot.dataset, shot.episode), reason)


def placeholder(reason: str) -> Response:
    """Return a picture of a camera crossed out, with the reason under it; its greys fit light and dark pages."""
    lines = wrap(reason, 44)[:4]
    top = 150 - 11 * len(lines)
    texts = "".join(
        f'<text x="160" y="{top + 34 + 22 * row}" text-anchor="middle">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240" width="320" height="240">'
        '<rect width="320" height="240" fill="#80848e" fill-opacity=".14"/>'
        f'<g transform="translate(160 {top - 24})" fill="none" stroke="#7c818b" stroke-width="3">'
        '<path d="M-26 -16h34v32h-34zM8 -6l18 -9v30l-18 -9"/><path d="M-30 24L28 -26" stroke-linecap="round"/></g>'
        '<g fill="#7c818b" font-family="system-ui, sans-serif" font-size="13">'
        f"{texts}</g></svg>"
    )
    return Response(drawing, 200, {"cache-control": "no-store", "x-picture": "none"}, "image/svg+xml")
