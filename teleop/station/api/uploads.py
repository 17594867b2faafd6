"""Uploads: files that are sent in pieces, to be imported when they are complete."""

from typing import Annotated

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from teleop.station.web import uploads
from teleop.station.web.limits import MOST_PIECE
from teleop.station.web.rest import BODY, Administrator, Body, Here, InPath, Items, Shape, answers
from teleop.station.web.rest import router as make

BYTES = "application/octet-stream"
router = make("uploads")


class NewUpload(Body):
    """A file that will be sent."""

    bytes: Annotated[int, Field(ge=1, le=uploads.MOST, description="Its length.", examples=[48213])]


class UploadShape(Shape):
    """A file that is being sent."""

    id: str
    bytes: int = Field(description="Size of the complete file [bytes].")
    received: int = Field(description="Bytes that are here: send what follows, with this as the offset.")


class UploadItems(Items[UploadShape]):
    """Your files that are not used yet."""


@router.get("/uploads", responses=answers())
def list_uploads(station: Here, me: Administrator) -> UploadItems:
    """List your uploads that were not used yet. They are kept for a day after their last piece."""
    return UploadItems.model_validate({"items": station.uploads.of(me.person.name)})


@router.post("/uploads", status_code=201, responses=answers(*BODY))
def begin(station: Here, me: Administrator, body: NewUpload) -> UploadShape:
    """Begin to send a file. A person may have four that were not used yet, with 1 GiB together."""
    return UploadShape.model_validate(station.uploads.begin(me.person.name, body.bytes))


@router.get("/uploads/{upload}", responses=answers(404))
def show(upload: InPath, station: Here, me: Administrator) -> UploadShape:
    """Return how many bytes have arrived: after a lost connection, resume there."""
    return UploadShape.model_validate(station.uploads.get(upload, me.person.name))


@router.patch(
    "/uploads/{upload}",
    responses=answers(*BODY, 404, 409),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": f"The next bytes, unencoded: at most {MOST_PIECE:,} bytes.",
            "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def append(
    request: Request,
    upload: InPath,
    station: Here,
    me: Administrator,
    offset: Annotated[int, Query(ge=0, lt=2**63, description="What was `received` before.")] = 0,
) -> UploadShape:
    """Send a piece. When this returns it is on the disk."""
    found = station.uploads.get(upload, me.person.name)
    return UploadShape.model_validate(await station.uploads.append(found, offset, request.stream()))


@router.delete("/uploads/{upload}", status_code=204, responses=answers(404))
def remove(upload: InPath, station: Here, me: Administrator) -> Response:
    """Delete a file that was sent."""
    station.uploads.remove(station.uploads.get(upload, me.person.name))
    return Response(status_code=204)
