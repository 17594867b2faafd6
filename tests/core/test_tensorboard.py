"""Event files, read back by TensorBoard's own reader."""

import math
import struct
import time
import warnings
from pathlib import Path

import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.core.tensorboard import PATTERN, _masked, step_times

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is its own business
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Return what TensorBoard shows of a folder."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_the_checksum_is_castagnolis() -> None:
    value = (_masked(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (value >> 17 | value << 15) & 0xFFFFFFFF == 0xE3069283


def test_tensorboard_reads_what_a_run_logs(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    for step in range(1, 301):
        run.log(step, {"reward": step / 7, "held_out/accuracy": 1 / step})
    run.log(301, {"reward": math.inf, "wide": 1e300, "ä name": -1.0})
    found = scalars(run.path, "reward")
    assert [step for step, _ in found] == list(range(1, 302))
    times = list(step_times(run.path))
    assert [step for step, _ in times] == list(range(1, 302))
    assert 0 <= times[-1][1] - times[0][1] < time.time() - times[0][1] < 600
    assert found[6] == (7, 1.0)
    assert found[-1][1] == math.inf
    assert scalars(run.path, "held_out/accuracy")[1] == (2, 0.5)
    assert scalars(run.path, "wide") == [(301, math.inf)]
    assert scalars(run.path, "ä name") == [(301, -1.0)]


@pytest.mark.parametrize("torn", [0, 5, 17, 40])
def test_a_run_that_goes_on_shows_no_step_twice(tmp_path: Path, torn: int) -> None:
    first = Run(tmp_path / "run", {})
    for step in range(1, 21):
        first.log(step, {"reward": float(step)})
    (path,) = first.path.glob(PATTERN)
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - torn)  # as a crash may leave it
    again = Run(tmp_path / "run", {})
    again.rewind_metrics(12)
    for step in range(13, 31):
        again.log(step, {"reward": -float(step)})
    expected = [(s, float(s)) for s in range(1, 13)] + [(s, -float(s)) for s in range(13, 31)]
    assert scalars(again.path, "reward") == expected
    assert [(row["step"], row["reward"]) for row in again.metrics()] == expected
    assert len(list(again.path.glob(PATTERN))) == 2


def test_a_reader_that_looks_on_follows_a_run_that_goes_back(tmp_path: Path) -> None:
    first = Run(tmp_path / "run", {})
    for step in range(1, 11):
        first.log(step, {"reward": 0.0})
    reader = EventAccumulator(str(first.path), size_guidance={"scalars": 0})
    reader.Reload()
    again = Run(tmp_path / "run", {})
    again.rewind_metrics(5)
    for step in range(6, 9):
        again.log(step, {"reward": 1.0})
    reader.Reload()
    assert [event.step for event in reader.Scalars("reward")] == list(range(1, 9))


def test_half_a_line_that_a_crash_left_hides_nothing_that_comes_after(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    run.log(1, {"reward": 1.0})
    run.event("begun")
    for name in ("metrics.jsonl", "events.jsonl"):
        with (run.path / name).open("a") as file:
            file.write('{"step": 2, "rew')
    again = Run(tmp_path / "run", {})
    again.log(2, {"reward": 2.0})
    again.event("on")
    assert [row["reward"] for row in again.metrics()] == [1.0, 2.0]
    assert [event["event"] for event in again.events()] == ["begun", "on"]


def test_what_comes_before_the_first_record_is_the_version(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    run.log(1, {"reward": 1.0})
    (path,) = run.path.glob(PATTERN)
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    assert b"brain.Event:2" in content[12 : 12 + length]
