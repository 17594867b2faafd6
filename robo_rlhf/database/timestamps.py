"""Times as the tables hold them: ISO 8601, UTC, so that text sorts as time does."""

from datetime import UTC, datetime, timedelta


def timestamp(seconds_from_now: float = 0.0) -> str:
    """Return the time in so many seconds [s]; negative: ago."""
    return (datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat(timespec="milliseconds")
