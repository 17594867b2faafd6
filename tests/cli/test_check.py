"""`robo-rlhf check`: what hangs or crashes harms nothing, and is told with its place."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from tests.contracts.test_guests import line_of
from tests.guesting import at_home


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, which holds the guests; nothing is allowed, and it is not on the path."""
    with at_home(tmp_path / "code", on_path=False) as folder:
        monkeypatch.chdir(folder)
        yield folder


def test_a_guest_of_the_current_folder_keeps_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "my_terms:Effort", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["name"], found["kind"]) == ("my_terms:Effort", "reward term")
    assert {clause["result"] for clause in found["clauses"]} == {"kept"}
    assert said.err == "The reward term my_terms:Effort keeps its contract.\n"


@pytest.mark.parametrize(
    ("name", "written", "sentence"),
    [
        ("Loops", "pass", "it did not come to an end within 3 s"),
        ("Crashes", "os.abort()", "it crashed the process by signal 6, SIGABRT"),
        pytest.param("Generous", "def reward_terms", "reward term 'near' goes from", marks=pytest.mark.slow),
    ],
)
def test_what_is_broken_is_told_with_its_place(
    name: str, written: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = ["--seconds", "3"] if name == "Loops" else []
    assert main(["check", f"broken_tasks:{name}", *seconds]) == 19
    said = capsys.readouterr()
    file = folder / "broken_tasks.py"
    line = line_of(file, written, f"class {name}")
    told = next(text for text in said.err.splitlines() if text.startswith("error: "))
    assert told.startswith(f"error: The task broken_tasks:{name} breaks its contract: ")
    assert sentence in told
    assert any(f"({file}:{place})" in told for place in (line, line - 1))  # an endless loop is in either of two lines
    assert said.out.count("✗") >= 1


@pytest.mark.slow
def test_what_ends_the_process_is_told_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "broken_tasks:Leaves"]) == 19
    assert "it ended the process with exit code 3 (" in capsys.readouterr().err


def test_what_cannot_be_tried_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "broken_import:Thing"]) == 18
    line = line_of(folder / "broken_import.py", "THING =")
    assert f"its import fails with KeyError: 'missing' ({folder}/broken_import.py:{line})" in capsys.readouterr().err
    assert main(["check", "no_such_module:Thing"]) == 9
    assert main(["check", "pick_place", "--seconds", "0"]) == 2
