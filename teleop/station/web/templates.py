"""Templates and static files: `render`, and addresses of static files that change with their content."""

import asyncio
import gzip
import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from robo_rlhf import __version__
from teleop.station.web.auth import SignedIn, session_cookie
from teleop.station.web.formatting import FILTERS
from teleop.station.web.pages import GROUPS, STATION, Page, pages
from teleop.station.web.security import csrf_of

CHECK_EVERY = 1.0  # [s] between two looks whether static files have changed
FOREVER = "public, max-age=31536000, immutable"
SMALL = 1024  # [bytes] below which a file is sent as it is
MOST_PACKED = 400  # files that are kept compressed; there are about 150

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(STATION), autoescape=True, undefined=jinja2.StrictUndefined
)
_environment.filters.update(FILTERS)
_templates = Jinja2Templates(env=_environment)


class _Version:
    """The version in the addresses of static files, and when it was made."""

    text = ""
    checked = 0.0  # [s] on the monotonic clock


def is_static(path: str) -> bool:
    """Whether browsers may have a file of the station's folder: a script, a style or an icon."""
    return path.endswith((".js", ".css", ".svg"))


def static_version() -> str:
    """Return what changes whenever a static file does; it is part of their addresses."""
    if not _Version.text or time.monotonic() - _Version.checked > CHECK_EVERY:
        digest = hashlib.sha256()
        for folder, folders, files in os.walk(STATION):
            folders.sort()
            for name in sorted(filter(is_static, files)):
                status = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {status.st_mtime_ns} {status.st_size}\n".encode())
        _Version.text, _Version.checked = digest.hexdigest()[:12], time.monotonic()
    return _Version.text


def static_url(path: str) -> str:
    """Return the address of a static file, such as shared/api.js."""
    return f"/static/{static_version()}/{path}"


def navigation(me: SignedIn | None) -> list[Page]:
    """Return the pages of a user's navigation."""
    if me is None:
        return []
    return [page for page in pages() if page.order is not None and me.person.may(page.role)]


class PageGroup(NamedTuple):
    """A word of the bar of pages."""

    title: str
    path: str  # of its first page
    current: bool
    pages: list[Page]  # that the user may see


def bar_of(me: SignedIn | None, here: Page | None) -> list[PageGroup]:
    """Return the bar of pages: a few words, and below the one that the user is at, its pages."""
    found = []
    for group, title in GROUPS.items():
        inside = [page for page in navigation(me) if page.group == group]
        if inside:
            found.append(PageGroup(title, inside[0].path, here is not None and here.group == group, inside))
    return found


def render(request: Request, template: str, *, status: int = 200, page: Page | None = None, **context: Any) -> Response:
    """Return a page.

    Args:
        request: what asked for it.
        template: its file below the folder of the station, such as operate/operate.html.
        status: of the answer.
        page: marks the entry in the navigation; found by the path where None.
        context: what the template gets. `data`, a JSON object, reaches scripts through `pageData()` of shared/api.js.
    """
    me = getattr(request.state, "me", None)
    here = page or next((page for page in pages() if page.path == request.url.path), None)
    context.setdefault("data", {})
    shared = {
        "me": me,
        "page": here,
        "bar": bar_of(me, here),
        "csrf": csrf_of(session_cookie(request)),
        "static": static_url,
        "version": __version__,
    }
    return _templates.TemplateResponse(request, template, {**shared, **context}, status_code=status)


@lru_cache(MOST_PACKED)
def _packed(path: Path, changed: int) -> bytes:
    """Return a file compressed, as it was when it was `changed` [ns]."""
    return gzip.compress(path.read_bytes(), 6, mtime=0)


class VersionedFiles(StaticFiles):
    """Scripts, styles and icons of the pages, under /static/VERSION/; browsers keep those of today's version.

    They are sent compressed to all who take it, which browsers do.
    """

    def __init__(self) -> None:
        """Serve what `is_static` allows of the folders of the station."""
        super().__init__(directory=STATION)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file that `path` names after its version."""
        version, _, name = path.partition("/")
        if not is_static(name):
            raise HTTPException(404)
        response = await super().get_response(name, scope)
        response.headers["cache-control"] = FOREVER if version == static_version() else "no-cache"
        response.headers["vary"] = "accept-encoding"
        asked = Headers(scope=scope)
        takes = "gzip" in asked.get("accept-encoding", "") and "range" not in asked and scope["method"] == "GET"
        if not takes or not isinstance(response, FileResponse) or response.stat_result is None:
            return response
        if response.stat_result.st_size < SMALL:
            return response
        content = await asyncio.to_thread(_packed, Path(response.path), response.stat_result.st_mtime_ns)
        kept = {name: response.headers[name] for name in ("cache-control", "vary", "last-modified", "content-type")}
        etag = response.headers["etag"].removesuffix('"') + '-gzip"'
        return Response(content, 200, {**kept, "content-encoding": "gzip", "etag": etag})
