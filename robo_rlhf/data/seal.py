"""A checksum inside the bytes that it covers.

Arrow trusts what it reads: one flipped bit in a stream can end the process. So the bytes of a file, or of one piece of
it, hold a seal (a mark, their length and their CRC-32, computed with zeros in place of both) in a place where the
format keeps free text, and are given to Arrow only after the seal was found to fit.
"""

import zlib

MARK = b"\x01seal:"  # no JSON text and no base64 holds its first byte
BLANK = MARK + b"0" * 16  # to be written first; then the length and the CRC-32, 8 hexadecimal digits each
_EMPTY = b"0" * 16


def seal(content: bytes, at: int) -> bytes:
    """Return `content` with the blank seal at the index `at` filled in."""
    assert content[at : at + len(BLANK)] == BLANK
    digits = b"%08x%08x" % (len(content), zlib.crc32(content))
    return content[: at + len(MARK)] + digits + content[at + len(BLANK) :]


def sealed_length(content: bytes, start: int, at: int) -> int:
    """Return how many bytes from `start` on the seal at the index `at` vouches for.

    Raises:
        ValueError: there is no seal at `at`, or the bytes are not those that were sealed.
    """
    if at < start:
        raise ValueError("its seal is missing")
    begin, end = at + len(MARK), at + len(BLANK)
    length = int(content[begin : begin + 8], 16)
    if not end <= start + length <= len(content):
        raise ValueError("a part of it is missing")
    view = memoryview(content)
    crc = zlib.crc32(view[end : start + length], zlib.crc32(_EMPTY, zlib.crc32(view[start:begin])))
    if content[begin:end] != b"%08x%08x" % (length, crc):
        raise ValueError("its checksum does not fit")
    return length
