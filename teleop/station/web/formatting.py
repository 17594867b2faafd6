"""Formatting of numbers and times for the pages; filters of the templates."""

import time
from datetime import UTC, datetime
from math import floor

_STEPS = ((60.0, 60.0, "min"), (3600.0, 24.0, "h"), (86400.0, 14.0, "days"))  # [s], so many of them, unit


def time_ago(then: float, now: float | None = None) -> str:
    """Return how long ago a time [s since 1970] was: "just now", "5 min ago", "3 days ago", or the date."""
    passed = (time.time() if now is None else now) - then
    if passed < 60:
        return "just now"
    for length, most, unit in _STEPS:
        if passed < length * most:
            count = int(passed / length)
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    return datetime.fromtimestamp(then, UTC).strftime("%-d %b %Y")


def iso(then: float) -> str:
    """Return a time [s since 1970] as ISO 8601, UTC."""
    return datetime.fromtimestamp(then, UTC).isoformat(timespec="seconds")


def seconds(time: str) -> float:
    """Return a time as the database holds it, ISO 8601, as seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()


def browser(agent: str) -> str:
    """Return what a browser calls itself in a few words, such as "Firefox on Linux"."""
    names = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    name = next((word for sign, word in names if sign in agent), "")
    system = next((word for sign, word in systems if sign in agent), "")
    return f"{name} on {system}" if name and system else name or system or agent[:40] or "a browser"


def count_with_noun(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: "1 episode", "1,204 episodes"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """Return a share as whole per cent, a dash for None; a half is rounded up, as scripts of the pages do."""
    return "–" if share is None else f"{floor(100 * share + 0.5)} %"


FILTERS = {
    "ago": time_ago,
    "iso": iso,
    "seconds": seconds,
    "browser": browser,
    "counted": count_with_noun,
    "percent": percent,
}
