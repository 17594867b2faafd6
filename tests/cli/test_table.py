import json

import pytest

from robo_rlhf.cli.table import cell_text, print_rows

ROWS = [
    {"name": "[red]pick[/red] " + "x" * 90, "success": 0.91234, "kept": True, "note": None},
    {"name": "b", "success": 1.0, "kept": False, "note": "late"},
]


def test_a_table_shows_every_value_whole_even_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, as_json=False, title="Episodes")
    shown = capsys.readouterr().out
    for text in ("Episodes", "[red]pick[/red] " + "x" * 90, "0.9123", "yes", "no", "late"):
        assert text in shown


def test_json_is_one_array_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, as_json=True, title="Episodes")
    assert json.loads(capsys.readouterr().out) == ROWS


def test_no_rows_say_so_or_are_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], as_json=False, empty="No episodes.")
    print_rows([], as_json=True)
    assert capsys.readouterr().out == "No episodes.\n[]\n"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (True, "yes"), (3, "3"), (1234.56789, "1235"), (["a", 0.5], "a, 0.5")]
)
def test_cells(value: object, text: str) -> None:
    assert cell_text(value) == text
