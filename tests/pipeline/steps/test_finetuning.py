from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.data.dataset import Dataset
from tests.pipeline.making import do, fresh_home, read, short_config


def test_a_run_practises_from_demonstrations_and_its_report_says_so(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    run = do(short_config(rounds=2, reverse_curriculum=0.5), home, report=True)
    assert [read(run, f"round-{n}/curriculum/result.json")["back"] for n in (1, 2)] == [0.5, 1.0]
    assert "50\u00a0% of the episodes from the middle of demonstrations" in (run / "report.html").read_text()


def test_demonstrations_of_another_scene_are_refused_before_learning(reach_home: Path, tmp_path: Path) -> None:
    home, config = tmp_path / "home", short_config(rounds=2, reverse_curriculum=0.5)
    source = Dataset(reach_home / config.demonstrations)
    other = Dataset(home / config.demonstrations, create=True, task="reach")
    other.add_many(
        [replace(e, meta=replace(e.meta, model_hash="0" * 64)) for e in source.load_all(sorted(source.ids()))]
    )
    with pytest.raises(InvalidValueError, match="of this scene"):
        do(config, home)
    assert not list((home / "runs" / "short").rglob("policy.safetensors"))
