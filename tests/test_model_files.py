from pathlib import Path

import pytest

from robo_rlhf.errors import CheckpointMismatchError, InvalidValueError, UnknownNameError
from robo_rlhf.model_files import Model, ModelFiles
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.registry import Registry
from robo_rlhf.rewards.checkpoint import load_meta, load_reward, new_reward, save_reward
from robo_rlhf.runs import read_checkpoint, write_checkpoint

KINDS: Registry[type[Model]] = Registry("toy", "tests.policies")
FILES = ModelFiles("toy", KINDS, "Make one")


@KINDS.register("plain")
class Plain(Model):
    kind = "plain"

    def __init__(self, obs_dim: int, act_dim: int, *, width: int = 3) -> None:
        super().__init__(obs_dim, act_dim, width=width)


def test_a_model_comes_back_with_its_settings_and_what_was_remembered(tmp_path: Path) -> None:
    FILES.save(FILES.new("plain", 4, 2, {"width": 5}), tmp_path / "a", {"task": "lift", "seed": 7})
    found = FILES.load(tmp_path / "a", task="lift", act_dim=2)
    assert (found.obs_dim, found.act_dim, found.settings) == (4, 2, {"width": 5})
    assert FILES.meta(tmp_path / "a")["seed"] == 7


@pytest.mark.parametrize("name", ["policy", "reward"])
def test_a_setting_or_kind_of_a_later_version_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    if name == "policy":
        save_policy(new_policy("gaussian", 3, 2, {}), path, {"task": "lift"})
    else:
        save_reward(new_reward("ensemble", 3, 2, {}), path, {"task": "lift"})
    load = load_policy if name == "policy" else load_reward
    arrays, meta = read_checkpoint(path)
    meta[name]["settings"]["colour"] = 1
    write_checkpoint(path, arrays, meta)
    with pytest.raises(InvalidValueError, match="got colour"):
        load(path)
    meta[name]["kind"] = "newer"
    write_checkpoint(path, arrays, meta)
    with pytest.raises(UnknownNameError, match="newer"):
        load(path)


def test_a_policy_is_no_reward_model(tmp_path: Path) -> None:
    save_policy(new_policy("gaussian", 3, 2, {}), tmp_path / "policy", {"task": "lift"})
    with pytest.raises(CheckpointMismatchError, match="expected a reward model, it holds policy, task"):
        load_meta(tmp_path / "policy")
