"""Saving and loading policies."""

from robo_rlhf.core.model_files import ModelFiles
from robo_rlhf.policies import POLICIES

_FILES = ModelFiles("policy", POLICIES, "Train a policy with `robo-rlhf train bc`")
new_policy, save_policy, load_policy, load_meta = _FILES.new, _FILES.save, _FILES.load, _FILES.meta
