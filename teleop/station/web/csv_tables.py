"""Tables as CSV files for spreadsheets: a cell is never a formula, even if its text comes from a user."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

# By which spreadsheets know a formula; some take the wide signs of East Asian keyboards too.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BLOCK = 500  # rows that are sent at once


def cell(value: object) -> object:
    """Return the text of a cell: text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(STARTS) else text


def as_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Return a table as CSV, some rows at a time, with the mark by which spreadsheets know UTF-8."""
    out = io.StringIO()
    write = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    out.write("\ufeff")
    write.writerow(head)
    for number, row in enumerate(rows, 1):
        write.writerow([cell(value) for value in row])
        if number % BLOCK == 0:
            yield _taken(out)
    yield _taken(out)


def _taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode()
