"""Contract of every reward model, on small networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.contracts.reward import ACT_DIM, CONTRACT, OBS_DIM, L, RewardTrial, inputs, tensors
from robo_rlhf.core.errors import (
    CheckpointMismatchError,
    CorruptFileError,
    InvalidValueError,
    NonFiniteError,
    NotFoundError,
    ShapeError,
    UnknownNameError,
)
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward


def make(kind: str) -> RewardModel:
    with seeded(0):
        return new_reward(kind, OBS_DIM, ACT_DIM, REWARDS[kind].example)


@pytest.fixture(params=list(REWARDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def model(kind: str) -> RewardModel:
    return make(kind)


@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(kind: str, clause: Any) -> None:
    assert REWARDS[kind].kind == kind
    clause(RewardTrial(REWARDS[kind]))


def test_predict_standardises_over_what_it_was_shown(model: RewardModel) -> None:
    arrays = inputs(50)
    model.fit_normalizer(torch.from_numpy(arrays[0].reshape(-1, OBS_DIM)))
    model.fit_output(model(*tensors(arrays)).detach().flatten(1))
    mean, std = model.predict(*arrays)
    assert mean.shape == std.shape == (50, L)
    assert mean.dtype == std.dtype == np.float32
    assert mean.mean() == pytest.approx(0, abs=1e-4)
    assert (std >= 0).all()
    first, _ = model.predict(*(x[:, 0] for x in arrays))
    assert first.shape == (50,)


def test_predict_refuses_other_shapes_and_nan(model: RewardModel) -> None:
    obs, action, after = inputs()
    with pytest.raises(
        ShapeError, match=r"action for a reward model: expected shape \(5, 11, 3\), got shape \(5, 11, 2\)"
    ):
        model.predict(obs, action[..., :2], after)
    with pytest.raises(ShapeError, match="obs for a reward model"):
        model.predict(obs[None], action[None], after[None])
    for place, array in (("obs", obs), ("action", action), ("next_obs", after)):
        broken = array.copy()
        broken[1, 2, 0] = np.nan
        with pytest.raises(NonFiniteError, match="A reward is not finite"):
            model.predict(**{"obs": obs, "action": action, "next_obs": after, place: broken})


def test_nan_in_the_data_is_refused(model: RewardModel) -> None:
    with pytest.raises(NonFiniteError, match=r"An observation is not finite \(data for a reward model\)"):
        model.fit_normalizer(torch.full((3, OBS_DIM), torch.nan))


def test_checkpoint_round_trip(model: RewardModel, tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    arrays = inputs()
    model.fit_normalizer(torch.from_numpy(arrays[0].reshape(-1, OBS_DIM)))
    model.fit_output(model(*tensors(arrays)).detach().flatten(1))
    model.temperature.fill_(1.7)
    save_reward(model, path, {"task": "reach"})
    again = load_reward(path, task="reach", obs_dim=OBS_DIM, act_dim=ACT_DIM)
    assert again.settings == model.settings
    assert float(again.temperature) == pytest.approx(1.7)
    for before, after in zip(model.predict(*arrays), again.predict(*arrays), strict=True):
        np.testing.assert_array_equal(before, after)


def test_checkpoint_of_other_shapes_or_another_task(model: RewardModel, tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    save_reward(model, path, {"task": "reach"})
    with pytest.raises(CheckpointMismatchError) as error:
        load_reward(path, task="lift", obs_dim=9)
    assert str(error.value) == (
        f"Checkpoint {path} does not fit: expected a reward model for lift with observations (9,) and actions (3,), "
        "it holds a reward model for reach with observations (7,) and actions (3,). "
        "Train one for this task or name another."
    )
    with pytest.raises(CheckpointMismatchError, match=r"actions \(4,\)"):
        load_reward(path, act_dim=4)


def test_weights_that_do_not_fit_their_description(model: RewardModel, tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    save_reward(model, path, {"task": "reach"})
    arrays, meta = read_checkpoint(path)
    meta["reward"]["settings"]["members"] = 2
    write_checkpoint(path, arrays, meta)
    with pytest.raises(CheckpointMismatchError, match="size mismatch"):
        load_reward(path)


def test_files_that_are_no_reward_model(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    with pytest.raises(NotFoundError, match="No checkpoint"):
        load_reward(path)
    policy: TrainedPolicy = new_policy("gaussian", OBS_DIM, ACT_DIM, {"width": 8})
    save_policy(policy, path, {"task": "reach"})
    with pytest.raises(CheckpointMismatchError, match="expected a reward model, it holds policy, task"):
        load_reward(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptFileError):
        load_reward(path)


def test_unknown_kinds_and_settings(kind: str) -> None:
    with pytest.raises(UnknownNameError, match="Unknown reward model 'ensembel'"):
        new_reward("ensembel", OBS_DIM, ACT_DIM, {})
    with pytest.raises(InvalidValueError, match=f"settings of reward model {kind}"):
        new_reward(kind, OBS_DIM, ACT_DIM, {"colour": 1})
    with pytest.raises(InvalidValueError, match="members of a reward model: expected at least 1, got 0"):
        new_reward(kind, OBS_DIM, ACT_DIM, {"members": 0})
