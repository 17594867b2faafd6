"""All feedback as files: export as a download, and import, all of it or nothing."""

import asyncio
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from robo_rlhf.errors import InvalidValueError
from robo_rlhf.feedback.accounts import By
from robo_rlhf.feedback.columns import FILES
from robo_rlhf.feedback.export import Format, export
from robo_rlhf.feedback.importing import Imported, import_all
from robo_rlhf.feedback.store import Store
from robo_rlhf.files import make_folder, remove_tree, require_room
from teleop.station.rest import BODY, Administrator, Answers, Here, Problem, Shape, Who, answers
from teleop.station.rest import router as make

PLACE = "cache/exchange"  # in the data home: what is being exported or imported
MOST_SENT = 2 * 2**30  # [bytes] of a file that is imported
MOST_INSIDE = 8 * 2**30  # [bytes] of what is inside of it
TOLD = 1000  # problems of an import that are told
ZIP = "application/zip"
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A ZIP file with one file a table",
        "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}
router = make("exchange")


class ImportedShape(Shape):
    """What became of an import."""

    new: dict[str, int] = Field(description="File → rows that were imported.", examples=[{"answers": 120}])
    known: dict[str, int] = Field(description="File → rows that were there already, just so.")


class Fault(Shape):
    """A row that cannot be imported."""

    file: str = Field(examples=["answers.jsonl"])
    line: int = Field(description="From 1; of a Parquet file, the row.")
    text: str = Field(description="What is wrong with it.")


class Refused(Problem):
    """Why nothing was imported."""

    problems: list[Fault] = Field(default=[], description=f"The rows that are broken, at most {TOLD:,}.")


@router.get(
    "/export",
    response_class=FileResponse,
    responses=FILE | answers(507),
)
def download(
    store: Answers,
    station: Here,
    _: Administrator,
    who: Who,
    format: Annotated[Format, Query(description="JSON Lines, or Parquet.")] = "jsonl",
) -> Response:
    """Download all feedback as it is at one instant: a ZIP file, in which each table is a file."""
    place = _place(station.home)
    try:
        export(store, place / "feedback", format, by=who)
        method = zipfile.ZIP_DEFLATED if format == "jsonl" else zipfile.ZIP_STORED
        with zipfile.ZipFile(place / "feedback.zip", "w", method, compresslevel=3) as out:
            for path in sorted((place / "feedback").iterdir()):
                out.write(path, path.name)
    except BaseException:
        remove_tree(place)
        raise
    name = f"feedback-{format}.zip"
    done = BackgroundTask(remove_tree, place)
    return FileResponse(place / "feedback.zip", media_type=ZIP, filename=name, background=done)


@router.post(
    "/import",
    response_model=ImportedShape,
    responses=answers(*BODY, 415) | {422: {"model": Refused, "description": "Nothing was imported; the rows say why"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A ZIP file as `export` makes it: any of its files, as .jsonl or .parquet.",
            "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(request: Request, store: Answers, station: Here, _: Administrator, who: Who) -> Any:
    """Import feedback: all rows or none. Rows that are there already, just so, are passed over."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != ZIP:
        raise HTTPException(415, f"Send a ZIP file, with the header Content-Type: {ZIP}. Nothing was changed.")
    place = await asyncio.to_thread(_place, station.home)
    try:
        await _receive(request, place / "sent.zip")
        found = await asyncio.to_thread(_take, store, place, who)
    finally:
        await asyncio.to_thread(remove_tree, place)
    if found.problems:
        return _refusal(found)
    return ImportedShape(new=dict(found.new), known=dict(found.known))


def _refusal(found: Imported) -> JSONResponse:
    faults = [Fault(file=one.file, line=one.line, text=one.text) for one in found.problems[:TOLD]]
    count = len(found.problems)
    text = f"{count:,} {'row is' if count == 1 else 'rows are'} broken. Nothing was imported."
    return JSONResponse(Refused(error=text, code="import", problems=faults).model_dump(), 422)


def _take(store: Store, place: Path, who: By) -> Imported:
    return import_all(store, _unpack(place / "sent.zip", place / "feedback"), by=who)


def _place(home: Path) -> Path:
    make_folder(home / PLACE)
    return Path(tempfile.mkdtemp(dir=home / PLACE))


async def _receive(request: Request, path: Path) -> None:
    taken = 0
    with path.open("wb") as out:
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > MOST_SENT:
                raise HTTPException(413, f"The file is longer than {MOST_SENT:,} bytes. Nothing was imported.")
            await asyncio.to_thread(out.write, chunk)
    require_room(path.parent, taken)


def _unpack(path: Path, folder: Path) -> Path:
    """Unpack the files of an export and nothing else.

    Raises:
        InvalidValueError: it is no ZIP file, a broken one, or one with too much inside.
        DiskFullError: there is no room for what is inside.
    """
    names = {f"{file.name}.{ending}" for file in FILES for ending in ("jsonl", "parquet")}
    make_folder(folder)
    try:
        with zipfile.ZipFile(path) as found:
            inside = [one for one in found.infolist() if one.filename in names]
            size = sum(one.file_size for one in inside)
            if size > MOST_INSIDE or len({one.filename for one in inside}) < len(inside):
                raise InvalidValueError("file to import", f"{size:,} bytes inside", f"at most {MOST_INSIDE:,}")
            require_room(folder, size)
            for one in inside:
                with found.open(one) as source, (folder / one.filename).open("wb") as out:
                    shutil.copyfileobj(source, out, 2**20)  # never more than `file_size`: else it is a broken one
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InvalidValueError(
            "file to import", str(error) or "a broken one", "a ZIP file as export makes it"
        ) from error
    if not any(folder.iterdir()):
        expected = f"any of {', '.join(file.name for file in FILES)}, as .jsonl or .parquet"
        raise InvalidValueError("file to import", "none of the files of an export", expected)
    return folder
