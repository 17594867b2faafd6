"""Policies as files: weights in safetensors, everything needed to build the policy again in the header."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robo_rlhf.errors import CheckpointMismatchError, InvalidValueError, NotFoundError
from robo_rlhf.learning import pack_module, unpack_module
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.runs import read_checkpoint, write_checkpoint
from robo_rlhf.types import Array

PREFIX = "policy"


def new_policy(kind: str, obs_dim: int, act_dim: int, settings: Mapping[str, Any]) -> TrainedPolicy:
    """Build an untrained policy; its weights are drawn from torch's global generator (see `learning.seeded`).

    Raises:
        UnknownNameError: no such kind.
        InvalidValueError: a setting that this kind does not have.
    """
    build = POLICIES[kind]
    known = list(inspect.signature(build).parameters)[2:]  # after obs_dim and act_dim
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InvalidValueError(f"settings of policy {kind}", ", ".join(unknown), f"some of {', '.join(known)}")
    return build(obs_dim, act_dim, **settings)


def save_policy(policy: TrainedPolicy, path: Path, meta: Mapping[str, Any]) -> None:
    """Write a policy atomically. `meta` is a JSON object: "task", and whatever else should be remembered with it."""
    write_checkpoint(path, pack_module(PREFIX, policy), {**meta, PREFIX: describe(policy)})


def load_policy(
    path: Path, *, task: str | None = None, obs_dim: int | None = None, act_dim: int | None = None
) -> TrainedPolicy:
    """Build the policy that `save_policy` wrote. What is given of `task`, `obs_dim` and `act_dim` must agree with it.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is truncated or not a checkpoint.
        CheckpointMismatchError: it is of another task or of other shapes, or holds no policy.
    """
    arrays, meta = _read(path)
    found = meta[PREFIX]
    given = {"task": task, "obs_dim": obs_dim, "act_dim": act_dim}
    holds = {"task": meta.get("task"), "obs_dim": found["obs_dim"], "act_dim": found["act_dim"]}
    wanted = {name: value for name, value in given.items() if value is not None}
    if any(holds[name] != value for name, value in wanted.items()):
        raise CheckpointMismatchError(path, _text(holds | wanted), _text(holds))
    return build_policy(found, arrays, path)


def load_meta(path: Path) -> dict[str, Any]:
    """Return what was remembered with a policy: "task", "policy" (kind, shapes, settings) and the rest."""
    return _read(path)[1]


def describe(policy: TrainedPolicy) -> dict[str, Any]:
    """Return what `build_policy` needs besides the weights, as a JSON object."""
    return {
        "kind": policy.kind,
        "obs_dim": policy.obs_dim,
        "act_dim": policy.act_dim,
        "settings": dict(policy.settings),
    }


def build_policy(description: Mapping[str, Any], arrays: Mapping[str, Array], path: Path) -> TrainedPolicy:
    """Build a policy out of `describe` and `pack_module`; `path` is where they were read, for the error.

    Raises:
        UnknownNameError: its kind is not registered here.
        InvalidValueError: it has a setting that this version does not know.
        CheckpointMismatchError: the weights do not fit the description.
    """
    policy = new_policy(*(description[key] for key in ("kind", "obs_dim", "act_dim", "settings")))
    try:
        unpack_module(PREFIX, policy, arrays)
    except RuntimeError as error:
        wanted = f"the weights of a {policy.kind} policy with settings {dict(policy.settings)}"
        raise CheckpointMismatchError(path, wanted, " ".join(str(error).split())) from error
    return policy.eval()


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    if not path.exists():
        raise NotFoundError("checkpoint", path, "Train a policy with `robo-rlhf train bc`, or give another path.")
    arrays, meta = read_checkpoint(path)
    if PREFIX not in meta:
        raise CheckpointMismatchError(path, "a policy", f"{', '.join(sorted(meta)) or 'nothing'}")
    return arrays, meta


def _text(shapes: Mapping[str, Any]) -> str:
    task, obs_dim, act_dim = shapes["task"], shapes["obs_dim"], shapes["act_dim"]
    return f"a policy for {task} with observations ({obs_dim},) and actions ({act_dim},)"
