"""Formatting of numbers and names for display."""

import math

from robo_rlhf.core.stats import Interval

PERCENT = "\u00a0%"  # non-breaking: never alone on a line


def initial_policy_name(demos: int) -> str:
    """Return the name of the policy that fine-tuning starts from."""
    return "cloned" if demos else "untrained"


def humanize(name: str) -> str:
    """Return a name without its underscores."""
    return name.replace("_", " ")


def value_text(value: float | None, percent: bool = False, *, sign: bool = False) -> str:
    """Return a number with three digits, a share as per cent where `percent`; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    form = "+" if sign else ""
    text = f"{100 * value:{form}.1f}".removesuffix(".0") + PERCENT if percent else f"{value:{form}.3g}"
    return text.replace("-", "−")


def interval_text(interval: Interval, percent: bool = False) -> str:
    """Return the ends of an interval."""
    low, high = (value_text(v, percent) for v in (interval.low, interval.high))
    return f"{low.removesuffix(PERCENT)} to {high}"


def change_text(change: Interval, percent: bool) -> str:
    """Return a difference with its interval, if any; differences of shares in percentage points."""
    value, low, high = (value_text(100 * v if percent else v, sign=True) for v in change)
    interval = f" <small>{low} to {high}</small>" if math.isfinite(change.low) else ""
    return f"{value}{' points' if percent else ''}{interval}"
