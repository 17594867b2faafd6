"""A finished short job, made once."""

from pathlib import Path

import pytest

from tests.pipeline.making import do, fresh_home, short_config


@pytest.fixture(scope="session")
def finished(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished short job with its report; not to be written into."""
    home = fresh_home(reach_home, tmp_path_factory.mktemp("finished") / "home")
    return do(short_config(labels=40), home, report=True)
