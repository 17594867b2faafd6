"""Data homes for benches that run whole jobs."""

import os
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"


def with_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data home with the samples; ROBO_RLHF_BENCH_HOME keeps it, so that what is done is not done again."""
    kept = os.environ.get("ROBO_RLHF_BENCH_HOME")
    path = Path(kept) if kept else tmp_path_factory.mktemp("home")
    path.mkdir(parents=True, exist_ok=True)
    if not (path / "samples").exists():
        (path / "samples").symlink_to(SAMPLES)
    return path
