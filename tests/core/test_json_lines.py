import json
import warnings
from pathlib import Path

import pytest

from robo_rlhf.core.errors import FileWarning
from robo_rlhf.core.json_lines import append_line, cut_torn_line, read_lines, row_of, sealed_line, sealed_lines

ROWS = [{"step": step, "loss": 1 / step, "note": "ä seal: 0"} for step in range(1, 4)]


def anything(row: dict[str, object]) -> bool:
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    for row in ROWS:
        append_line(path, row)
    return path


def test_round_trip_and_one_form(path: Path) -> None:
    assert read_lines(path, anything) == ROWS
    assert path.read_bytes() == sealed_lines(ROWS)
    assert json.loads(path.read_text().splitlines()[0])["step"] == 1  # still JSON lines for any other reader
    assert read_lines(path.with_name("none"), anything) == []


def test_every_flipped_bit_of_a_line_is_noticed() -> None:
    line = bytearray(sealed_line(ROWS[0])[:-1])
    for place in range(8 * len(line)):
        line[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"."):
            row_of(bytes(line))
        line[place // 8] ^= 1 << place % 8
    assert row_of(bytes(line)) == ROWS[0]


def test_a_damaged_line_is_told_and_the_others_are_read(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"loss": 0.5', b'"loss": 0.7'))
    with pytest.warns(FileWarning, match=r"damaged in line 2: its checksum does not fit. The other lines are used"):
        assert read_lines(path, anything) == [ROWS[0], ROWS[2]]
    path.write_bytes(b"[" * 100_000 + b"\n" + content + b"{}\n")
    with pytest.warns(FileWarning, match="line 1: it is nested too deeply, and 1 more"):
        assert read_lines(path, lambda row: "step" in row) == ROWS


def test_lines_of_earlier_versions_are_read_and_half_a_line_is_cut_off(path: Path) -> None:
    old = [{"step": row["step"], "loss": row["loss"]} for row in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in old) + '{"step": 4')
    with warnings.catch_warnings(action="error"):
        assert read_lines(path, anything) == old
        cut_torn_line(path)
        append_line(path, {"step": 4})
        assert read_lines(path, anything) == [*old, {"step": 4}]
