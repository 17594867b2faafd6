"""Formats, one file each, registered by name in `FORMATS`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.formats.base import Format

FORMATS: "Registry[type[Format]]" = Registry("format", "robo_rlhf.formats.kinds")
