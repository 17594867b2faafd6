"""The pages of the station, one folder each: its routes, what is behind them, its template, scripts and styles.

A folder is a page where it holds `routes.py`. That module has `router`, a FastAPI `APIRouter`, and, where users go to
it, `PAGE`; `PAGES` are more of them. Its routes require a signed-in user, unless the module says `PUBLIC = True`;
`requires(role)` of `auth` requires more. `ROUTES` are Starlette's own, for what is requested hundreds of times a
second: they call `who`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

from starlette.requests import Request

from robo_rlhf.accounts.roles import Role

STATION = Path(__file__).parents[1]  # the folder that holds a folder a page


Group = Literal["operate", "review", "library", "learn", "team"]
GROUPS: dict[Group, str] = {  # of the bar of pages, in order: so few that they fit every screen
    "operate": "Operate",
    "review": "Review",
    "library": "Library",
    "learn": "Learn",
    "team": "Team",
}


@dataclass(frozen=True)
class Page:
    """A page that users go to."""

    name: str  # of its template and script, and what marks it in the navigation
    title: str
    path: str
    order: int | None = None  # place among the pages of its group; None: not there
    group: Group | None = None  # where it is in the bar of pages; None: only where pages link to it
    role: Role = "annotator"  # who sees it there
    about: str = ""  # one sentence about what one does there: the home page invites to it
    call: str = ""  # what the button says that leads there from home; the title where empty
    watching: tuple[str, str] | None = None  # `about` and `call` for annotators, where they may only watch
    key: str = ""  # which does the same, as KeyboardEvent.code
    news: Callable[[Request], str] | None = None  # what home says beside it, such as how many questions wait

    def for_role(self, role: Role) -> "Page":
        """Return the page in the words for users of a role."""
        if self.watching is None or role != "annotator":
            return self
        return replace(self, about=self.watching[0], call=self.watching[1])


@cache
def modules() -> tuple[ModuleType, ...]:
    """Return the routes of every page, sorted by the name of its folder."""
    folders = sorted(path.parent.name for path in STATION.glob("*/routes.py"))
    return tuple(importlib.import_module(f"teleop.station.{folder}.routes") for folder in folders)


@cache
def pages() -> tuple[Page, ...]:
    """Return the pages in the order of the navigation, then those that are not there."""
    found = [module.PAGE for module in modules() if hasattr(module, "PAGE")]
    found += [page for module in modules() for page in getattr(module, "PAGES", ())]
    return tuple(sorted(found, key=lambda page: (page.order is None, page.order, page.name)))
