"""The address of the station over a data home, stored by `serve` for the links that `team` prints."""

from pathlib import Path

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import read_if_whole, write_json

ADDRESS = "station.json"  # in the data home


def note_address(home: Path, url: str) -> None:
    """Store the address of the station over a data home, for the links that other commands print."""
    write_json(home / ADDRESS, {"url": url})


def noted_address(home: Path) -> str:
    """Return the address of the newest station over a data home, running or not.

    Raises:
        InvalidValueError: none was ever started over it.
    """
    url = read_if_whole(home / ADDRESS).get("url")
    if not isinstance(url, str):
        expected = f"the address of the station, because none has run over {home} yet (`robo-rlhf serve` starts one)"
        raise InvalidValueError("--url", "none", expected)
    return url
