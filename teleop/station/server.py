"""Running the station: which port, and how it ends."""

import errno
import socket

import uvicorn

from robo_rlhf.errors import BusyError
from teleop.station.app import create_app
from teleop.station.services import Station

TRIES = 20  # ports after the one asked for that are tried where any will do
END = 3.0  # [s] that open connections are given when the station stops


def listen(host: str, port: int, *, exactly: bool) -> socket.socket:
    """Return a socket that listens on `port`, or, where that is taken and not `exactly` wanted, on one of the next.

    Raises:
        BusyError: the port, or all that were tried, are taken.
    """
    for candidate in [port] if exactly or port == 0 else range(port, port + TRIES):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            listener.set_inheritable(False)
            return listener
    raise BusyError(f"Port {port} of {host}", "another program listens there; --port names another, --port 0 takes any")


def serve(station: Station, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM, then close the station."""
    config = uvicorn.Config(
        create_app(station),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(END),
        server_header=False,
        ws_max_size=128 * 1024,
        ws_per_message_deflate=False,  # pictures are compressed already
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        station.close()
