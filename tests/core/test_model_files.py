import json
import random
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_tensors

from robo_rlhf.core.errors import (
    CheckpointMismatchError,
    CorruptFileError,
    FileWarning,
    InvalidValueError,
    NonFiniteError,
    UnknownNameError,
    VersionError,
)
from robo_rlhf.core.model_files import Model, ModelFiles
from robo_rlhf.core.registry import Registry
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.rewards.checkpoint import load_meta, load_reward, new_reward, save_reward

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


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    save_policy(new_policy("gaussian", 3, 2, {"width": 8}), tmp_path / "policy", {"task": "lift"})
    return tmp_path / "policy"


def test_every_flipped_bit_of_a_policy_is_told(policy: Path) -> None:
    content = policy.read_bytes()
    rng = random.Random(0)
    for bit in rng.sample(range(8 * len(content)), 300):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        policy.write_bytes(damaged)
        with pytest.raises(CorruptFileError):
            load_policy(policy)


def unseal(path: Path, **more: object) -> None:
    """Write a checkpoint as versions before the seal did, with more in its description."""
    arrays, meta = read_checkpoint(path)
    path.write_bytes(save_tensors(arrays, metadata={"meta": json.dumps({**meta, **more})}))


def test_a_policy_of_a_version_without_seals_is_read_with_a_warning_and_sealed_when_written(policy: Path) -> None:
    before = load_policy(policy).state_dict()
    unseal(policy)
    with pytest.warns(FileWarning, match="did not seal its checkpoints") as told:
        found = load_policy(policy)
    assert len(told) == 1
    assert all(torch.equal(value, before[name]) for name, value in found.state_dict().items())
    save_policy(found, policy, {"task": "lift"})
    load_policy(policy)


def test_from_the_new_format_on_a_seal_must_be_there(policy: Path) -> None:
    unseal(policy, format=2)
    with pytest.raises(CorruptFileError, match="its seal is missing"):
        load_policy(policy)


def test_a_later_format_is_told(policy: Path) -> None:
    arrays, meta = read_checkpoint(policy)
    write_checkpoint(policy, arrays, {**meta, "format": 3})
    with pytest.raises(VersionError, match="format version 3, this program reads version 2"):
        load_policy(policy)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value: float, policy: Path) -> None:
    arrays, meta = read_checkpoint(policy)
    arrays["policy/net.0.weight"][0, 0] = value
    write_checkpoint(policy, arrays, meta)
    with pytest.raises(NonFiniteError, match=r"policy/net\.0\.weight is not finite \(.*policy\)\. Use an older"):
        load_policy(policy)


@pytest.mark.parametrize(
    ("settings", "obs_dim"),
    [({"width": 50_000}, 3), ({"layers": 100_000}, 3), ({"width": 2**40}, 3), ({"width": -1}, 3), ({"width": "a"}, 3)],
)
def test_sizes_that_the_file_does_not_explain_are_refused_before_they_take_memory(
    settings: dict[str, object], obs_dim: int, policy: Path
) -> None:
    arrays, meta = read_checkpoint(policy)
    meta["policy"]["settings"] |= settings
    write_checkpoint(policy, arrays, meta)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointMismatchError, match="does not fit: expected the weights of a gaussian policy"):
        load_policy(policy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # [kB]


def test_a_weight_of_another_type_is_refused(policy: Path) -> None:
    arrays, meta = read_checkpoint(policy)
    arrays["policy/net.0.weight"] = arrays["policy/net.0.weight"].astype(np.int32)
    write_checkpoint(policy, arrays, meta)
    with pytest.raises(CheckpointMismatchError, match=r"net\.0\.weight as torch\.int32 in place of torch\.float32"):
        load_policy(policy)
