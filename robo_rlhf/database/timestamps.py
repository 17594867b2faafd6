"""Timestamps of the tables: ISO 8601, UTC, so that text sorts by time."""

from datetime import UTC, datetime, timedelta


def timestamp(seconds_from_now: float = 0.0) -> str:
    """Return the time in so many seconds [s]; negative: ago."""
    return (datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat(timespec="milliseconds")
