from dataclasses import replace

from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.recipe.version import recipe_version


def test_another_seed_or_number_of_evaluation_episodes_is_the_same_recipe() -> None:
    config = PipelineConfig()
    version = recipe_version(config)
    assert version == recipe_version(replace(config, seed=3, episodes=20, dataset="mine"))
    assert version != recipe_version(replace(config, labels=100))
    assert version != recipe_version(replace(config, finetune=replace(config.finetune, std=0.05)))
    assert version.split("-")[0].isdigit()
