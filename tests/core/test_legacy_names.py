"""Files of earlier versions are still read, and names of earlier versions are answered with today's name."""

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core import legacy_names
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import read_checkpoint, with_defaults, write_checkpoint
from robo_rlhf.pipeline.config import PipelineConfig, preset, presets
from robo_rlhf.policies import POLICIES
from robo_rlhf.training_tools.settings import RewardSettings, SACSettings


def leaves(config: Any) -> set[str]:
    found = set()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        found |= {field.name} | (leaves(value) if dataclasses.is_dataclass(value) else set())
    return found


def test_every_new_name_is_one_and_no_old_name_is() -> None:
    now = leaves(PipelineConfig()) | leaves(SACSettings()) | leaves(RewardSettings()) | {"mask_delay"}
    now |= {name for kind in POLICIES.values() for name in inspect.signature(kind).parameters}
    assert set(legacy_names.SETTINGS.values()) <= now
    assert not set(legacy_names.SETTINGS) & now
    assert set(legacy_names.KINDS.values()) <= set(POLICIES)
    assert set(legacy_names.PRESETS.values()) <= set(presets())


def test_old_settings_are_read_at_any_depth() -> None:
    stored = {"caution": 0.7, "tries": 4, "scratch": {"restraint": 0.1, "shown": 0.25}, "teacher": {"minds": "tilt"}}
    stored["clone"] = {"policy": "flow", "settings": {"near": 0.02, "execute": 3}}
    found = with_defaults(stored, PipelineConfig())
    assert found["uncertainty_penalty"] == 0.7
    assert found["self_imitation_rounds"] == 4
    assert (found["sac"]["correction_penalty"], found["sac"]["demonstration_share"]) == (0.1, 0.25)
    assert found["teacher"]["style_costs"] == "tilt"
    assert found["clone"]["settings"] == {"symlog": 0.02, "execution_horizon": 3}
    assert set(found) == {field.name for field in dataclasses.fields(PipelineConfig)}


def test_old_checkpoints_are_read(tmp_path: Any) -> None:
    base = {"base_kind": "flow", "base_settings": {"near": 0.02, "execute": 3}}
    meta = {"task": "reach", "partial": 2, "policy": {"kind": "squashed", "obs_dim": 2, "settings": base}}
    write_checkpoint(tmp_path / "old.safetensors", {"policy/base.near.scale": np.ones(2, np.float32)}, meta)
    arrays, found = read_checkpoint(tmp_path / "old.safetensors")
    assert list(arrays) == ["policy/base.symlog.scale"]
    assert found["mask_delay"] == 2
    assert found["policy"]["kind"] == "tanh_gaussian"
    assert found["policy"]["settings"]["base_settings"] == {"symlog": 0.02, "execution_horizon": 3}


def test_an_old_preset_is_answered_with_the_new_name() -> None:
    with pytest.raises(InvalidValueError, match="sample_efficient, as it is called now"):
        preset("sparing")
