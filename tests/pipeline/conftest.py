"""A finished short job, made once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from robo_rlhf.rewards import success
from tests.pipeline.making import do, fresh_home, short_config
from tests.sharing import made_once


@contextmanager
def short_success() -> Iterator[None]:
    """Fit heads of success by few updates: each job of two rounds would make a thousand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(success, "UPDATES", 60)
        yield


@pytest.fixture(scope="module", autouse=True)
def _short_success() -> Iterator[None]:
    with short_success():
        yield


@pytest.fixture(scope="session")
def finished(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished short job with its report; not to be written into."""

    def make(folder: Path) -> None:
        with short_success():  # what has the scope of the session comes before what has that of a module
            do(short_config(labels=40), fresh_home(reach_home, folder / "home"), report=True)

    return made_once(tmp_path_factory, "finished", make) / "home" / "runs" / "short"
