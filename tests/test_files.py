import json
import os
from pathlib import Path

import pytest

from robo_rlhf.errors import CorruptFileError, InvalidValueError
from robo_rlhf.files import read_json, write_json


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"note": "seal: é", "inner": {"seal": 1}, "numbers": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", dict) == value
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["seal", *value]
    write_json(tmp_path / "b.json", [value])
    assert read_json(tmp_path / "b.json", list) == [value]


def test_a_file_without_a_seal_is_read(tmp_path: Path) -> None:
    (tmp_path / "by-hand.json").write_text('{"note": "x"}')
    assert read_json(tmp_path / "by-hand.json", dict) == {"note": "x"}


def test_a_digit_that_changed_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"rate": 0.1})
    path.write_text(path.read_text().replace("0.1", "0.7"))
    with pytest.raises(CorruptFileError, match=r"its checksum does not fit\)\. .* remove its seal"):
        read_json(path, dict)
    path.write_text(path.read_text().replace('"seal":', '"zeal":'))
    with pytest.raises(CorruptFileError, match="checksum"):
        read_json(path, dict)
    start = path.read_text().index('"zeal"')
    path.write_text(path.read_text()[:start] + path.read_text()[start:].split(", ", 1)[-1].split(",\n", 1)[-1])
    with pytest.raises(CorruptFileError, match="its seal is missing"):
        read_json(path, dict)
    path.write_text(path.read_text().rstrip("\n"))  # changed by hand, as the sentence says
    assert read_json(path, dict) == {"rate": 0.7}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "it is nested too deeply"),
        ("[1]", "it holds no JSON object"),
        ("{", "Expecting property name"),
        ("\xff", "can't decode"),
    ],
)
def test_what_is_no_object_is_a_sentence(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CorruptFileError, match=reason):
        read_json(tmp_path / "a.json", dict)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CorruptFileError, match="it is a pipe and no file"):
        read_json(tmp_path / "pipe", dict)
    with pytest.raises(CorruptFileError, match="it is a folder and no file"):
        read_json(tmp_path, dict)
    with pytest.raises(CorruptFileError, match="it is a socket or a device and no file"):
        read_json(Path("/dev/zero"), dict)


def test_a_sentence_does_not_repeat_all_that_was_given() -> None:
    text = str(InvalidValueError("name", "x" * 50_000, "a short one"))
    assert len(text) < 1600
    assert text.startswith("name: expected a short one, got xxx")
