import errno
import json
import os
from pathlib import Path

import pytest

from robo_rlhf.core import files
from robo_rlhf.core.errors import (
    CorruptFileError,
    DiskError,
    InvalidValueError,
)
from robo_rlhf.core.files import (
    hold_home,
    make_folder,
    move,
    publish_folder,
    read_if_whole,
    read_json,
    release_home,
    remove,
    require_homes,
    sqlite_file,
    write_atomic,
    write_atomic_many,
    write_json,
)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is synced, in order."""
    found: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_a_folder_is_made_with_its_name_and_those_above_it(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    assert [*synced][-3:] == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    synced.clear()
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a")
    assert synced == []  # known to be on the disk
    make_folder(tmp_path / "a" / "d")
    assert synced == [tmp_path / "a"]


def test_a_folder_that_another_process_made_is_synced_too(tmp_path: Path, synced: list[Path]) -> None:
    (tmp_path / "theirs" / "deep").mkdir(parents=True)
    write_atomic(tmp_path / "theirs" / "deep" / "file", b"x")
    assert synced.index(tmp_path / "theirs") < synced.index(tmp_path / "theirs" / "deep")
    assert tmp_path in synced


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"file cannot be written \(not a directory\)"):
        make_folder(tmp_path / "file")
    with pytest.raises(DiskError, match="not a directory"):
        write_atomic(tmp_path / "file" / "deeper", b"")


def test_moving_and_removing_are_synced_where_it_was_and_where_it_is(tmp_path: Path, synced: list[Path]) -> None:
    write_atomic(tmp_path / "one", b"1")
    synced.clear()
    move(tmp_path / "one", tmp_path / "trash" / "one")
    assert synced == [tmp_path, tmp_path / "trash", tmp_path]  # the new folder's name; the new name; the old one
    synced.clear()
    remove(tmp_path / "trash" / "one")
    assert synced == [tmp_path / "trash"]
    with pytest.raises(FileNotFoundError):
        remove(tmp_path / "trash" / "one")
    remove(tmp_path / "trash" / "one", missing_ok=True)


def test_a_folder_is_published_when_all_in_it_is_on_the_disk(tmp_path: Path, synced: list[Path]) -> None:
    made, target = tmp_path / ".new", tmp_path / "samples"
    for folder, content in ((target, "old"), (made, "new")):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text(content)
    publish_folder(made, target)
    assert (target / "deep" / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples"]
    assert {made, made / "deep", made / "deep" / "file"} <= set(synced[: synced.index(tmp_path)])


def test_a_failed_sync_is_an_error_and_the_old_content_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    sentence = rf"{path} cannot be written \(input/output error\)\. Only data that was confirmed as stored is safe"
    with pytest.raises(DiskError, match=sentence):
        write_atomic(path, b"new")
    with pytest.raises(DiskError):
        write_atomic_many([(path, b"new"), (tmp_path / "other", b"new")])
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(DiskError):
        remove(path)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_a_disk_that_takes_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    for where, name in ((os, "mkdir"), (Path, "write_bytes"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, refuse)
            with pytest.raises(DiskError, match=os.strerror(number).lower()) as caught:
                write_atomic(tmp_path / name / "file", b"x")
            assert caught.value.errno == number
        assert not (tmp_path / name / "file").exists()


def test_a_home_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    hold_home(home)
    try:
        write_atomic(home / "deep" / "file", b"1")
        home.rename(tmp_path / "away")
        for _ in ("gone", "another in its place"):
            with pytest.raises(DiskError, match="it is gone, or another one is in its place"):
                write_atomic(home / "deep" / "file", b"2")
            with pytest.raises(DiskError):
                require_homes(home / "deep")
            home.mkdir(exist_ok=True)
        assert list(home.iterdir()) == []
        home.rmdir()
        (tmp_path / "away").rename(home)  # its disk is back
        write_atomic(home / "deep" / "file", b"2")
    finally:
        release_home(home)
    assert home not in files._homes


def test_which_databases_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_file("postgresql://host/name") is None
    assert sqlite_file("postgresql+psycopg://host/name") is None
    for given in ("sqlite:///a.db", "a.db", Path("a.db"), f"sqlite:///{tmp_path}/a.db", tmp_path / "a.db"):
        assert sqlite_file(given) == tmp_path / "a.db"


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"note": "seal: é", "inner": {"seal": 1}, "numbers": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", dict) == value
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["seal", *value]
    write_json(tmp_path / "b.json", {"rows": [value]}, indent=None)
    assert read_json(tmp_path / "b.json", list, entry="rows") == [value]


def test_what_an_earlier_version_wrote_bare_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[1, 2]\n")
    assert read_json(path, list, entry="rows") == [1, 2]
    path.write_text('{"lines": [1, 2]}')
    with pytest.raises(CorruptFileError, match="it holds no list"):
        read_json(path, list, entry="rows")


@pytest.mark.parametrize("content", ["", "[" * 100_000, "[1]", '{"a": NaN', "\0"])
def test_what_is_made_again_is_empty_where_it_cannot_be_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache.json"
    assert read_if_whole(path) == {}
    path.write_text(content)
    assert read_if_whole(path) == {}
    path.unlink()
    os.mkfifo(path)
    assert read_if_whole(path) == {}


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
