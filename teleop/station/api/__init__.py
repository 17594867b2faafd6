"""The REST API under /api/v1, one file a resource: each module here has `router`, and is found by itself.

What they share is `teleop.station.web.rest`; the description of all of it is made by `teleop.station.api_docs.openapi`.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def modules() -> tuple[ModuleType, ...]:
    """Return every module of the API, sorted by name."""
    found = pkgutil.iter_modules(__path__, prefix=f"{__name__}.")
    return tuple(importlib.import_module(module.name) for module in sorted(found, key=lambda module: module.name))
