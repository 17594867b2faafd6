import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from robo_rlhf.cli import COMMANDS, CONTINUES, STAYS, STOPPED
from robo_rlhf.cli.main import DEBUG_VARIABLE, main
from robo_rlhf.core.errors import DiskFullError, NotFoundError

ROOT = Path(__file__).parents[2]
Answer = Callable[[], int]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Answer], None]:
    """Register a command for one test; it does what it is given."""
    COMMANDS.discover()
    monkeypatch.setattr(COMMANDS, "_items", dict(COMMANDS._items))

    def add(name: str, answer: Answer) -> None:
        @COMMANDS.register(name)
        @dataclass(frozen=True)
        class Command:
            """Do what the test says.

            Example:
                robo-rlhf something --times 2   # as written
            """

            times: int = 1
            """How often."""
            quiet: bool = False
            """Say nothing."""

            def __call__(self) -> int:
                return max(answer() for _ in range(self.times))

    return add


def test_the_overview_names_every_command_and_tells_what_single_ones_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    for name, command in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        row = next(i for i, line in enumerate(shown) if line.startswith(f"  {group} ... " if group else f"  {name} "))
        said = last if group else (command.__doc__ or "").splitlines()[0]
        assert said in " ".join(shown[row : row + 2])


@pytest.mark.parametrize("group", sorted({name.split()[0] for name in COMMANDS if " " in name} - {*COMMANDS}))
def test_a_group_tells_what_each_of_its_commands_does(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group, "--help"]) == 0
    shown = capsys.readouterr().out
    for name in (name for name in COMMANDS if name.startswith(f"{group} ")):
        assert re.search(rf"^  {name} +{re.escape((COMMANDS[name].__doc__ or '').splitlines()[0])}$", shown, re.M)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "{None}" not in shown, "what may be left out is shown by its type"
    _, found, example = shown.partition("Example:\n")
    assert found, f"the docstring of {name} has no example"
    assert example.startswith(f"    robo-rlhf {name}"), example


def test_the_overview_loads_nothing_heavy() -> None:
    code = (
        "import sys; from robo_rlhf.cli.main import main; main(['--help']); "
        "print([m for m in ('torch', 'mujoco', 'pyarrow', 'cv2', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("robo-rlhf ")


def test_no_command_shows_the_overview_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docter"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Unknown command 'docter'. Did you mean 'doctor'? Choose one of: ")


def test_a_wrong_option_suggests_the_nearest(
    register: Callable[[str, Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    register("something", lambda: 0)
    assert main(["something", "--tims", "2"]) == 2
    assert "--times" in capsys.readouterr().err


def test_options_and_the_exit_code_go_through(register: Callable[[str, Answer], None]) -> None:
    calls = []

    def answer() -> int:
        calls.append(None)
        return 9

    register("something", answer)
    assert main(["something", "--times", "3", "--quiet"]) == 9
    assert len(calls) == 3


def test_groups_show_what_is_in_them(
    register: Callable[[str, Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    register("things list", lambda: 0)
    register("things drop", lambda: 0)
    assert main(["things", "list"]) == 0
    assert main(["things"]) == 2
    assert main(["things", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "things drop" in shown
    assert "doctor" not in shown
    assert main(["things", "lsit"]) == 2
    assert "Unknown command 'things lsit'. Did you mean 'things list'?" in capsys.readouterr().err


def test_an_error_is_one_line_and_an_exit_code(
    register: Callable[[str, Answer], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise NotFoundError("dataset", "smaples", "See\nrobo-rlhf episodes list.")

    register("something", fail)
    assert main(["something"]) == NotFoundError.exit_code
    assert capsys.readouterr().err == "error: No dataset 'smaples'. See robo-rlhf episodes list.\n"
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    assert main(["something"]) == NotFoundError.exit_code
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_says_what_it_leaves(
    register: Callable[[str, Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    register("something", interrupted)
    assert main(["something"]) == 130
    assert capsys.readouterr().err == "stopped; nothing was changed\n"


def test_only_what_goes_on_is_said_to_go_on() -> None:
    said = {name: getattr(COMMANDS[name], "stopped", STOPPED) for name in COMMANDS}
    moving = {f"episodes {name}" for name in ("export", "import", "merge", "copy", "split", "push", "pull")}
    assert {name for name, text in said.items() if text == CONTINUES} == {
        "run", "train bc", "train cpl", "train dagger", "train ppo", "train sac", "train reward", "arena", "evaluate",
        "rollout", "samples", "sweep", "runs push", "runs pull",
        *moving,
    }  # fmt: skip
    assert {name for name, text in said.items() if text == STAYS} == {
        "record", *(name for name in COMMANDS if name.startswith("episodes ") and name not in moving)
    }  # fmt: skip
    assert set(said.values()) == {CONTINUES, STAYS, STOPPED}


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EACCES, 1), (errno.ENOSPC, DiskFullError.exit_code)], ids=["denied", "full"]
)
def test_a_file_that_the_system_refuses_is_one_line(
    number: int, code: int, register: Callable[[str, Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> int:
        raise OSError(number, os.strerror(number), "/data/feedback.db")

    register("something", refused)
    assert main(["something"]) == code
    assert capsys.readouterr().err == f"error: {os.strerror(number)} (/data/feedback.db)\n"


def test_a_fault_of_the_program_is_not_hidden(register: Callable[[str, Answer], None]) -> None:
    def broken() -> int:
        raise ZeroDivisionError

    register("something", broken)
    with pytest.raises(ZeroDivisionError):
        main(["something"])


def test_a_reader_that_leaves_is_no_complaint() -> None:
    command = f"{sys.executable!r} -m robo_rlhf.cli.main --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 141)  # 0: all was written before the reader left
    assert done.stderr == ""


def test_options_before_the_command_are_told_from_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", "here", "doctor"]) != 0
    assert "a command first, then its options" in capsys.readouterr().err


def test_help_lists_the_options_of_the_command_itself_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert (
        shown.index("--task")
        < shown.index("--labels INT")
        < shown.index("--cameras STR")
        < shown.index("--cluster STR")
    )
