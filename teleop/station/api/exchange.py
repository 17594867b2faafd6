"""All feedback as files: export as a download, and import, all of it or nothing."""

import shutil
import struct
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from robo_rlhf.core.errors import BusyError, InvalidValueError
from robo_rlhf.core.files import make_folder, remove_tree, require_disk_space
from robo_rlhf.feedback.transfer.columns import FILES
from robo_rlhf.feedback.transfer.export import Format, export
from robo_rlhf.feedback.transfer.import_folder import ImportResult, import_all
from teleop.station.web.rest import BODY, Administrator, Answers, Body, Here, Name, Problem, Shape, Who, answers
from teleop.station.web.rest import router as make

PLACE = "cache/exchange"  # in the data home: what is being exported or imported
MOST_INSIDE = 2**30  # [bytes] of what is inside of a file that is imported
MOST_ROWS = 100_000  # in it; what is more is imported at the machine, or in parts
MOST_LISTED = 2**20  # [bytes] of a ZIP file's own list of what is inside
MAX_PROBLEMS = 1000  # problems of an import that are reported
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of the others a file itself says how much memory they take
ZIP = "application/zip"
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A ZIP file with one file a table",
        "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}
router = make("exchange")
_importing = threading.Lock()  # one at a time: each reads and writes as fast as it can


class ImportedShape(Shape):
    """The result of an import."""

    new: dict[str, int] = Field(description="File → rows that were imported.", examples=[{"answers": 120}])
    known: dict[str, int] = Field(description="File → rows that were there already, just so.")


class ImportProblemShape(Shape):
    """A row that cannot be imported."""

    file: str = Field(examples=["answers.jsonl"])
    line: int = Field(description="From 1; of a Parquet file, the row.")
    text: str = Field(description="What is wrong with it.")


class ImportRefused(Problem):
    """The reasons why nothing was imported."""

    problems: list[ImportProblemShape] = Field(
        default=[], description=f"The rows that are broken, at most {MAX_PROBLEMS:,}."
    )


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


class Import(Body):
    """The upload that is to be imported."""

    upload: Name = Field(description="A complete upload: a ZIP file as `export` makes it, with any of its files.")


@router.post(
    "/import",
    response_model=ImportedShape,
    responses=answers(*BODY, 404, 409)
    | {422: {"model": ImportRefused, "description": "Nothing was imported; it says why"}},
)
def take(store: Answers, station: Here, me: Administrator, who: Who, body: Import) -> Any:
    """Import feedback: all rows or none. Rows that are there already, just so, are passed over.

    All of it is checked before anything is written. The upload is deleted when it was imported.
    """
    upload = station.uploads.get(body.upload, me.person.name)
    if not _importing.acquire(blocking=False):
        raise BusyError("The import", "another one is running")
    place = _place(station.home)
    try:
        with station.uploads.whole(upload) as path:
            folder = _unpack(path, place / "feedback")
            found = import_all(store, folder, by=who, most_rows=MOST_ROWS, scratch=place)
    finally:
        _importing.release()
        remove_tree(place)
    if found.problems:
        return _refusal(found)
    station.uploads.remove(upload)
    return ImportedShape(new=dict(found.new), known=dict(found.known))


def _refusal(found: ImportResult) -> JSONResponse:
    faults = [ImportProblemShape(file=one.file, line=one.line, text=one.text) for one in found.problems[:MAX_PROBLEMS]]
    count = len(found.problems)
    text = f"{count:,} {'row is' if count == 1 else 'rows are'} broken. Nothing was imported."
    return JSONResponse(ImportRefused(error=text, code="import", problems=faults).model_dump(), 422)


def _place(home: Path) -> Path:
    make_folder(home / PLACE)
    return Path(tempfile.mkdtemp(dir=home / PLACE))


def _unpack(path: Path, folder: Path) -> Path:
    """Unpack the files of an export and nothing else.

    Raises:
        InvalidValueError: it is no ZIP file, a broken one, or one with too much inside.
        DiskFullError: there is no room for what is inside.
    """
    names = {f"{file.name}.{ending}" for file in FILES for ending in ("jsonl", "parquet")}
    make_folder(folder)
    try:
        _check_list(path)
        with zipfile.ZipFile(path) as found:
            inside = [one for one in found.infolist() if one.filename in names]
            size = sum(one.file_size for one in inside)
            if size > MOST_INSIDE or len({one.filename for one in inside}) < len(inside):
                raise InvalidValueError("file to import", f"{size:,} bytes inside", f"at most {MOST_INSIDE:,}")
            require_disk_space(folder, size)
            for one in inside:
                if one.compress_type not in METHODS:
                    raise zipfile.BadZipFile(f"{one.filename} is packed in a way that export does not use")
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


def _check_list(path: Path) -> None:
    """Check the length of the list of what is inside, which is read into memory as a whole.

    Raises:
        zipfile.BadZipFile: it is too long, or there is none.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - 42))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("File is not a zip file")
    (listed,) = struct.unpack_from("<I", tail, end + 12)
    if listed > MOST_LISTED or tail[max(0, end - 20) : end].startswith(b"PK\6\7"):
        raise zipfile.BadZipFile("it lists too many files")
