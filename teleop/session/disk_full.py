"""What an operator is told while the disk has no room: the session waits, and goes on by itself."""

from robo_rlhf.core.errors import DiskError, DiskFullError


def explain_waiting(error: Exception) -> str:
    """Return why the session waits, what is lost (nothing), and what to do."""
    what = error.what if isinstance(error, DiskError | DiskFullError) else f"The disk refuses: {error}."
    return f"{what} Nothing is lost. Make room, and it goes on by itself."
