import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from robo_rlhf.accounts.people import People
from robo_rlhf.cli.main import main
from robo_rlhf.cli.serve import only_station, path_in
from robo_rlhf.core.errors import BusyError, DiskError
from robo_rlhf.core.files import read_json, write_atomic
from robo_rlhf.processes.locks import started
from teleop.station.server import listen
from tests.locking import elsewhere


@contextmanager
def serving(home: Path, *options: str) -> "Iterator[tuple[subprocess.Popen[str], str, str]]":
    """Start a station and give its process, its address and the token of its link."""
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "serve", "--home", str(home), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"Station: (http://[^/]+)/enter#([\w-]{40,})\n", line)
        assert found, line + process.stderr.read()
        yield process, found[1], found[2]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def first_answer(url: str, until: float = 60.0) -> None:
    """Wait until the station answers."""
    end = time.monotonic() + until
    while True:
        try:
            with urllib.request.urlopen(f"{url}/sign-in", timeout=until) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_station_prints_a_link_answers_and_ends(
    number: signal.Signals, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, "--port", "0") as (process, url, token):
        assert process.stdout is not None
        assert process.stdout.readline() == "The link works once, for you. Ctrl-C ends the station.\n"
        first_answer(url)
        body = json.dumps({"token": token}).encode()
        headers = {"Origin": url, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{url}/enter", body, headers)) as answer:
            assert json.load(answer)["name"]
            assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert main(["serve", "--no-open", "--port", "0", "--home", str(home)]) == BusyError.exit_code
        assert f"process {process.pid} on" in capsys.readouterr().err, "a second station is refused"
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert rest == "stopped; everything kept is on the disk\n"
        assert errors == ""
    assert (home / "feedback.db").exists()
    assert main(["team", "link", "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith(f"{url}/enter#"), "where it listened, whatever port that was"


@pytest.mark.slow
def test_what_is_open_when_it_ends_is_cut_off_and_told_in_a_line(home: Path) -> None:
    with serving(home, "--port", "0", "--no-open") as (process, url, _token):
        first_answer(url)
        place = url.removeprefix("http://")
        host, _, port = place.partition(":")
        with socket.create_connection((host, int(port))) as half:
            head = f"POST /enter HTTP/1.1\r\nHost: {place}\r\nOrigin: {url}\r\nContent-Length: 99\r\n"
            half.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert half.recv(100).startswith(b"HTTP/1.1 503 ")
        assert process.returncode == 0
        assert errors.splitlines() == ["WARNING:  1 requests were still open after 3 s and were cut off"]


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0, exactly=True) as listener:
        port = listener.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-open"]) == 11
    error = capsys.readouterr().err
    assert re.search(rf"error: Port {port} of 127.0.0.1 is busy: another program listens there; --port \d+ is", error)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_others_reach_it_only_with_a_password(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", host, "--port", "0", "--no-open"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --host {host}: expected a password for the administrator first")
    assert "--set-password" in error


def test_with_a_password_others_are_told_where_to_come(home: Path) -> None:
    people = People(home / "feedback.db")
    people.set_password(people.administrator().name, "some words to remember")
    people.close()
    with serving(home, "--port", "0", "--host", "0.0.0.0") as (process, url, _):
        assert url.startswith("http://127.0.0.1:")
        assert process.stdout is not None
        process.stdout.readline()
        others = re.match(r"Others sign in at (http://[\w.-]+:\d+)/ with a password.\n", process.stdout.readline())
        assert others
        assert read_json(home / "station.json", dict) == {"url": others[1]}
        assert "Nothing is encrypted" in process.stdout.readline()


def test_a_password_may_be_set_on_the_way(home: Path) -> None:
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "serve", "--home", str(home), "--set-password"]
    done = subprocess.run([*command, "--port", "0"], input="short\n", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected 10 to 1000 characters" in done.stderr


def test_the_link_leads_on_to_a_page() -> None:
    assert path_in("/", "t") == "/enter#t"
    assert path_in("/operate?task=reach", "t") == "/enter?next=/operate%3Ftask%3Dreach#t"


LIBRARIES = "import fastapi, uvicorn, jinja2, sqlalchemy, pydantic, numpy, gymnasium"


@pytest.mark.slow
def test_the_first_byte_costs_little_more_than_its_libraries(home: Path) -> None:
    """In time of the processor, because other processes share the machine; the best of three of each."""

    def spent(process: int) -> float:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    station, libraries = float("inf"), float("inf")
    for _ in range(3):
        with serving(home, "--port", "0", "--no-open") as (process, url, _token):
            first_answer(url)
            station = min(station, spent(process.pid))
        before = os.times()
        subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
        after = os.times()
        took = after.children_user + after.children_system - before.children_user - before.children_system
        libraries = min(libraries, took)
    assert station < 2.5 * libraries, (station, libraries)


def test_one_station_serves_a_home_with_sqlite(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere(home / ".station.json")
    assert main(["serve", "--no-open", "--port", "0"]) == BusyError.exit_code
    error = capsys.readouterr().err
    assert re.match(
        rf"error: The data home {home} is busy: process {os.getppid()} on .* holds it; a station runs", error
    )
    assert "or a PostgreSQL database (--database)" in error
    assert main(["record", "--task", "reach"]) == BusyError.exit_code
    assert not (home / "feedback.db").exists()


def test_one_station_uses_an_sqlite_database(tmp_path: Path) -> None:
    database = tmp_path / "elsewhere.db"
    with only_station(tmp_path / "one", database):
        sentence = rf"The database {database} is busy: .* a station uses it"
        with pytest.raises(BusyError, match=sentence), only_station(tmp_path / "two", f"sqlite:///{database}"):
            pass
        with (
            only_station(tmp_path / "one", "postgresql://host/name"),
            only_station(tmp_path / "one", "postgresql://h/n"),
        ):
            pass
    with only_station(tmp_path / "two", database):
        pass


def test_a_home_that_is_gone_is_not_made_again_while_a_station_runs(tmp_path: Path) -> None:
    with only_station(tmp_path / "home", tmp_path / "home" / "feedback.db"):
        shutil.rmtree(tmp_path / "home")
        with pytest.raises(DiskError, match="it is gone"):
            write_atomic(tmp_path / "home" / "cache" / "facts", b"")
        (tmp_path / "home").mkdir()  # so that the lock can be let go in peace
        elsewhere(tmp_path / "home" / ".station.json", pid=os.getpid(), started=started(os.getpid()))
    assert not (tmp_path / "home" / "cache").exists()
