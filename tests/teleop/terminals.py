"""A terminal that a test types into: the other end of a pseudo terminal."""

import os
import pty
import re
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

QUERY = re.compile(rb"\x1b\[5n|\x1b\[\?u")


class Screen:
    """What stands in front of a person: keys, and everything that was written."""

    def __init__(self, *, releases: bool) -> None:
        self.releases, self.answers = releases, True
        self._ours, theirs = pty.openpty()
        self._files = [self._ours, theirs]
        self.path = Path(os.ttyname(theirs))
        self.written = b""

    def type(self, *keys: str | bytes) -> None:
        for key in keys:
            os.write(self._ours, key.encode() if isinstance(key, str) else key)
        time.sleep(0.01)  # the kernel hands it over by and by

    def serve(self, seconds: float = 0.0) -> None:
        """Take what was written, and answer as a terminal does, for a while."""
        until = time.monotonic() + seconds
        while select.select([self._ours], [], [], max(until - time.monotonic(), 0.0))[0]:
            content = os.read(self._ours, 65536)
            self.written += content
            for query in QUERY.findall(content) if self.answers else ():
                if query == b"\x1b[5n":
                    self.type(b"\x1b[0n")
                elif self.releases:
                    self.type(b"\x1b[?15u")

    def until(self, condition: Callable[[], bool], patience: float = 10.0) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, self.written[-2000:].decode(errors="replace")
            self.serve(0.005)

    def hang_up(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []


@contextmanager
def screen(*, releases: bool = True) -> Iterator[Screen]:
    made = Screen(releases=releases)
    try:
        yield made
    finally:
        made.hang_up()
