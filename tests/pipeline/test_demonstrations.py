"""Which demonstrations a run imitates where no dataset is named, and that it keeps those that it took."""

import dataclasses
import json
from pathlib import Path

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.config import preset
from robo_rlhf.pipeline.demonstrations import ENOUGH, default_explained, own_demonstrations, usual_dataset
from tests.data.making import episode


def recorded(home: Path, name: str, successes: int, *, task: str = "reach", device: str = "browser") -> None:
    """Record a dataset of so many successes and one failure."""
    dataset = Dataset(home / name, create=True, task=task)
    for place in range(successes + 1):
        one = episode(f"{name.replace('/', '-')}-{place}", steps=3, seed=place)
        outcome = "success" if place < successes else "failure"
        dataset.add(
            dataclasses.replace(one, meta=dataclasses.replace(one.meta, task=task, device=device, outcome=outcome))
        )


def test_own_demonstrations_are_the_default_where_they_are_enough(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "reach-0"
    assert usual_dataset("reach", run, tmp_path) == "samples/reach"
    recorded(tmp_path, "reach", ENOUGH - 1)
    recorded(tmp_path, "rollouts", ENOUGH + 5, device="policy")
    recorded(tmp_path, "samples/reach", ENOUGH + 5)
    recorded(tmp_path, "kitchen", ENOUGH + 5, task="push")
    assert own_demonstrations(tmp_path, "reach") == {"reach": ENOUGH - 1}
    assert usual_dataset("reach", run, tmp_path) == "samples/reach"
    recorded(tmp_path, "monday", ENOUGH)
    assert usual_dataset("reach", run, tmp_path) == "monday"
    assert "in monday; --dataset samples/reach" in default_explained(preset("tiny", task="reach", dataset="monday"))
    assert "from 10 successes on" in default_explained(preset("tiny", task="reach", dataset="samples/reach"))


def test_a_run_keeps_the_dataset_that_it_began_with(tmp_path: Path) -> None:
    recorded(tmp_path, "monday", ENOUGH)
    for began in ("", "tuesday"):  # "" is what earlier versions wrote, and means the samples
        run = tmp_path / "runs" / f"began-{began}"
        run.mkdir(parents=True)
        (run / "config.json").write_text(json.dumps({"dataset": began}))
        assert usual_dataset("reach", run, tmp_path) == began
