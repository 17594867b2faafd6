import json
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.main import main
from robo_rlhf.feedback.store import Store
from tests.feedback.busy import fill

GROUP = [name for name in COMMANDS if name.startswith("feedback ")]


@pytest.fixture
def busy(home: Path) -> Path:
    with Store(home / "feedback.db") as store:
        fill(store)
    return home


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("name", GROUP)
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert f"robo-rlhf {name}" in capsys.readouterr().out.partition("Example:")[2]


@pytest.mark.usefixtures("busy")
def test_stats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "stats"]) == 0
    text = capsys.readouterr().out
    assert "anna" in text
    assert "people asked the same agree in" in text
    assert main(["feedback", "stats", "--run", "run", "--json"]) == 0
    (found,) = rows(capsys)
    assert [person["name"] for person in found["people"]] == ["anna", "ben"]
    assert found["people"][1]["gold"]["hits"] == 0


@pytest.mark.usefixtures("home")
def test_nothing_yet(capsys: pytest.CaptureFixture[str]) -> None:
    for command, text in (("stats", "No answers yet."), ("questions", "Nothing was asked yet.")):
        assert main(["feedback", command]) == 0
        assert text in capsys.readouterr().out


@pytest.mark.usefixtures("busy")
def test_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "questions", "--json"]) == 0
    assert [row["run"] for row in rows(capsys)] == ["all", "run"]
    assert main(["feedback", "questions", "--run", "all", "--json"]) == 0
    kinds = {row["kind"]: row for row in rows(capsys)}
    assert set(kinds) == {"ranking", "rating", "approval", "moments", "correction"}
    assert kinds["approval"]["clips"] == ["approval-0-0[5:55]"]
    assert main(["feedback", "questions", "--run", "run", "--unanswered", "--limit", "2", "--json"]) == 0
    assert len(rows(capsys)) == 2


def test_export_and_import(busy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for format in ("jsonl", "parquet"):
        out = tmp_path / format
        assert main(["feedback", "export", str(out), "--format", format, "--json"]) == 0
        counts = {row["file"]: row["rows"] for row in rows(capsys)}
        assert counts[f"answers.{format}"] == 17
        other = tmp_path / f"{format}.db"
        assert main(["feedback", "import", str(out), "--database", str(other), "--json"]) == 0
        assert {row["table"]: row["new"] for row in rows(capsys)}["answers"] == 17
        with Store(busy / "feedback.db") as mine, Store(other) as theirs:
            assert mine.answers() == theirs.answers()


def test_broken_rows_are_told(busy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "answers.jsonl").write_text("{\n")
    assert main(["feedback", "import", str(folder)]) == 4
    told = capsys.readouterr()
    assert "answers.jsonl" in told.out
    assert told.err == "error: 1 rows are broken; nothing was imported\n"
    assert main(["feedback", "import", str(tmp_path / "nowhere")]) == 5
    assert busy.exists()


def test_the_database_can_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "team.db") as store:
        fill(store)
    monkeypatch.setenv("ROBO_RLHF_DATABASE", str(tmp_path / "team.db"))
    assert main(["feedback", "questions", "--json"]) == 0
    assert len(rows(capsys)) == 2


@pytest.mark.usefixtures("home")
def test_settings_are_shown_set_and_unset(capsys: pytest.CaptureFixture[str]) -> None:
    def settings(*options: str) -> dict[str, tuple[float, str]]:
        assert main(["feedback", "settings", *options, "--json"]) == 0
        return {row["setting"]: (row["value"], row["said by"]) for row in rows(capsys)}

    assert settings()["overlap"] == (1, "usual")
    assert settings("--set", "overlap=2", "lease=60")["overlap"] == (2, "all tasks")
    assert settings("--task", "lift", "--set", "overlap=5")["overlap"] == (5, "lift")
    found = settings("--task", "lift", "--unset", "overlap")
    assert (found["overlap"], found["lease"], found["repeat_gap"]) == (
        (2, "all tasks"),
        (60, "all tasks"),
        (20, "usual"),
    )
    for wrong in (["--set", "overlap"], ["--set", "colour=1"], ["--set", "overlap=2", "--unset", "overlap"]):
        assert main(["feedback", "settings", *wrong]) == 2
        capsys.readouterr()
    assert main(["feedback", "settings"]) == 0
    assert "settings of all tasks" in capsys.readouterr().out
