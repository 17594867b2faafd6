import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from teleop.station.home.summary import HomeSummary

OLD = 1_700_000_000.0


def make_dataset(home: Path, name: str, episodes: int, changed: float = OLD) -> None:
    folder = home / name / "episodes"
    folder.mkdir(parents=True)
    (home / name / "dataset.json").write_text(json.dumps({"task": "reach"}))
    for number in range(episodes):
        (folder / f"reach-{number:04}.parquet").touch()
    (folder / ".reach-9999.parquet.1.partial").touch()
    for path in (folder, home / name / "dataset.json", home / name):
        os.utime(path, (changed, changed))


def make_run(home: Path, name: str, changed: float, result: dict[str, object] | None = None) -> Path:
    folder = home / "runs" / name
    (folder / "round-1" / "finetune").mkdir(parents=True)
    (folder / "config.json").write_text('{"task": "stack"}')
    (folder / "round-1" / "finetune" / "config.json").write_text("{}")
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (changed, changed))
    return folder


def test_nothing_there(tmp_path: Path) -> None:
    assert HomeSummary(tmp_path / "home").datasets(6) == ([], 0)
    assert HomeSummary(tmp_path / "home").runs(6) == ([], 0)


def test_datasets_are_those_that_changed_last(tmp_path: Path) -> None:
    for number in range(4):
        make_dataset(tmp_path, f"samples/set{number}" if number % 2 else f"set{number}", number, OLD + number)
    (tmp_path / "not-a-dataset").mkdir()
    make_dataset(tmp_path, "runs/pick_place-0", 5)
    make_dataset(tmp_path, ".hidden", 5)
    seen, count = HomeSummary(tmp_path).datasets(3)
    assert count == 4
    assert [(item.name, item.episodes, item.newest) for item in seen] == [
        ("samples/set3", 3, "reach-0002"),
        ("set2", 2, "reach-0001"),
        ("samples/set1", 1, "reach-0000"),
    ]
    assert seen[0].task == "reach"
    assert seen[0].changed == OLD + 3
    assert not seen[0].ships


def test_samples_that_ship_come_last_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, shipped = tmp_path / "home", tmp_path / "shipped"
    monkeypatch.setattr("robo_rlhf.core.files.SHIPPED", shipped)
    make_dataset(home, "mine", 1, OLD)
    make_dataset(home, "samples/reach", 2, OLD)
    make_dataset(shipped, "samples/reach", 24, OLD + 9)
    make_dataset(shipped, "samples/stack", 24, OLD + 9)
    make_dataset(shipped, "feedback", 24, OLD + 9)
    seen, count = HomeSummary(home).datasets(9)
    assert [(item.name, item.ships) for item in seen] == [
        ("mine", False),
        ("samples/reach", False),
        ("samples/stack", True),
    ]
    assert count == 3


def test_what_changes_is_seen_at_once(tmp_path: Path) -> None:
    overview = HomeSummary(tmp_path)
    make_dataset(tmp_path, "first", 1)
    assert overview.datasets(9)[0][0].episodes == 1
    for number in (7, 8):  # within one step of the clock of the file system
        (tmp_path / "first" / "episodes" / f"reach-000{number}.parquet").touch()
        assert overview.datasets(9)[0][0].newest == f"reach-000{number}"
    (tmp_path / "first" / "episodes" / "reach-0008.parquet").unlink()
    assert overview.datasets(9)[0][0].episodes == 2
    make_dataset(tmp_path, "samples/second", 1)
    assert overview.datasets(9)[1] == 2


def test_runs_tell_how_far_they_are(tmp_path: Path) -> None:
    result = {"before": {"success": {"value": 0.45}}, "after": {"success": {"value": 0.96}}}
    make_run(tmp_path, "done", OLD, result)
    make_run(tmp_path, "stopped", OLD + 1)
    make_run(tmp_path, "at-work", time.time() - 5)
    (tmp_path / "runs" / "a-file").touch()
    seen, count = HomeSummary(tmp_path).runs(9)
    assert count == 3
    assert [(run.name, run.task, run.state, run.stage, run.before, run.after) for run in seen] == [
        ("at-work", "stack", "working", "round-1/finetune", None, None),
        ("stopped", "stack", "stopped", "round-1/finetune", None, None),
        ("done", "stack", "finished", "", 0.45, 0.96),
    ]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"task": 3}', '{"before": 3, "after": {"success": null}}', "\xff"])
def test_damaged_files_are_looked_over(text: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path, "odd", OLD)
    make_dataset(tmp_path, "odd", 1)
    for path in (folder / "config.json", folder / "result.json", tmp_path / "odd" / "dataset.json"):
        path.write_bytes(text.encode("latin-1"))
    overview = HomeSummary(tmp_path)
    assert overview.runs(9)[0][0].name == "odd"
    assert overview.datasets(9)[0][0].name == "odd"


def seconds(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def test_ten_thousand_datasets_runs_and_episodes_are_read_once(tmp_path: Path) -> None:
    for number in range(2_000):
        make_dataset(tmp_path, f"set{number}", 0)
    make_dataset(tmp_path, "large", 10_000, OLD + 1)
    overview = HomeSummary(tmp_path)
    assert overview.datasets(6)[1] == 2_001
    assert overview.datasets(6)[0][0].episodes == 10_000
    again = min(seconds(lambda: overview.datasets(6)) for _ in range(3))
    assert again < 0.15  # of this thread's own work; 0.02 s when it was written
