"""`robo-rlhf samples`: stopped and resumed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli import samples
from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset

COMMAND = ["samples", "--tasks", "reach", "--episodes", "3", "--sessions", "1", "--no-pace", "--json"]


def test_what_was_recorded_is_not_recorded_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    real = samples.Samples._run

    def stopped(self: samples.Samples, task: str, raw: Dataset, wanted: int, tell: Callable[[int], None]) -> Any:
        for number in range(2):
            done.append(samples.record_one(task, raw.path, samples.FIRST_SEED + number, pace=False).id)
        raise KeyboardInterrupt

    old = Dataset(home / "samples" / "reach", create=True, task="reach")
    with monkeypatch.context() as patch:
        patch.setattr(samples.Samples, "_run", stopped)
        assert main(COMMAND) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped; run the same command to continue"
    assert len(old) == 0  # until the new ones are complete
    raw = Dataset(home / ".samples-reach" / "raw")
    times = {f"reach-{samples.FIRST_SEED + i}": raw.info(name).meta.started for i, name in enumerate(done)}

    def goes_on(self: samples.Samples, task: str, raw: Dataset, wanted: int, tell: Callable[[int], None]) -> Any:
        assert sorted(samples._recorded_before(raw, task)) == [samples.FIRST_SEED, samples.FIRST_SEED + 1]
        return real(self, task, raw, wanted, tell)

    monkeypatch.setattr(samples.Samples, "_run", goes_on)
    assert main(COMMAND) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["kept"] == 3
    made = Dataset(home / "samples" / "reach")
    assert {name: made.info(name).meta.started for name in times} == times
    assert not (home / ".samples-reach").exists()
