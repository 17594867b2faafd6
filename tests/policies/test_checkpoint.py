import pickle
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from robo_rlhf.core.errors import CheckpointMismatchError, CorruptFileError, NotFoundError, UnknownNameError
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.gaussian import GaussianPolicy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_policy(GaussianPolicy(6, 2, width=8), tmp_path / "p.safetensors", {"task": "toy"})
    return tmp_path / "p.safetensors"


def test_another_task_is_refused_with_both_shapes(path: Path) -> None:
    text = (
        r"expected a policy for pick_place with observations \(20,\) and actions \(5,\), "
        r"it holds a policy for toy with observations \(6,\) and actions \(2,\)\. Train one for this task"
    )
    with pytest.raises(CheckpointMismatchError, match=text):
        load_policy(path, task="pick_place", obs_dim=20, act_dim=5)


def test_wrong_shapes_alone_are_refused(path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"observations \(7,\).*holds.*observations \(6,\)"):
        load_policy(path, obs_dim=7)


def test_weights_that_do_not_fit_are_refused(path: Path) -> None:
    arrays, meta = read_checkpoint(path)
    meta["policy"]["settings"]["width"] = 9
    write_checkpoint(path, arrays, meta)
    with pytest.raises(CheckpointMismatchError, match=r"weights of a gaussian policy with settings .*size mismatch"):
        load_policy(path)


def test_unknown_kind_is_named(path: Path) -> None:
    arrays, meta = read_checkpoint(path)
    meta["policy"]["kind"] = "flou"
    write_checkpoint(path, arrays, meta)
    with pytest.raises(UnknownNameError, match=r"Unknown policy 'flou'\. Did you mean 'flow'\?"):
        load_policy(path)


def test_missing_torn_and_other_files(path: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"No policy .*none.*Give a checkpoint"):
        load_policy(tmp_path / "none")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_policy(path)
    write_checkpoint(path, {}, {"reward": {}})
    with pytest.raises(CheckpointMismatchError, match="expected a policy, it holds reward"):
        load_policy(path)


class Stranger:
    """What leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_file_of_a_stranger_is_never_unpickled(
    write: Callable[[Stranger, BinaryIO], object], path: Path, tmp_path: Path
) -> None:
    with path.open("wb") as file:
        write(Stranger(tmp_path / "unpickled"), file)
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_policy(path)
    assert not (tmp_path / "unpickled").exists()
