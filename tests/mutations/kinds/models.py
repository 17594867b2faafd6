"""Policies, rewards, value functions, and training states."""

import copy
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robo_rlhf.core.runs import Run, read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import RewardTrainer, fit
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from robo_rlhf.rewards.value import ValueFunction, load_value, save_value
from robo_rlhf.training import bc, ppo, sac
from tests.mutations.harness import Kind, forge_json
from tests.rewards.making import answered, ensemble, linear
from tests.toy import ToyEnv, demonstrations

SMALL: dict[str, Any] = {"width": 8}


def forge(rng: random.Random, path: Path) -> None:
    """Write a whole and sealed checkpoint of something else."""
    arrays, meta = read_checkpoint(path)
    name = rng.choice(sorted(arrays))
    value = arrays[name]
    match rng.randrange(8):
        case 0:
            del arrays[name]
        case 1:
            arrays[f"{name}x"] = arrays.pop(name)
        case 2:
            arrays[name] = np.concatenate([value.reshape(-1), value.reshape(-1)])
        case 3:
            with np.errstate(invalid="ignore"):  # of what is infinite
                arrays[name] = value.astype(rng.choice([np.float64, np.int32, np.bool_, np.complex64]))
        case 4:
            spoilt = value.astype(np.float32).copy()
            spoilt.reshape(-1)[rng.randrange(max(spoilt.size, 1)) :] = rng.choice([np.nan, np.inf])
            arrays[name] = spoilt
        case 5:
            arrays[name] = value.reshape(-1)[:0]
        case _:
            meta = forge_json(rng, meta)
            meta = meta if isinstance(meta, dict) else {"meta": meta}
    write_checkpoint(path, arrays, meta)


def _values(model: torch.nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def _plain(stored: tuple[Mapping[str, Array], Mapping[str, Any]]) -> Any:
    return {name: (str(value.dtype), value.shape, value.tobytes()) for name, value in stored[0].items()}, stored[1]


def _policy(kind: str, **settings: Any) -> Kind:
    def make(folder: Path) -> None:
        save_policy(new_policy(kind, 6, 2, SMALL | settings), folder / "p.safetensors", {"task": "toy", "seed": 3})

    def read(folder: Path) -> Any:
        policy = load_policy(folder / "p.safetensors", task="toy")
        return policy.kind, dict(policy.settings), _values(policy)

    return Kind(f"policy {kind}", make, "*", read, forge=forge)


def _make_reward(folder: Path) -> None:
    save_reward(new_reward("ensemble", 6, 2, {**SMALL, "members": 2}), folder / "r.safetensors", {"task": "toy"})


def _read_reward(folder: Path) -> Any:
    reward = load_reward(folder / "r.safetensors", obs_dim=6)
    return dict(reward.settings), _values(reward)


def _training(name: str, begin: Callable[[Path], object], go_on: Callable[[Path], Any]) -> Kind:
    return Kind(name, begin, "run/checkpoints/training.safetensors", go_on, forge=forge)


CONFIG = bc.Config(policy="gaussian", settings=SMALL, updates=3, batch=8, save_every=2, warmup=1)
SHOWN = demonstrations(1)
FIT = FitSettings(updates=4, updates_blind=4, batch=4, check_every=2)


def _imitate(folder: Path) -> Any:
    run = Run(folder / "run", CONFIG)
    bc.train(CONFIG, run, SHOWN)
    return _plain(read_checkpoint(run.checkpoint_path("policy")))


def _imitate_half(folder: Path) -> None:
    _imitate(folder)
    (folder / "run" / "result.json").unlink()


def _reward(obs: Array, action: Array, next_obs: Array) -> Array:
    return next_obs[..., 0].astype(np.float32)


class _StoppedError(Exception):
    """Stops a training after its first checkpoint."""


def _stop(done: int, total: int, metrics: Mapping[str, float]) -> None:
    raise _StoppedError


def _finetuning(algorithm: Any, actor: TrainedPolicy, settings: Mapping[str, Any], **given: Any) -> Kind:
    """The state of PPO or SAC after one iteration of two; the second is done with what is read."""
    config = algorithm.Config(num_envs=2, iterations=2, save_every=1, critic_width=8, **settings)

    def train(folder: Path, progress: Any = None) -> Any:
        run = Run(folder / "run", config)
        algorithm.train(config, run, ToyEnv(2), copy.deepcopy(actor), _reward, progress=progress, **given)
        return _plain(read_checkpoint(run.checkpoint_path("policy")))

    def make(folder: Path) -> None:
        with suppress(_StoppedError):
            train(folder, _stop)

    return _training(f"training by {config.ALGORITHM}", make, train)


def _learn_reward(folder: Path) -> Any:
    clips, examples = answered(12, 0, linear)
    trainer = RewardTrainer(ensemble(width=4), clips, [examples], FIT, seed=0)
    fit(trainer, Run(folder / "run", {}), save_every=2)
    return _values(trainer.model)


KINDS = [
    _policy("gaussian"),
    _policy("flow", history=2, chunk=4),
    Kind("reward", _make_reward, "*", _read_reward, forge=forge),
    Kind(
        "value",
        lambda folder: save_value(ValueFunction(6, 8), folder / "v.safetensors", "toy"),
        "*",
        lambda folder: _values(load_value(folder / "v.safetensors")),
        forge=forge,
    ),
    _training("training of a policy", _imitate_half, _imitate),
    _training("training of a reward", _learn_reward, _learn_reward),
    _finetuning(ppo, new_policy("gaussian", 6, 2, SMALL), {"epochs": 1, "minibatch": 32, "warmup_epochs": 1}),
    _finetuning(
        sac,
        new_policy("tanh_gaussian", 6, 2, SMALL),
        {"updates": 0.05, "batch": 16, "capacity": 200, "members": 2},
        demonstrations=SHOWN,
    ),
]
