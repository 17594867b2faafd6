"""Running the station: where it listens, by which names it is reached, and how it ends."""

import contextlib
import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Collection
from typing import NoReturn

import uvicorn

from robo_rlhf.errors import BusyError, InvalidValueError
from teleop.messages import MAX_MESSAGE
from teleop.station.app import create_app
from teleop.station.connections import Connection, Socket, networks
from teleop.station.services import LOOPBACK, Station

TRIES = 20  # ports after the one asked for that are tried where any will do
KEEP = 75  # [s] that a connection is kept between two requests: somebody looks at clips meanwhile
SWITCH = 0.001  # [s] that a thread may keep the event loop waiting for Python's lock
END = 3  # [s] that open connections are given when the station stops


def listen(host: str, port: int, *, exactly: bool) -> socket.socket:
    """Return a socket that listens on `port`, or, where that is taken and not `exactly` wanted, on one of the next.

    Raises:
        BusyError: the port, or all that were tried, are taken; the message names a free one.
        InvalidValueError: this machine cannot listen there.
    """
    if not 0 <= port < 2**16:
        raise InvalidValueError("--port", port, "0 (any that is free) to 65535")
    last = port if exactly or port == 0 else min(port + TRIES, 2**16 - 1)
    for candidate in range(port, last + 1):
        with contextlib.suppress(_TakenError):
            return _bind(host, candidate)
    with _bind(host, 0) as other:
        free = other.getsockname()[1]
    raise BusyError(f"Port {port} of {host}", f"another program listens there; --port {free} is free")


class _TakenError(Exception):
    """Somebody else listens there."""


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

    On loopback other names are refused: a page elsewhere could point a name of its own at this machine.
    """
    if not is_loopback(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    return tuple(dict.fromkeys((*LOOPBACK, shown, *(name.lower() for name in also))))


def proxies_of(names: Collection[str]) -> list[str]:
    """Return the addresses and networks of proxies whose word counts on where a request is from.

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
    """Return the address under which others reach this machine, as well as it can be known without asking anybody."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the network card
        return str(probe.getsockname()[0])
    return socket.gethostname()


def serve(station: Station, listener: socket.socket, proxies: Collection[str] = ()) -> None:
    """Answer requests until Ctrl-C, SIGTERM or SIGHUP, then close the station.

    What `X-Forwarded-For` and `X-Forwarded-Proto` say counts from `proxies` alone, as `proxies_of` returns them.

    Raises:
        KeyboardInterrupt: that was it; everything is closed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.setswitchinterval(SWITCH)
    config = uvicorn.Config(
        create_app(station),
        http=Connection,
        ws=Socket,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        log_level="error",  # a warning is what somebody sent: a flood of them would fill the disk
        access_log=False,
        timeout_graceful_shutdown=END,
        timeout_keep_alive=KEEP,
        server_header=False,
        ws_max_size=2 * MAX_MESSAGE,  # a longer one ends the connection before it is read
        ws_per_message_deflate=False,  # JPEGs do not get smaller
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        station.close()
        listener.close()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
