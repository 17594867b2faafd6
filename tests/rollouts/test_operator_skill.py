"""How well each person shows a task."""

from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.rollouts import operator_skill
from robo_rlhf.rollouts.operator_skill import skill_of_operators
from tests.toy import demonstrations


def by(operator: str, episodes: list[Episode], device: str = "browser") -> list[Episode]:
    made = []
    for i, episode in enumerate(episodes):
        name, when = f"{operator}-{device}-{i}", f"2026-01-{i + 1:02d}T00:00:00Z"
        meta = replace(episode.meta, id=name, operator=operator, device=device, finished=when)
        made.append(replace(episode, meta=meta))
    return made


def test_a_steady_operator_succeeds_more_often_and_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = demonstrations(12, noise=0.0, pause=0.0)
    shaky = demonstrations(8, first_seed=50, noise=1.0, pause=0.6)
    Dataset(tmp_path / "mine", create=True, task="toy").add_many(by("anna", steady[:8]) + by("ben", shaky))
    Dataset(tmp_path / "more", create=True, task="toy").add_many(by("anna", steady[8:], "gamepad"))
    Dataset(tmp_path / "samples" / "toy", create=True, task="toy").add_many(by("shipped", steady[:3]))
    Dataset(tmp_path / "rolled", create=True, task="toy").add_many(by("run", steady[:5], "policy"))
    anna, ben = skill_of_operators(tmp_path, "toy")
    assert (anna.operator, anna.shown.episodes, ben.operator, ben.shown.episodes) == ("anna", 12, "ben", 8)
    first, second = anna.as_json(), ben.as_json()
    assert first["success"]["value"] == 1.0
    assert first["success"]["low"] < 1.0
    assert second["success"]["value"] < first["success"]["low"]
    assert second["seconds"] is None or second["seconds"]["value"] > first["seconds"]["high"]
    assert 0 < first["jerk"]["low"] <= first["jerk"]["value"] <= first["jerk"]["high"]
    assert skill_of_operators(tmp_path, "reach") == []
    monkeypatch.setattr(operator_skill, "NEWEST", 3)
    assert [skill.shown.episodes for skill in skill_of_operators(tmp_path, "toy")] == [3, 3]
