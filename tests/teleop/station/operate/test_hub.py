"""The limit of sessions, and which one is evicted."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.errors import BusyError
from teleop.station.operate import hub
from teleop.station.operate.hub import MOST, MOST_EACH, Hub


@dataclass
class Session:
    """What the hub asks of a session."""

    id: str
    owner: str
    empty_since: float | None = None
    over: str = ""
    dataset: str = "demos"
    begun: Any = field(default_factory=lambda: type("Begun", (), {"done": lambda self: True})())

    def close(self, why: str) -> None:
        self.over = why

    def dismiss(self) -> None:
        """Send nobody away."""


def filled(home: Path, *sessions: Session) -> Hub:
    found = Hub(home, lambda: pytest.fail("nothing is drawn"), lean=True)
    found._drives.update({one.id: one for one in sessions})  # type: ignore[misc]
    return found


def test_a_person_begins_so_many_sessions_and_no_more(home: Path) -> None:
    mine = [Session(str(number), "ada") for number in range(MOST_EACH)]
    found = filled(home, *mine)
    with pytest.raises(BusyError, match=f"{MOST_EACH} sessions of yours are open; end one"):
        asyncio.run(found._make_room("ada"))
    asyncio.run(found._make_room("grace"))
    assert len(found.sessions()) == MOST_EACH
    mine[1].empty_since = 1.0  # nobody looks at it
    asyncio.run(found._make_room("ada"))
    assert [one.id for one in found.sessions()] == ["0"]


def test_a_station_has_so_many_sessions(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MOST_EACH", 100)
    found = filled(home, *(Session(str(number), f"p{number}") for number in range(MOST)))
    with pytest.raises(BusyError, match=f"{MOST} sessions are open"):
        asyncio.run(found._make_room("ada"))
