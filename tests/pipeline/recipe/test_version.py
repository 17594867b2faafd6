from dataclasses import asdict, replace
from typing import Any

import pytest

from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.recipe.version import recipe_version


def test_another_seed_or_number_of_evaluation_episodes_is_the_same_recipe() -> None:
    config = PipelineConfig()
    version = recipe_version(config)
    assert version == recipe_version(replace(config, seed=3, episodes=20, dataset="mine"))
    assert version != recipe_version(replace(config, labels=100))
    assert version != recipe_version(replace(config, finetune=replace(config.finetune, std=0.05)))
    assert version.split("-")[0].isdigit()


def test_a_new_setting_that_is_off_makes_no_new_version(monkeypatch: pytest.MonkeyPatch) -> None:
    version, real = recipe_version(PipelineConfig()), asdict

    def later(config: PipelineConfig) -> dict[str, Any]:
        settings: dict[str, Any] = real(config)
        settings["clone"]["smoothing"], settings["finetune"]["hints"] = 0.0, ()
        return settings

    monkeypatch.setattr("robo_rlhf.pipeline.recipe.version.asdict", later)
    assert recipe_version(PipelineConfig()) == version
    assert recipe_version(PipelineConfig(gate=True)) != version
