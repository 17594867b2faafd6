"""What outside environments print: to standard error, not into the output of commands, and up to a limit."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator

MOST = 20_000  # characters of an environment that are shown, in the life of a process
_log = logging.getLogger(__name__)


class _Printed(io.TextIOBase):
    """What one environment prints, as a stream."""

    def __init__(self, name: str) -> None:
        self.name, self.left = name, MOST

    def write(self, text: str) -> int:
        """Pass on what is left of the limit; return the length of `text`."""
        before, self.left = self.left, self.left - len(text)
        if sys.stderr is not None:
            sys.stderr.write(text[: max(before, 0)])
        if self.left < 0 <= before:
            _log.warning("%s prints without end: more than %d characters are not shown", self.name, MOST)
        return len(text)

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True


_streams: dict[str, _Printed] = {}


@contextlib.contextmanager
def printing(name: str) -> Iterator[None]:
    """Show what the environment of this name prints meanwhile."""
    with contextlib.redirect_stdout(_streams.setdefault(name, _Printed(name))):
        yield
