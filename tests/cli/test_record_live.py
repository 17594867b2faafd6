"""`robo-rlhf record` with a device that a person holds, in a terminal that the test types into."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from tests.teleop.terminals import Screen, screen

IN_TERMINAL = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "from robo_rlhf.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
PATIENCE = 60.0  # [s] for a process to import the simulator on a busy machine


@contextmanager
def recording(person: Screen, home: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `robo-rlhf record` in the terminal of `person`."""
    file = os.open(person.path, os.O_RDWR | os.O_NOCTTY)
    command = [sys.executable, "-c", IN_TERMINAL, "record", "--task", "reach", "--home", str(home), *options]
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name} | {"TERM": "xterm"}
    process = subprocess.Popen(command, stdin=file, stdout=file, stderr=file, start_new_session=True, env=environment)
    os.close(file)
    try:
        yield process
        person.until(lambda: process.poll() is not None, PATIENCE)
    finally:
        process.kill()
        process.wait()
        person.serve(0.05)


def sees(person: Screen, text: str) -> Callable[[], bool]:
    """Return whether a text stands on the screen since now."""
    begin = len(person.written)
    return lambda: text.encode() in person.written[begin:]


def press(person: Screen, code: int, seconds: float = 0.0) -> None:
    """Hold a key for a while, in the kitty protocol."""
    person.type(f"\x1b[{code};1:1u")
    person.serve(seconds)
    person.type(f"\x1b[{code};1:3u")


def test_an_operator_at_a_terminal_keeps_discards_brings_back_and_goes_back(home: Path) -> None:
    with screen() as person, recording(person, home, "--device", "keyboard", "--operator", "ada", "--seed", "5") as it:
        person.until(sees(person, "ready"), PATIENCE)
        assert b"Pictures are in the browser form" in person.written
        began = sees(person, "recording")
        press(person, ord("w"), 0.5)
        person.until(began)
        press(person, ord(" "))
        person.until(sees(person, "closed"))
        kept = sees(person, "kept 1")
        press(person, ord("k"))
        person.until(kept)
        press(person, ord("s"), 0.3)
        discarded = sees(person, "discarded 1")
        press(person, ord("x"))
        person.until(discarded)
        back = sees(person, "is open again")
        press(person, ord("z"))
        person.until(back)
        again = sees(person, "kept 2")
        press(person, ord("k"))
        person.until(again)
        press(person, ord("a"), 1.5)
        person.until(sees(person, "recording"))
        paused = sees(person, "paused")
        press(person, 127)  # back by a second
        person.until(paused)
        press(person, ord("d"), 0.3)
        note = sees(person, "Note: ")
        press(person, ord("n"))
        person.until(note)
        person.type("\x1b[104;1:1uello\x1b[13;1:1u")
        person.serve(0.3)
        last = sees(person, "kept 3")
        press(person, ord("k"))
        person.until(last)
        press(person, ord("e"), 0.3)
        person.type(b"\x1b[99;5u")  # Ctrl-C
    assert it.returncode == 0
    assert b"\x1b[?1049l" in person.written
    assert b"in the dataset" in person.written.rpartition(b"\x1b[?1049l")[2]
    dataset = Dataset(home / "reach")
    assert not dataset.recovery.recovered
    kept_ones = [info.meta for info in dataset.list() if not {"interrupted", "abandoned"} & set(info.meta.tags)]
    assert {(meta.operator, meta.device) for meta in kept_ones} == {("ada", "keyboard")}
    assert kept_ones[0].seed == 5
    assert any(meta.note == "hello" for meta in kept_ones)
    assert any(meta.parent for meta in kept_ones)  # it went on from a second before
    first = dataset.load(kept_ones[0].id)
    assert (first.source == Source.HUMAN).all()
    assert first.action[:5, 0].any()
    assert first.action[-1, -1] in (0.0, 1.0) or first.action.shape[1] == 3


def test_it_stops_when_enough_are_kept_and_prints_json(home: Path) -> None:
    with (
        screen(releases=False) as person,
        recording(person, home, "--device", "keyboard", "-n", "1", "--json") as it,
    ):
        person.until(sees(person, "ready"), PATIENCE)
        for _ in range(8):
            person.type("w")
            person.serve(0.05)
        person.type("k")
    assert it.returncode == 0
    (row,) = json.loads(person.written.rpartition(b"\x1b[?1049l")[2])
    assert (row["kept"], row["in the dataset"]) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_is_closed_keeps_the_open_episode(home: Path, number: signal.Signals) -> None:
    with screen() as person, recording(person, home, "--device", "keyboard") as it:
        person.until(sees(person, "ready"), PATIENCE)
        began = sees(person, "recording")
        press(person, ord("w"), 0.5)
        person.until(began)
        it.send_signal(number)
    assert it.returncode == 0
    dataset = Dataset(home / "reach")
    (info,) = dataset.list()
    assert (info.meta.outcome, info.meta.tags) == ("aborted", ("interrupted",))
    assert not dataset.recovery.recovered


@pytest.mark.slow
def test_kill_9_of_the_terminal_keeps_the_open_episode(home: Path) -> None:
    with screen() as person, recording(person, home, "--device", "keyboard") as it:
        person.until(sees(person, "ready"), PATIENCE)
        began = sees(person, "recording")
        press(person, ord("w"), 0.5)
        person.until(began)
        it.kill()
    deadline = time.monotonic() + PATIENCE
    while not list((home / "reach" / "episodes").glob("*.parquet")):  # the session closes it by itself
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (info,) = Dataset(home / "reach").list()
    assert info.meta.tags == ("interrupted",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "keyboard", "--no-pace"], "--no-pace: expected a device other than the keyboard"),
        (["--only-successes"], "--only-successes: expected a device other than the browser"),
        (["-n", "3"], "--episodes: expected a device other than the browser"),
        (["--device", "gamepad", "--set", "sped=3"], "Unknown option of device gamepad 'sped'. Did you mean 'speed'?"),
        (["--device", "gamepad", "--set", "speed"], "--set: expected NAME=VALUE"),
        (["--device", "gamepad", "--set", "speed=fast"], "option speed: expected a int, got 'fast'"),
        (["--device", "scripted", "--policy", "x"], "--policy: expected a device that a person holds"),
        (["--device", "replay"], "episode to replay: expected DATASET/ID"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    home: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--task", "reach", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("device", ["gamepad", "spacemouse"])
def test_a_device_that_is_missing_is_said_with_its_code(
    home: Path, device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--task", "reach", "--device", device, "--set", f"path={tmp_path / 'none'}"]) == 9
    assert "is missing" in capsys.readouterr().err


def test_a_replay_says_how_far_it_was_off(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--task", "reach", "--device", "scripted", "--no-pace", "-n", "1", "--seed", "4"]) == 0
    (first,) = Dataset(home / "reach").load_all()
    replay = ["record", "--task", "reach", "--device", "replay", "--set", f"episode=reach/{first.meta.id}"]
    assert main([*replay, "--dataset", "again", "--no-pace"]) == 0
    assert "the replay has the same states bit for bit" in capsys.readouterr().err
    (again,) = Dataset(home / "again").load_all()
    assert again.state.tobytes() == first.state.tobytes()


def test_the_browser_form_serves_the_page_that_drives(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Path, str]] = []

    def serve(options: object, home: Path, path: str = "/") -> int:
        served.append((home, path))
        return 0

    monkeypatch.setattr("robo_rlhf.cli.serve.run_station", serve)
    assert main(["record", "--task", "reach", "--seed", "7", "--dataset", "more/mine"]) == 0
    assert served == [(home.absolute(), "/operate?task=reach&dataset=more%2Fmine&seed=7&start=1")]


def test_help_names_every_key_and_button(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for said in ("K: keep", "pad right: keep", "right, or Fit: keep", "Space: gripper", "Example:"):
        assert said in text
