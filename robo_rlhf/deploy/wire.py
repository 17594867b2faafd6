"""Messages of the openpi WebSocket protocol: msgpack, with arrays as {__ndarray__, data, dtype, shape}.

What is read is checked before anything is allocated for it: there are no object arrays, and no other Python objects.
"""

import math
from typing import Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError

LARGEST = 4 * 2**20  # bytes of a message: two cameras of 640 by 480, or three of 224 as lists in JSON
MANY = 4096  # items of a list or an object, columns of an array
KINDS = "fiub"  # floats, integers and booleans


def pack(value: Any) -> bytes:
    """Return a message of plain values and arrays."""
    import msgpack

    packed: bytes = msgpack.packb(value, default=_packed)
    return packed


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"cannot pack {type(value).__name__}")


def unpack(message: bytes) -> dict[str, Any]:
    """Return the object that a message holds.

    Raises:
        InvalidValueError: it is too long, no msgpack, no object, or holds an array that is not as it says.
    """
    import msgpack

    if len(message) > LARGEST:
        raise InvalidValueError("message", f"{len(message):,} bytes", f"at most {LARGEST:,}")
    limits = {"max_array_len": MANY, "max_map_len": MANY, "max_ext_len": 0}
    try:
        found = msgpack.unpackb(message, object_hook=_unpacked, strict_map_key=False, **limits)
    except InvalidValueError:
        raise
    except Exception as error:  # msgpack raises many kinds for bytes that are no message
        raise InvalidValueError(
            "message", f"bytes that are no msgpack ({error})"[:200], "an object in msgpack"
        ) from None
    if not isinstance(found, dict):
        raise InvalidValueError("message", type(found).__name__, "an object: names and values")
    return {str(name): value for name, value in found.items()}


def _unpacked(found: dict[Any, Any]) -> Any:
    if b"__ndarray__" not in found and b"__npgeneric__" not in found:
        return found
    try:
        dtype = np.dtype(str(found[b"dtype"]))
        good = dtype.kind in KINDS and dtype.itemsize <= 8
        if b"__npgeneric__" in found:
            if good and isinstance(found[b"data"], int | float):
                return dtype.type(found[b"data"])
        elif good:
            shape, data = tuple(found[b"shape"]), found[b"data"]
            whole = (
                isinstance(data, bytes) and len(shape) <= 4 and all(type(n) is int and 0 <= n <= MANY for n in shape)
            )
            if whole and math.prod(shape) * dtype.itemsize == len(data):
                return np.frombuffer(data, dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    expected = "numbers whose dtype and shape agree with their bytes"
    raise InvalidValueError("array in a message", str({k: v for k, v in found.items() if k != b"data"})[:200], expected)
