"""The pages of the station, one file each.

A module here has `router`, a FastAPI `APIRouter`, and, where people go to it, `PAGE`. Whoever asks for any of its
routes has to be signed in, unless the module says `PUBLIC = True`; `requires(role)` of `auth` asks for more. `ROUTES`
are Starlette's own, for what is asked for hundreds of times a second: they ask `who` themselves.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from starlette.requests import Request

from robo_rlhf.accounts.roles import Role


@dataclass(frozen=True)
class Page:
    """A page that people go to."""

    name: str  # of its template and script, and what marks it in the navigation
    title: str
    path: str
    order: int | None = None  # place in the navigation; None: not there
    role: Role = "annotator"  # who sees it there
    about: str = ""  # one sentence about what one does there: the home page invites to it
    call: str = ""  # what the button says that leads there from home; the title where empty
    key: str = ""  # which does the same, as KeyboardEvent.code
    news: Callable[[Request], str] | None = None  # what home says beside it, such as how many questions wait


@cache
def modules() -> tuple[ModuleType, ...]:
    """Return every module of pages, sorted by name."""
    found = pkgutil.iter_modules(__path__, prefix=f"{__name__}.")
    return tuple(importlib.import_module(module.name) for module in sorted(found, key=lambda module: module.name))


@cache
def pages() -> tuple[Page, ...]:
    """Return the pages in the order of the navigation, then those that are not there."""
    found = [module.PAGE for module in modules() if hasattr(module, "PAGE")]
    return tuple(sorted(found, key=lambda page: (page.order is None, page.order, page.name)))
