"""A program that receives webhooks: a real HTTP server that does as a test says."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """A message that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """What came, and what is answered."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.status = 200
        self.location = ""
        self.wait = 0.0  # [s] before it answers
        self.drip = False  # answers one byte after the other, for ever
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(Got(self.path, dict(self.headers), body))
            time.sleep(receiver.wait)
            with contextlib.suppress(OSError):  # the sender has disconnected
                self.answer()

        def answer(self) -> None:
            while receiver.drip:
                self.wfile.write(b"H")
                time.sleep(0.05)
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("location", receiver.location)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.drip = False
        server.shutdown()
        thread.join()
        server.server_close()


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
    return found
