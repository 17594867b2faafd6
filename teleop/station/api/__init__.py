"""The REST API under /api/v1, one file per resource: each module here has `router`, and is found automatically.

Shared code is in `teleop.station.web.rest`; `teleop.station.api_docs.openapi` makes the description of the API.
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
