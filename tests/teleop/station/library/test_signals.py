"""Curves of an episode, as the player plots them."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.tasks import TASKS
from teleop.station.library import signals
from teleop.station.library.signals import names_of, signals_of
from tests.data.making import episode, meta


def test_each_curve_has_the_values_of_its_steps(home: Path) -> None:
    whole = episode("e1", steps=12, action_names=("x", "y", "gripper"))
    dataset = Dataset(home / "demos", create=True)
    dataset.add(whole)
    found = signals_of(home / "demos" / "episodes" / "e1.parquet")
    rows = {row["title"]: row for row in found["rows"]}
    assert list(rows) == ["Action", "Gripper", "Force", "Reward"]
    assert [line["name"] for line in rows["Action"]["lines"]] == ["x", "y"]
    np.testing.assert_allclose(rows["Action"]["lines"][1]["values"], whole.action[:, 1], atol=1e-4)
    np.testing.assert_allclose(rows["Gripper"]["lines"][0]["values"], whole.action[:, 2], atol=1e-4)
    force = whole.signals["contact_force"][:, 0]
    np.testing.assert_allclose(rows["Force"]["lines"][0]["values"], force, atol=1e-4)
    assert (rows["Force"]["unit"], rows["Force"]["high"]) == ("N", pytest.approx(float(force.max())))
    np.testing.assert_allclose(rows["Reward"]["lines"][0]["values"], whole.reward, atol=1e-4)


def test_long_episodes_have_fewer_points(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MOST", 5)
    whole = episode("e1", steps=12)
    Dataset(home / "demos", create=True).add(whole)
    found = signals_of(home / "demos" / "episodes" / "e1.parquet")
    assert found["every"] == 3
    reward = next(row for row in found["rows"] if row["title"] == "Reward")
    np.testing.assert_allclose(reward["lines"][0]["values"], whole.reward[::3], atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_columns_are_called_as_their_task_calls_them(task: str) -> None:
    names = TASKS[task].action_names
    assert names_of(meta(task=task), len(names)) == list(names)
    assert names_of(meta(task=f"{task}@arm6"), len(names)) == list(names)


def test_columns_without_names_are_numbered() -> None:
    assert names_of(meta(task="Pusher-v5"), 2) == ["action 1", "action 2"]
    assert names_of(meta(task="reach"), 9)[0] == "action 1"  # recorded with others
