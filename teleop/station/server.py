"""The station's server: its address, its host names, and its shutdown."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Collection
from typing import NoReturn

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robo_rlhf.core.checks import check_port
from robo_rlhf.core.errors import BusyError, InvalidValueError
from teleop.ipc.messages import MAX_MESSAGE
from teleop.station.app import create_app
from teleop.station.services import LOOPBACK, Station
from teleop.station.web.connections import Connection, Socket, networks

TRIES = 20  # ports after the one asked for that are tried where any will do
KEEP = 75  # [s] that a connection is kept between two requests: the user looks at clips meanwhile
SWITCH = 0.001  # [s] that a thread may keep the event loop waiting for Python's lock
END = 3  # [s] that open connections are given when the station stops


def listen(host: str, port: int, *, exactly: bool) -> socket.socket:
    """Return a socket that listens on `port`, or, where that is taken and not `exactly` wanted, on one of the next.

    Raises:
        BusyError: the port, or all that were tried, are taken; the message names a free one.
        InvalidValueError: this machine cannot listen there.
    """
    check_port("--port", port)
    last = port if exactly or port == 0 else min(port + TRIES, 2**16 - 1)
    for candidate in range(port, last + 1):
        with contextlib.suppress(_TakenError):
            return _bind(host, candidate)
    with _bind(host, 0) as other:
        free = other.getsockname()[1]
    raise BusyError(f"Port {port} of {host}", f"another program listens there; --port {free} is free")


class _TakenError(Exception):
    """Another program listens there."""


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _TakenError from error
        if error.errno == errno.EACCES:
            raise InvalidValueError("--port", port, "1024 or more; the smaller ones belong to the system") from error
        raise InvalidValueError("--host", repr(host), "an address of this machine") from error
    return listener


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str, also: Collection[str] = ()) -> tuple[str, ...] | None:
    """Return by which names a station is reached that listens on `host`; None where any will do.

    On loopback other names are refused: a page elsewhere could point its own name at this machine.
    """
    if not is_loopback(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    return tuple(dict.fromkeys((*LOOPBACK, shown, *(name.lower() for name in also))))


def proxies_of(names: Collection[str]) -> list[str]:
    """Return the addresses and networks of proxies that are trusted about the origin of a request.

    Raises:
        InvalidValueError: one is neither.
    """
    for name in names:
        try:
            networks((name,))
        except ValueError as error:
            expected = "an address or a network, such as 127.0.0.1 or 10.0.0.0/8"
            raise InvalidValueError("--proxy", repr(name), expected) from error
    return list(names)


def own_address() -> str:
    """Return the address under which others reach this machine, as well as it can be known without network traffic."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the network card
        return str(probe.getsockname()[0])
    return socket.gethostname()


def serve(station: Station, listener: socket.socket, proxies: Collection[str] = ()) -> None:
    """Answer requests until Ctrl-C, SIGTERM or SIGHUP, then close the station.

    What `X-Forwarded-For` and `X-Forwarded-Proto` say counts from `proxies` alone, as `proxies_of` returns them.

    Raises:
        KeyboardInterrupt: the station was interrupted; everything is closed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.setswitchinterval(SWITCH)
    config = uvicorn.Config(
        Ending(create_app(station)),
        http=Connection,
        ws=Socket,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        log_level="error",  # a warning is caused by a client: a flood of them would fill the disk
        access_log=False,
        timeout_graceful_shutdown=END,
        timeout_keep_alive=KEEP,
        server_header=False,
        ws_max_size=2 * MAX_MESSAGE,  # a longer one ends the connection before it is read
        ws_per_message_deflate=False,  # JPEGs do not get smaller
    )
    logging.getLogger("uvicorn.error").addFilter(_say_plainly)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        station.close()
        listener.close()


class Ending:
    """Answers requests that are still open when the station ends: the server cancels them, which is no error."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; 503 where it is cancelled before its answer has begun."""
        begun = scope["type"] != "http"

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            if not begun:
                await PlainTextResponse("The station has ended.", 503)(scope, receive, send)


def _say_plainly(record: logging.LogRecord) -> bool:
    """Describe requests that are cut off in one line; return whether a line is shown at all."""
    if record.msg.startswith("Cancel %s running task"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = f"%s requests were still open after {END} s and were cut off"
    return not record.msg.startswith("ASGI callable returned without completing response")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
