"""HTTP ranges and entity tags (RFC 9110, chapters 13 and 14), as functions of header texts: no server needed."""

import re
from typing import NamedTuple

MAX_PARTS = 16  # ranges of one request after those that touch are joined; more are refused
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_DIGITS = 18  # of a position; more cannot be meant


class ByteRange(NamedTuple):
    """Bytes [start, stop) of a file."""

    start: int
    stop: int

    def __str__(self) -> str:
        """Return it as `Content-Range` has it, without the size."""
        return f"{self.start}-{self.stop - 1}"


class UnsatisfiableRangeError(Exception):
    """No byte of what is asked for is there, or the header makes no sense: 416."""


def parse_range(header: str | None, size: int) -> tuple[ByteRange, ...] | None:
    """Return the parts of a file of `size` bytes that a `Range` header asks for; None means all of it.

    Parts that overlap or touch are joined; the others keep the order they were asked in. Units other than bytes are
    passed over, as the standard asks.

    Raises:
        UnsatisfiableRangeError: the header is malformed, no byte of it is in the file, or it has too many parts.
    """
    if header is None:
        return None
    unit, equals, wanted = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    parts = [part for text in wanted.split(",") if text.strip() for part in _part(text.strip(), size)]
    joined = _joined(parts)
    if not joined or len(joined) > MAX_PARTS:
        raise UnsatisfiableRangeError
    return joined


def matches(header: str, etag: str, *, weakly: bool) -> bool:
    """Whether an `If-Match`, `If-None-Match` or `If-Range` header names `etag` (quoted, strong).

    `weakly`: whether a weak tag of the same name counts, which it does for `If-None-Match` alone.
    """
    if header.strip() == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _TAG.findall(header))


def is_fresh(if_range: str | None, etag: str) -> bool:
    """Whether a range may be answered with a part: `If-Range` is absent, or names this very content.

    A date never does: what is served has no date, only a tag.
    """
    return if_range is None or (if_range.strip() != "*" and matches(if_range, etag, weakly=False))


def _part(text: str, size: int) -> list[ByteRange]:
    """Return what one range specifier asks for: one part, or none where no byte of it is there."""
    match = _RANGE.fullmatch(text)
    first, last = match.groups() if match else ("", "")
    if (not first and not last) or max(len(first), len(last)) > _DIGITS:
        raise UnsatisfiableRangeError
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < start:
            raise UnsatisfiableRangeError
    return [ByteRange(start, stop)] if start < stop else []


def _joined(parts: list[ByteRange]) -> tuple[ByteRange, ...]:
    """Return the parts with those that overlap or touch made one, in the place of the first of them."""
    order = sorted(range(len(parts)), key=lambda i: parts[i])
    groups: list[tuple[int, ByteRange]] = []  # place in the request, part
    for i in order:
        if groups and parts[i].start <= groups[-1][1].stop:
            place, before = groups[-1]
            groups[-1] = min(place, i), ByteRange(before.start, max(before.stop, parts[i].stop))
        else:
            groups.append((i, parts[i]))
    return tuple(part for _, part in sorted(groups))
