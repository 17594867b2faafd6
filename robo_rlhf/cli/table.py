"""Output of a command: one list of rows, as a table for people or as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence

PIPE_WIDTH = 200  # [columns] where no terminal reports a width

Row = Mapping[str, object]


class Moment(str):
    """A time as it is stored: ISO 8601, UTC. A table shows it to the minute."""

    @staticmethod
    def of(time: str | None) -> "Moment | None":
        """Return a stored time, where there is one."""
        return Moment(time) if time else None


def print_rows(rows: Sequence[Row], *, as_json: bool, title: str = "", empty: str = "Nothing here yet.") -> None:
    """Print rows that all have the keys of the first: its keys are the headings.

    Args:
        rows: values of any JSON type; anything else is printed by `str`.
        as_json: print one JSON array of objects and nothing else.
        title: printed above the table; not in the JSON.
        empty: printed instead of a table without rows.
    """
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=2, ensure_ascii=False, default=str))
        return
    if not rows:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(cell_text(row[name])) for name in rows[0]))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def cell_text(value: object) -> str:
    """Return a value as a table shows it: four significant digits, times to the minute, yes and no, a dash for None."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Moment():
            return value[:16].replace("T", " ")
        case list() | tuple():
            return ", ".join(map(cell_text, value))
        case _:
            return str(value)
