"""A budget that is too small is refused before anything is made."""

from pathlib import Path

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.recipe import deciding
from robo_rlhf.pipeline.recipe.speed import Speed
from tests.pipeline.making import fresh_home, short_config


def test_minutes_that_are_not_enough_leave_no_folder(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    before = sorted(path.relative_to(home) for path in home.rglob("*"))
    monkeypatch.setattr(deciding, "measure", lambda config, env, shown: Speed(1.0, 0.01, 0.5, 60))
    with pytest.raises(InvalidValueError, match=r"expected at least \d+, which its \d+ rollouts take.*got 1"):
        run_loop(short_config(minutes=1.0), home / "runs" / "small", home)
    assert sorted(path.relative_to(home) for path in home.rglob("*")) == before
