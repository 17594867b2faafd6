"""A checksum inside the bytes that it covers.

Arrow and torch trust what they read: one flipped bit in a stream can end the process, and one in a policy's weights
makes another policy of it. So the bytes of a file, or of one piece of it, hold a seal (a mark, their length and their
CRC-32, computed with zeros in place of both) in a place where the format keeps free text, and are used only after the
seal was found to fit.
"""

import json
import zlib
from typing import Any

MARK = b"\x01seal:"  # among bytes of Arrow's: no JSON text and no base64 holds its first byte
BLANK = MARK + b"0" * 16  # to be written first; then the length and the CRC-32, 8 hexadecimal digits each
KEY = "seal"  # the first member of a JSON object that seals the file it is in
TEXT = b"seal:"  # the mark there
_EMPTY = b"0" * 16
_HEAD = 64  # bytes of a file within which the seal of its JSON object begins


def seal(content: bytes, at: int, mark: bytes = MARK) -> bytes:
    """Return `content` with the blank seal at the index `at` filled in."""
    assert content[at : at + len(mark) + len(_EMPTY)] == mark + _EMPTY
    digits = b"%08x%08x" % (len(content), zlib.crc32(content))
    return content[: at + len(mark)] + digits + content[at + len(mark) + len(_EMPTY) :]


def sealed_length(content: bytes, start: int, at: int, mark: bytes = MARK) -> int:
    """Return how many bytes from `start` on the seal at the index `at` vouches for.

    Raises:
        ValueError: there is no seal at `at`, or the bytes are not those that were sealed.
    """
    if at < start:
        raise ValueError("its seal is missing")
    begin, end = at + len(mark), at + len(mark) + len(_EMPTY)
    try:
        length = int(content[begin : begin + 8], 16)
    except ValueError:
        raise ValueError("its seal is damaged") from None
    if not end <= start + length <= len(content):
        raise ValueError("a part of it is missing")
    view = memoryview(content)
    crc = zlib.crc32(view[end : start + length], zlib.crc32(_EMPTY, zlib.crc32(view[start:begin])))
    if content[begin:end] != b"%08x%08x" % (length, crc):
        raise ValueError("its checksum does not fit")
    return length


def parse_json(content: bytes | str) -> Any:
    """Return the value of JSON text; everything that comes from outside is parsed here.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def blank_object(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with a blank seal as its first member, for `seal_object` to fill in once it is bytes."""
    return {KEY: (TEXT + _EMPTY).decode(), **value}


def seal_object(content: bytes) -> bytes:
    """Return the bytes of a file with the seal of its JSON object, the first of them, filled in."""
    return seal(content, content.index(TEXT), TEXT)


def take_seal(content: bytes, value: dict[str, Any], *, must: bool) -> bool:
    """Take the seal out of the JSON object `value`, and return whether it vouches for the file that holds `content`.

    `must` says whether something else in the file tells that there was one.

    Raises:
        ValueError: the bytes are not those that were sealed, or there is no seal where there must be one.
    """
    if value.pop(KEY, None) is None and TEXT not in content[:_HEAD] and not must:
        return False
    if sealed_length(content, 0, content.find(TEXT), TEXT) != len(content):
        raise ValueError("it has data after its end")
    return True
