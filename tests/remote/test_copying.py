import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import ConflictError, NotFoundError, RemoteError
from robo_rlhf.remote.copying import GROUP, pull_dataset, pull_run, push_dataset, push_run
from robo_rlhf.remote.place import CHECKSUMS, RemotePlace, digest_of

MANIFEST = {"format": 1, "task": "reach", "created": "2026-01-01T00:00:00.000+00:00"}
VIDEO = f"videos/{'0' * 32}.mp4"


def nothing(done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """A folder with the files of a dataset, and some that are not sent."""
    folder = tmp_path / "here" / "kitchen"
    for name in ("episodes", "journal", "trash", "videos"):
        (folder / name).mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(MANIFEST))
    for i in range(GROUP + 8):
        (folder / "episodes" / f"e{i:03}.parquet").write_bytes(os.urandom(500))
    (folder / VIDEO).write_bytes(os.urandom(2000))
    (folder / "journal" / "open.arrows").write_bytes(b"x")
    (folder / "episodes" / ".e999.parquet.1.partial").write_bytes(b"x")
    return folder


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty place."""
    yield str(tmp_path / "there") if request.param == "folder" else f"memory://{tmp_path.name}/there"
    fsspec.filesystem("memory").store.clear()


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def sent_of(kitchen: Path) -> dict[str, bytes]:
    return {name: data for name, data in content(kitchen).items() if "journal" not in name and "partial" not in name}


def test_what_was_sent_comes_back_equal_and_nothing_is_sent_twice(kitchen: Path, url: str, tmp_path: Path) -> None:
    assert push_dataset(kitchen, RemotePlace(url), nothing) == GROUP + 8 + 2
    assert push_dataset(kitchen, RemotePlace(url), nothing) == 0
    back = tmp_path / "back"
    assert pull_dataset(RemotePlace(url), back, nothing) == GROUP + 8 + 2
    assert content(back) == sent_of(kitchen)
    assert pull_dataset(RemotePlace(url), back, nothing) == 0


def test_two_places_are_joined_at_a_third(kitchen: Path, url: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(kitchen, other)
    (other / "episodes" / "more.parquet").write_bytes(b"more")
    (kitchen / "episodes" / "mine.parquet").write_bytes(b"mine")
    push_dataset(kitchen, RemotePlace(url), nothing)
    assert push_dataset(other, RemotePlace(url), nothing) == 1
    assert pull_dataset(RemotePlace(url), kitchen, nothing) == 1
    assert (kitchen / "episodes" / "more.parquet").read_bytes() == b"more"


def test_an_episode_of_another_content_is_a_conflict_until_it_is_replaced(
    kitchen: Path, url: str, tmp_path: Path
) -> None:
    push_dataset(kitchen, RemotePlace(url), nothing)
    back = tmp_path / "back"
    pull_dataset(RemotePlace(url), back, nothing)
    (kitchen / "episodes" / "e003.parquet").write_bytes(b"trimmed")
    with pytest.raises(ConflictError, match=r"episodes/e003.parquet there differ .* --replace"):
        push_dataset(kitchen, RemotePlace(url), nothing)
    assert push_dataset(kitchen, RemotePlace(url), nothing, replace=True) == 1
    with pytest.raises(ConflictError, match=r"episodes/e003.parquet here differ"):
        pull_dataset(RemotePlace(url), back, nothing)
    (back / "episodes" / "e003.parquet").unlink()
    assert pull_dataset(RemotePlace(url), back, nothing) == 1
    assert (back / "episodes" / "e003.parquet").read_bytes() == b"trimmed"


def test_a_file_that_was_damaged_there_never_gets_here(kitchen: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    push_dataset(kitchen, RemotePlace(str(there)), nothing)
    (there / "episodes" / "e003.parquet").write_bytes(b"damaged")
    with pytest.raises(RemoteError, match=r"e003.parquet\): its content is not what was sent"):
        pull_dataset(RemotePlace(str(there)), back, nothing)
    assert not (back / "episodes" / "e003.parquet").exists()
    assert not list((back / "episodes").glob(".*"))


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "episodes/../../out", "episodes/.hidden", "a//b", ""])
def test_a_list_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    lists = tmp_path / "there" / CHECKSUMS
    lists.mkdir(parents=True)
    (lists / "1.json").write_text(json.dumps({"format": 1, "files": {name: {"sha256": "0" * 64, "size": 1}}}))
    with pytest.raises(RemoteError, match=r"its list 1.json\): it is damaged"):
        pull_dataset(RemotePlace(str(tmp_path / "there")), tmp_path / "back", nothing)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "9" * 10_000, '{"format": 2, "files": {}}', '{"format": 1, "files": [1]}', "[" * 100_000]
)
def test_a_damaged_list_is_a_sentence(text: str, tmp_path: Path) -> None:
    lists = tmp_path / "there" / CHECKSUMS
    lists.mkdir(parents=True)
    (lists / "1.json").write_text(text)
    with pytest.raises(RemoteError, match=r"its list 1\.json"):
        RemotePlace(str(tmp_path / "there")).listed()


def test_a_place_that_refuses_is_a_sentence_and_what_arrived_counts(
    kitchen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"memory://{tmp_path.name}/there"
    place = RemotePlace(url)
    put, count = place.fs.put_file, 0

    def refusing(*given: str) -> None:
        nonlocal count
        count += 1
        if count > 5:
            raise PermissionError("denied")
        put(*given)

    monkeypatch.setattr(place.fs, "put_file", refusing)
    with pytest.raises(RemoteError, match="does not let this account do that"):
        push_dataset(kitchen, place, nothing)
    monkeypatch.undo()
    assert push_dataset(kitchen, RemotePlace(url), nothing) == GROUP + 8 + 2 - 5
    fsspec.filesystem("memory").store.clear()


def test_a_push_that_is_killed_is_continued(kitchen: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    program = (
        "import sys, time; from pathlib import Path; from robo_rlhf.remote import copying, place\n"
        "copying.GROUP = 4; send = place.RemotePlace.send\n"
        "def slowly(self, *given): time.sleep(0.02); return send(self, *given)\n"
        "place.RemotePlace.send = slowly\n"
        "copying.push_dataset(Path(sys.argv[1]), place.RemotePlace(sys.argv[2]), lambda done, total: None)"
    )
    for at_least in (1, 9, 21):
        worker = subprocess.Popen([sys.executable, "-c", program, str(kitchen), str(there)])
        until = time.monotonic() + 60
        while len(list(there.glob("episodes/*"))) < at_least and worker.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    listed = RemotePlace(str(there)).listed()
    assert all(digest_of(there / name) == one.sha256 for name, one in listed.items()), "what is listed is whole"
    assert 8 <= len(listed) < GROUP + 10
    push_dataset(kitchen, RemotePlace(str(there)), nothing)
    back = tmp_path / "back"
    pull_dataset(RemotePlace(str(there)), back, nothing)
    assert content(back) == sent_of(kitchen)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    folder = tmp_path / "runs" / "mine"
    (folder / "clone" / "checkpoints").mkdir(parents=True)
    for name in ("config.json", "result.json", "clone/checkpoints/policy.safetensors", "alive.json"):
        (folder / name).write_text(name)
    return folder


def test_a_finished_run_comes_back_whole(run: Path, url: str, tmp_path: Path) -> None:
    assert push_run(run, RemotePlace(url), nothing) == 3
    back = tmp_path / "back" / "runs" / "theirs"
    assert pull_run(RemotePlace(url), back, tmp_path / "back" / "aside", nothing) == 3
    assert content(back) == {name: data for name, data in content(run).items() if name != "alive.json"}
    assert not (tmp_path / "back" / "aside").exists()
    with pytest.raises(ConflictError, match="one of that name is here already"):
        pull_run(RemotePlace(url), back, tmp_path / "aside", nothing)


def test_a_run_appears_when_all_of_it_is_there(run: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    push_run(run, RemotePlace(str(there)), nothing)
    kept = (there / "result.json").read_bytes()
    (there / "result.json").write_bytes(b"damaged")
    back, aside = tmp_path / "back" / "theirs", tmp_path / "aside"
    with pytest.raises(RemoteError, match=r"result\.json"):
        pull_run(RemotePlace(str(there)), back, aside, nothing)
    assert not back.exists()
    (there / "result.json").write_bytes(kept)
    pull_run(RemotePlace(str(there)), back, aside, nothing)
    assert (back / "config.json").read_text() == "config.json"


def test_what_cannot_be_sent_or_fetched_is_refused(run: Path, kitchen: Path, tmp_path: Path) -> None:
    place = RemotePlace(str(tmp_path / "there"))
    with pytest.raises(NotFoundError, match="Nothing that was pushed is there"):
        pull_dataset(place, tmp_path / "back", nothing)
    assert not (tmp_path / "back").exists()
    push_run(run, place, nothing)
    with pytest.raises(NotFoundError, match="robo-rlhf runs pull"):
        pull_dataset(place, tmp_path / "back", nothing)
    with pytest.raises(ConflictError, match="A run is there"):
        push_dataset(kitchen, place, nothing)
    (run / "result.json").unlink()
    with pytest.raises(ConflictError, match="only finished runs are sent"):
        push_run(run, RemotePlace(str(tmp_path / "other")), nothing)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://key:secret@bucket/x", "one without a user, a password or a key"),
        ("s3://bucket/x?AWSAccessKeyId=AK", "one without a user, a password or a key"),
        ("sthree://bucket/x", "a folder, or a URL such as s3://bucket/folder"),
        ("https://example.org/x", "files can be written to"),
    ],
)
def test_a_wrong_url_is_told_before_any_work_and_never_repeats_a_secret(
    url: str, sentence: str, reach_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["episodes", "push", "samples/reach", url, "--home", str(reach_home)]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "secret" not in told
    assert "AK" not in told


def test_episodes_are_pushed_and_pulled_by_command(
    reach_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = str(tmp_path / "there")
    assert main(["episodes", "push", "samples/reach", there, "--home", str(reach_home)]) == 0
    assert main(["episodes", "pull", there, "copy", "--home", str(tmp_path)]) == 0
    assert "fetched" in capsys.readouterr().out
    assert main(["episodes", "list", "--dataset", "copy", "--home", str(tmp_path)]) == 0
    assert content(tmp_path / "copy") == {
        name: data
        for name, data in content(reach_home / "samples/reach").items()
        if "/" not in name or "episodes" in name
    }
    assert main(["runs", "push", "none", there, "--home", str(reach_home)]) == 5
