"""Saving and loading reward models."""

from robo_rlhf.core.model_files import ModelFiles
from robo_rlhf.rewards import REWARDS

_FILES = ModelFiles("reward", REWARDS, "Train a reward with `robo-rlhf train reward`")
new_reward, save_reward, load_reward, load_meta = _FILES.new, _FILES.save, _FILES.load, _FILES.meta
