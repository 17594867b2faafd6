"""`robo-rlhf serve`: the operator station, a web application for recording, looking through and answering."""

import contextlib
import gc
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.station_address import note_address
from robo_rlhf.core import guests
from robo_rlhf.core.checks import MaybePort
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import (
    data_home,
    feedback_database,
    hold_home,
    release_home,
    sqlite_file,
)
from robo_rlhf.processes.locks import (
    Lock,
)
from robo_rlhf.sim.names import Worlds
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.accounts.people import People
    from teleop.station.services import Station

PORT = 8600
LOCK = ".station.json"  # in the data home
HOST = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")


@COMMANDS.register("serve")
@dataclass(frozen=True, kw_only=True)
class Serve(OnTorchDevice):
    """Start the operator station and print one link to it.

    The link signs in its first user, once, as administrator. Ctrl-C ends the station; all saved data is on the disk.

    Example:
        robo-rlhf serve
        robo-rlhf serve --env Pusher-v5 --env Meta-World/MT1:door-open-v3
        robo-rlhf serve --port 9000 --no-open
        robo-rlhf serve --host 0.0.0.0 --set-password
    """

    port: MaybePort = None
    """Port to listen on, 0 for any that is free; else 8600, or one of the next where that is taken."""
    host: str = HOST
    """Address to listen on; 0.0.0.0 is all of this machine's. Any but 127.0.0.1 needs an administrator's password."""
    allow_host: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Another name by which it is reached on 127.0.0.1, such as that of a proxy. May be repeated."""
    proxy: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Address or network of a proxy that reports where requests come from (X-Forwarded-For). May be repeated."""
    env: Annotated[Worlds, tyro.conf.UseAppendAction] = ()
    """Outside environment that operators may drive, such as Pusher-v5. May be repeated."""
    allow_private_webhooks: bool = False
    """Let webhooks lead to addresses of this machine and its own network."""
    set_password: bool = False
    """Ask for a new password of the administrator first."""
    no_open: bool = False
    """Leave the browser closed."""
    lean: bool = False
    """Keep no worker process ready: it takes less memory, and the first picture comes some seconds later."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    database: str = ""
    """A database URL or file for feedback and accounts; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""

    def __call__(self) -> int:
        """Serve until Ctrl-C."""
        return run_station(self, data_home(self.home).absolute())


def run_station(options: Serve, home: Path, path: str = "/") -> int:
    """Start a station, print the link that leads to the page at `path`, and serve until Ctrl-C."""
    gc.disable()  # what is imported stays: to look through it again and again takes 0.1 s of the start
    from teleop.station.server import listen, names_of, proxies_of, serve
    from teleop.station.services import Station

    guests.serve_visitors()
    where = feedback_database(home, options.database)
    proxies = proxies_of(options.proxy)
    with only_station(home, where):
        port = PORT if options.port is None else options.port
        listener = listen(options.host, port, exactly=options.port is not None)
        station = Station(
            home,
            database=where,
            port=int(listener.getsockname()[1]),
            proxied=bool(proxies),
            hosts=names_of(options.host, options.allow_host),
            private_webhooks=options.allow_private_webhooks,
            lean=options.lean,
            environments=options.env,
        )
        try:
            check_password(station.people, options)
        except BaseException:
            station.close()
            listener.close()
            raise
        note_address(home, reached_at(options.host, station.port))
        greet(station, options, path)
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # thousands of objects a second come and go with the requests
        gc.enable()
        with contextlib.suppress(KeyboardInterrupt):
            serve(station, listener, proxies)
    print("stopped; everything kept is on the disk")
    return 0


@contextlib.contextmanager
def only_station(home: Path, database: str | Path) -> Iterator[None]:
    """Keep a second station off a home and its SQLite database; several may serve one database of a server.

    A home that is gone meanwhile is not made again.

    Raises:
        BusyError: another station serves the home, or the database; the message says which process.
    """
    file = sqlite_file(database)
    locks = []
    if file is not None:
        advice = "use that one, or give this one a separate data home (--home), or a PostgreSQL database (--database)"
        locks.append(Lock(home / LOCK, f"The data home {home}", f"a station runs there: {advice}"))
        beside = file.with_name(f".{file.name}{LOCK}")
        if file.parent != home:
            locks.append(Lock(beside, f"The database {file}", f"a station uses it: {advice}"))
    with contextlib.ExitStack() as stack:
        for lock in locks:
            lock.take()
            stack.callback(lock.release, {"state": "stopped"})
        hold_home(home)
        stack.callback(release_home, home)
        yield


def check_password(people: "People", options: Serve) -> None:
    """Set the administrator's password if requested, and check that there is one if other machines can connect.

    Raises:
        InvalidValueError: there is none, or the new one is too weak.
    """
    from robo_rlhf.cli.team import ask_password
    from teleop.station.server import is_loopback

    administrator = people.administrator()
    if options.set_password:
        people.set_password(administrator.name, ask_password(administrator.name), by="robo-rlhf serve")
    elif not is_loopback(options.host) and not administrator.has_password:
        advice = "a password for the administrator first, because others can reach it: add --set-password"
        raise InvalidValueError(f"--host {options.host}", "no password", advice)


def greet(station: "Station", options: Serve, path: str) -> None:
    """Print the link, and open it where there is a screen."""
    from teleop.station.server import is_loopback

    if options.port is None and station.port != PORT:
        print(f"Port {PORT} is taken; this station listens on {station.port}.", file=sys.stderr)
    token = station.people.sessions.link(station.people.administrator(), by="robo-rlhf serve")
    here = HOST if options.host in EVERYWHERE else options.host
    link = f"{reached_at(here, station.port)}{path_in(path, token)}"
    print(f"Station: {link}")
    print("The link works once, for you. Ctrl-C ends the station.", flush=True)
    if not is_loopback(options.host):
        print(f"Others sign in at {reached_at(options.host, station.port)}/ with a password.")
        print("Nothing is encrypted: in a network that you do not trust, put it behind a proxy with TLS (--proxy).")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    if display and not options.no_open and sys.stdout.isatty():
        threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()  # some stay until they are closed
    sys.stdout.flush()


def reached_at(host: str, port: int) -> str:
    """Return the address at which users reach a station that listens on `host`."""
    from teleop.station.server import own_address

    name = own_address() if host in EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def path_in(path: str, token: str) -> str:
    """Return the path of a link that signs in and then leads to the page at `path`."""
    from urllib.parse import quote

    return f"/enter{'' if path == '/' else '?next=' + quote(path, safe='/')}#{token}"
