"""Display and parsing of optional options: by their type, without a word for None."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

NAMES = {str: "STR", Path: "PATH", int: "INT", float: "FLOAT"}
registry = ConstructorRegistry()


@registry.primitive_rule
def left_out(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Return how `X | None` is read where X is one of `NAMES`: as X; None for any other type."""
    inner = [kind for kind in get_args(info.type) if kind is not NoneType]
    if get_origin(info.type) not in (Union, UnionType) or len(inner) != 1 or inner[0] not in NAMES:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=NAMES[inner[0]],
        instance_from_str=lambda texts: inner[0](texts[0]),
        is_instance=lambda value: value is None or isinstance(value, inner[0]),
        str_from_instance=lambda value: ["none" if value is None else str(value)],
    )
