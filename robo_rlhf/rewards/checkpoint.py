"""Reward models as files: weights in safetensors, everything needed to build the model again in the header."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robo_rlhf.errors import CheckpointMismatchError, InvalidValueError, NotFoundError
from robo_rlhf.learning import pack_module, unpack_module
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.runs import read_checkpoint, write_checkpoint
from robo_rlhf.types import Array

PREFIX = "reward"


def new_reward(kind: str, obs_dim: int, act_dim: int, settings: Mapping[str, Any]) -> RewardModel:
    """Build an untrained reward model; its weights are drawn from torch's global generator (see `learning.seeded`).

    Raises:
        UnknownNameError: no such kind.
        InvalidValueError: a setting that this kind does not have.
    """
    build = REWARDS[kind]
    known = list(inspect.signature(build).parameters)[2:]  # after obs_dim and act_dim
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InvalidValueError(f"settings of reward model {kind}", ", ".join(unknown), f"some of {', '.join(known)}")
    return build(obs_dim, act_dim, **settings)


def save_reward(model: RewardModel, path: Path, meta: Mapping[str, Any]) -> None:
    """Write a reward model atomically. `meta` is a JSON object: "task", and whatever else should be remembered."""
    described = {"kind": model.kind, "obs_dim": model.obs_dim, "act_dim": model.act_dim, "settings": model.settings}
    write_checkpoint(path, pack_module(PREFIX, model), {**meta, PREFIX: described})


def load_meta(path: Path) -> dict[str, Any]:
    """Return the JSON object that was saved beside a reward model: "task", and whatever else.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is truncated or not a checkpoint.
    """
    return _read(path)[1]


def load_reward(
    path: Path, *, task: str | None = None, obs_dim: int | None = None, act_dim: int | None = None
) -> RewardModel:
    """Build the model that `save_reward` wrote. What is given of `task`, `obs_dim` and `act_dim` must agree with it.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is truncated or not a checkpoint.
        UnknownNameError: a kind of reward model that is not known here.
        CheckpointMismatchError: it is of another task or of other shapes, or holds no reward model.
    """
    arrays, meta = _read(path)
    if PREFIX not in meta:
        raise CheckpointMismatchError(path, "a reward model", ", ".join(sorted(meta)) or "nothing")
    found = meta[PREFIX]
    holds = {"task": meta.get("task"), "obs_dim": found["obs_dim"], "act_dim": found["act_dim"]}
    given = {"task": task, "obs_dim": obs_dim, "act_dim": act_dim}
    wanted = holds | {name: value for name, value in given.items() if value is not None}
    if wanted != holds:
        raise CheckpointMismatchError(path, _text(wanted), _text(holds))
    model = REWARDS[found["kind"]](found["obs_dim"], found["act_dim"], **found["settings"])
    try:
        unpack_module(PREFIX, model, arrays)
    except RuntimeError as error:
        expected = f"the weights of a reward model {found['kind']} with settings {found['settings']}"
        raise CheckpointMismatchError(path, expected, " ".join(str(error).split())) from error
    return model.eval()


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    if not path.exists():
        raise NotFoundError("checkpoint", path, "Train a reward with `robo-rlhf train reward`, or give another path.")
    return read_checkpoint(path)


def _text(shapes: Mapping[str, Any]) -> str:
    task, obs_dim, act_dim = shapes["task"], shapes["obs_dim"], shapes["act_dim"]
    return f"a reward model for {task} with observations ({obs_dim},) and actions ({act_dim},)"
