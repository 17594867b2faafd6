"""`robo-rlhf serve`: the operator station, a web application for recording, looking through and answering."""

import contextlib
import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robo_rlhf.cli import COMMANDS
from robo_rlhf.files import data_home

if TYPE_CHECKING:
    from teleop.station.services import Station

PORT = 8600


@COMMANDS.register("serve")
@dataclass(frozen=True, kw_only=True)
class Serve:
    """Start the operator station and print one link to it.

    The link signs in whoever opens it, once, as administrator. Ctrl-C ends the station; what was kept is on the disk.

    Example:
        robo-rlhf serve
        robo-rlhf serve --port 9000 --no-open
    """

    port: int | None = None
    """Port to listen on; else 8600, or one of the next where that is taken."""
    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own needs a password for the administrator first."""
    no_open: bool = False
    """Leave the browser closed."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Serve until Ctrl-C."""
        from teleop.station.server import listen, serve
        from teleop.station.services import Station

        listener = listen(self.host, PORT if self.port is None else self.port, exactly=self.port is not None)
        port = int(listener.getsockname()[1])
        station = Station(data_home(self.home).absolute(), port=port)
        self.greet(station)
        with contextlib.suppress(KeyboardInterrupt):
            serve(station, listener)
        print("stopped; everything kept is on the disk")
        return 0

    def greet(self, station: "Station") -> None:
        """Print the link, and open it where there is a browser to see."""
        token = station.people.sessions.link(station.people.administrator(), by="robo-rlhf serve")
        link = f"http://{self.host}:{station.port}/enter#{token}"
        if self.port is None and station.port != PORT:
            print(f"port {PORT} is taken, so this station listens on {station.port}", file=sys.stderr)
        print(f"Station: {link}")
        print("The link works once. Ctrl-C ends the station.", flush=True)
        if (
            not self.no_open
            and sys.stdout.isatty()
            and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        ):
            webbrowser.open(link)
