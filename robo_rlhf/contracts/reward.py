"""The contract of reward models, on a small one."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.contracts.clauses import Contract, require, require_array
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward, save_reward

OBS_DIM, ACT_DIM, B, L = 7, 3, 5, 11


class RewardTrial:
    """A kind of reward model on trial."""

    def __init__(self, kind: type[RewardModel]) -> None:
        """Nothing is made yet."""
        self.kind = kind

    def make(self) -> RewardModel:
        """Return an untrained model."""
        with seeded(0):
            return self.kind(OBS_DIM, ACT_DIM, **self.kind.example)


def inputs(batch: int = B, seed: int = 0) -> tuple[Array, Array, Array]:
    """Return observations, actions and next observations of `batch` clips, (batch, L, ...)."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(batch, L + 1, OBS_DIM)).astype(np.float32)
    return obs[:, :-1], rng.uniform(-1, 1, (batch, L, ACT_DIM)).astype(np.float32), obs[:, 1:]


def tensors(arrays: tuple[Array, Array, Array]) -> list[Tensor]:
    """Return the same as tensors of their own."""
    return [torch.from_numpy(array.copy()) for array in arrays]


def rewards_every_member_and_step(trial: RewardTrial) -> None:
    """A reward (E, B, L) float32 for every member and step; members differ from the start."""
    model, forward = trial.make(), trial.kind.forward
    require(model.members > 1, "the example has one member; give it several", trial.kind)
    reward = model(*tensors(inputs()))
    shape = (model.members, B, L)
    require_array(reward.detach().numpy(), "forward", shape, "float32", forward)
    require(reward.std(0).max() > 0, "all members give the same: each needs initial weights of its own", forward)


def members_are_independent(trial: RewardTrial) -> None:
    """Parameters have the ensemble first, and the loss of one member has gradients for it alone."""
    model, forward = trial.make(), trial.kind.forward
    odd = [name for name, parameter in model.named_parameters() if parameter.shape[:1] != (model.members,)]
    require(not odd, f"parameters {odd} do not have the ensemble, {model.members}, as their first axis", trial.kind)
    model(*tensors(inputs()))[1].sum().backward()
    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    require(any(grad[1].any() for grad in grads), "the reward has no gradient", forward)
    others = [0, *range(2, model.members)]
    mixed = any(grad[others].any() for grad in grads)
    require(not mixed, "the reward of one member depends on the parameters of others", forward)


def members_may_see_their_own_clips(trial: RewardTrial) -> None:
    """Inputs with the ensemble first, (E, B, L, ...), are each member's own."""
    model = trial.make()
    own = [torch.stack(c) for c in zip(*(tensors(inputs(seed=e)) for e in range(model.members)), strict=True)]
    together = model(*own)
    for e in range(model.members):
        alone = model(*(x[e] for x in own))[e]
        same = together[e].shape == alone.shape and torch.allclose(together[e], alone, rtol=1e-5, atol=1e-6)
        require(same, "a member is given clips of its own, and its reward is of others", trial.kind.forward)


def later_steps_change_nothing(trial: RewardTrial) -> None:
    """A reward depends on no later step, and on earlier ones only where the model is not `markovian`."""
    model, forward = trial.make(), trial.kind.forward
    arrays = tensors(inputs())
    before = model(*arrays)
    for array in arrays:
        array[:, 5] += 1
    changed = (model(*arrays) - before).abs().amax((0, 1))  # (L,)
    require(changed[5] > 0, "a reward does not depend on its own step", forward)
    require(changed[:5].max() < 1e-6, "a reward depends on later steps", forward)
    alone = bool(changed[6:].max() < 1e-6)
    text = f"markovian is {model.markovian}, and rewards depend on {'no' if alone else ''} earlier steps"
    require(alone == model.markovian, text, trial.kind)


def steps_teach_members_apart(trial: RewardTrial) -> None:
    """The loss on steps without answers is (E,), and has gradients just where the model is `dynamics_aware`."""
    model, loss_of = trial.make(), trial.kind.auxiliary_loss
    obs, action, after = (x.flatten(0, 1).expand(model.members, -1, -1) for x in tensors(inputs()))
    model.fit_steps(obs[0], after[0])
    loss = model.auxiliary_loss(obs, action, after)
    require(loss.shape == (model.members,), f"auxiliary_loss has shape {tuple(loss.shape)}, expected (E,)", loss_of)
    text = f"dynamics_aware is {trial.kind.dynamics_aware}, and auxiliary_loss says otherwise"
    require(loss.requires_grad == trial.kind.dynamics_aware, text, loss_of)
    if not loss.requires_grad:
        return
    loss[1].backward()  # type: ignore[no-untyped-call]
    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    others = [0, *range(2, model.members)]
    require(not any(grad[others].any() for grad in grads), "auxiliary_loss mixes the members", loss_of)
    require(any(grad[1].any() for grad in grads), "auxiliary_loss has no gradient", loss_of)


def same_with_and_without_gradients(trial: RewardTrial) -> None:
    """A prediction is deterministic, and the same with and without gradients."""
    model, arrays = trial.make(), tensors(inputs(300))
    first = model(*arrays)
    with torch.no_grad():
        again = model(*arrays)
    same = torch.allclose(first, again, rtol=1e-5, atol=1e-6)
    require(same, "forward gives another reward when it is called again", trial.kind.forward)


def predicts_finite_rewards(trial: RewardTrial) -> None:
    """Once its scales are set, it predicts mean and deviation of each step, finite, of nothing too."""
    model, arrays = trial.make(), inputs(50)
    obs, action, _ = arrays
    model.fit_normalizer(torch.from_numpy(obs.reshape(-1, OBS_DIM)))
    model.fit_output(model(*tensors(arrays)).detach().flatten(1))
    mean, std = model.predict(*arrays)
    require_array(mean, "the mean of predict", (50, L), "float32", trial.kind)
    require_array(std, "the deviation of predict", (50, L), "float32", trial.kind)
    require(abs(float(mean.mean())) < 1e-4, "predict is not centred over the data that scales were set on", trial.kind)
    require(model.predict(*(x[:0] for x in arrays))[0].shape == (0, L), "predict fails on no clips at all", trial.kind)
    constant = np.tile(obs[:1, :1], (50, L, 1))
    model.fit_normalizer(torch.from_numpy(constant.reshape(-1, OBS_DIM)))
    far, _ = model.predict(constant + 1e6, action, constant)
    require(np.isfinite(far).all(), "columns that hardly vary are amplified beyond all bounds", trial.kind)


def checkpoint_builds_the_same(trial: RewardTrial) -> None:
    """A checkpoint builds the same model again, with its scales."""
    model, arrays = trial.make(), inputs()
    model.fit_normalizer(torch.from_numpy(arrays[0].reshape(-1, OBS_DIM)))
    model.fit_output(model(*tensors(arrays)).detach().flatten(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reward.safetensors"
        save_reward(model, path, {"task": "trial"})
        again = load_reward(path, task="trial", obs_dim=OBS_DIM, act_dim=ACT_DIM)
    require(again.settings == model.settings, "a checkpoint loses settings", trial.kind)
    for before, after in zip(model.predict(*arrays), again.predict(*arrays), strict=True):
        require(np.array_equal(before, after), "a model out of a checkpoint predicts otherwise", trial.kind)


CONTRACT = Contract(
    REWARDS,
    RewardTrial,
    (
        rewards_every_member_and_step,
        members_are_independent,
        members_may_see_their_own_clips,
        later_steps_change_nothing,
        steps_teach_members_apart,
        same_with_and_without_gradients,
        predicts_finite_rewards,
        checkpoint_builds_the_same,
    ),
)
