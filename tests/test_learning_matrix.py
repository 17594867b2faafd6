"""The learning matrix in tests/benchmarks/matrix.py: which rows count, and what is made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import matrix
from tests.benchmarks.matrix import Cell


def row(cell: Cell, cloned: float, final: float, **other: Any) -> dict[str, Any]:
    """A row as `run_cell` makes it."""
    interval = {"value": final, "low": final - 0.05, "high": final + 0.05}
    known = {
        "command": cell.command,
        "recipe": cell.recipe,
        "task": cell.task,
        "arm": cell.arm,
        "seed": cell.seed,
        "processor_s": 120.0,
    }
    return {**known, "cloned": {**interval, "value": cloned}, "final": interval, **other}


def test_the_page_shows_what_the_rows_say() -> None:
    page = matrix.PAGE.read_text()
    assert matrix.with_table(page, matrix.stored_rows()) == page


def test_a_table_is_made_of_rows_of_todays_recipe_alone() -> None:
    first, second = Cell("push", "answers", 0), Cell("push", "answers", 1)
    rows = [row(first, 0.7, 0.8), row(second, 0.5, 0.9), row(Cell("reach", "marks", 2), 1.0, 1.0)]
    rows.append(row(Cell("stack", "answers", 0), 0.1, 0.2, recipe="0-earlier"))
    rows.append(row(Cell("lift", "answers", 0), 0.1, 0.2, command="robo-rlhf run --task lift --labels 100"))
    found = matrix.table(rows).splitlines()[2:]
    assert found == [
        "| push | answers | 0, 1 | 60.0 | 85.0 | 80.0 (75.0 to 85.0) | 2.0 |",
        "| reach | marks | 2 | 100.0 | 100.0 | 100.0 (95.0 to 105.0) | 2.0 |",
    ]
    three = [
        row(Cell(task, "answers", 0), 0.5, final) for task, final in (("lift", 0.4), ("reach", 0.9), ("stack", 1.0))
    ]
    assert matrix.table(three).splitlines()[-1] == (
        "| **3 tasks** | answers | | | **76.7**; interquartile 83.3 | **40.0** | |"
    )
    assert (
        matrix.table([*rows, row(first, 0.0, 0.0)]).splitlines()[2].startswith("| push | answers | 0, 1 | 25.0 | 45.0")
    )


def test_rows_are_added_whole(tmp_path: Path) -> None:
    path, cell = tmp_path / "results" / "matrix.jsonl", Cell("lift", "answers", 3)
    assert matrix.stored_rows(path) == []
    for final in (0.5, 0.6):
        matrix.add_row(row(cell, 0.1, final), path)
    assert [each["final"]["value"] for each in matrix.stored_rows(path)] == [0.5, 0.6]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_every_task_comes_before_the_next_seed() -> None:
    names = [cell.name for cell in matrix.cells(["answers"])]
    assert len(names) == len(set(names)) == 45
    assert {name.rsplit("/", 1)[1] for name in names[:9]} == {"0"}
    assert {name.split("/")[0] for name in names[9:17]} == {"push", "navigate_room"}


def test_every_cell_is_a_command_that_can_be_asked_for() -> None:
    every = matrix.cells()
    assert len({cell.name for cell in every}) == len(every) == 45 + 5 + 5 + 35 + 4 * 10 + 10 + 45
    assert len({cell.recipe for cell in every if cell.seed == 0}) > len(matrix.ARMS)
    (demo,) = [cell for cell in every if cell.name == "pick_place/demo/3"]
    assert demo.command == "robo-rlhf run --task pick_place --demos 6 --labels 200 --minutes 6 --seed 3"
    (door,) = [cell for cell in every if cell.name == "door-open/elsewhere/0"]
    assert (
        door.command
        == "robo-rlhf run --env Meta-World/MT1:door-open-v3@150 --demos 1 --labels 100 --minutes 15 --seed 0"
    )


def test_after_a_command_that_fails_comes_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def run(cell: Cell, home: Path) -> dict[str, Any]:
        tried.append(cell.name)
        raise RuntimeError("no such thing")

    monkeypatch.setattr(matrix, "run_cell", run)
    monkeypatch.setattr(matrix, "stored_rows", list)
    monkeypatch.setenv("ROBO_RLHF_MATRIX_CELLS", "push/answers/[34]")
    monkeypatch.setenv("ROBO_RLHF_BENCH_HOME", str(tmp_path))
    with pytest.raises(AssertionError, match="push/answers/3"):
        matrix.test_fill_the_matrix()
    assert tried == ["push/answers/3", "push/answers/4"]


def test_a_run_that_fails_adds_no_row_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matrix.ARMS, "answers", matrix.Arm(("reach",), words=("--dataset", "nonsense")))
    with pytest.raises(RuntimeError, match="nonsense"):
        matrix.run_cell(Cell("reach", "answers", 0), tmp_path)
    spent = json.loads(next(tmp_path.glob("*.spent.json")).read_text())
    assert spent["sessions"] == 1
    assert spent["wall"] > 0
