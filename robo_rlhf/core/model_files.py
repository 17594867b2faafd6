"""Files of networks that are registered by name: weights in safetensors, the settings to rebuild it in the header.

Policies and reward models are written alike: `policies/checkpoint.py` and `rewards/checkpoint.py` are one `ModelFiles`
each.
"""

import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NotFoundError
from robo_rlhf.core.learning import pack_module, unpack_module
from robo_rlhf.core.registry import Registry
from robo_rlhf.core.runs import fitting, read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Array

LARGEST = 2**20  # of whole numbers among the settings of a model in a file
SLACK = 2**16  # numbers that a network may have beyond what its file explains


class Model(nn.Module):
    """A network that knows how it was built: from `obs_dim`, `act_dim` and settings that are JSON values."""

    kind: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # settings of a small one, for the contract

    def __init__(self, obs_dim: int, act_dim: int, **settings: Any) -> None:
        """Remember how to build it again."""
        super().__init__()
        self.obs_dim, self.act_dim, self.settings = obs_dim, act_dim, settings


M = TypeVar("M", bound=Model)
DESCRIBED = {"kind": str, "obs_dim": int, "act_dim": int, "settings": dict}  # what a file says of its model


class ModelFiles(Generic[M]):
    """Builds, writes and reads the models of one registry."""

    def __init__(self, key: str, kinds: Registry[type[M]], advice: str) -> None:
        """Keep files of these kinds.

        Args:
            key: what the header calls the description, and the beginning of the names of the weights.
            kinds: what builds them, by name.
            advice: how to make such a file, for the error where it is missing.
        """
        self.key, self.kinds, self.advice = key, kinds, advice

    def new(self, kind: str, obs_dim: int, act_dim: int, settings: Mapping[str, Any]) -> M:
        """Build an untrained model; its weights are drawn from torch's global generator (see `learning.seeded`).

        Raises:
            UnknownNameError: no such kind.
            InvalidValueError: a setting that this kind does not have.
        """
        self._check_settings(kind, settings)
        return self.kinds[kind](obs_dim, act_dim, **settings)

    def _check_settings(self, kind: str, settings: Mapping[str, Any]) -> None:
        known = list(inspect.signature(self.kinds[kind]).parameters)[2:]  # after obs_dim and act_dim
        unknown = ", ".join(sorted(set(settings) - set(known)))
        if unknown:
            raise InvalidValueError(f"settings of {self.kinds.kind} {kind}", unknown, f"some of {', '.join(known)}")

    def save(self, model: M, path: Path, meta: Mapping[str, Any]) -> None:
        """Write a model atomically. `meta` is a JSON object: "task", and whatever else should be remembered with it."""
        described = {"kind": model.kind, "obs_dim": model.obs_dim, "act_dim": model.act_dim}
        described |= {"settings": dict(model.settings)}
        write_checkpoint(path, pack_module(self.key, model), {**meta, self.key: described})

    def load(self, path: Path, *, task: str | None = None, obs_dim: int | None = None, act_dim: int | None = None) -> M:
        """Build the model that `save` wrote; `task`, `obs_dim` and `act_dim`, where given, must agree with it.

        Raises:
            NotFoundError: there is no such file.
            CorruptFileError: the file is damaged or not a checkpoint.
            UnknownNameError: its kind is not known here.
            InvalidValueError: it has a setting that this version does not know.
            CheckpointMismatchError: it is of another task or of other shapes, or holds nothing of these kinds.
            NonFiniteError: a weight is NaN or infinite.
        """
        arrays, meta = self._read(path)
        found = meta[self.key]
        given = {"task": task, "obs_dim": obs_dim, "act_dim": act_dim}
        holds = {"task": meta.get("task"), "obs_dim": found["obs_dim"], "act_dim": found["act_dim"]}
        wanted = holds | {name: value for name, value in given.items() if value is not None}
        if wanted != holds:
            raise CheckpointMismatchError(path, self._text(wanted), self._text(holds))
        self._check_settings(found["kind"], found["settings"])
        expected = f"the weights of a {found['kind']} {self.kinds.kind} with settings {str(found['settings'])[:300]}"
        with fitting(path, expected), bounded(sum(value.size for value in arrays.values())):
            _check_sizes(found)
            model = self.new(found["kind"], found["obs_dim"], found["act_dim"], found["settings"])
            unpack_module(self.key, model, arrays)
        return model.eval()

    def meta(self, path: Path) -> dict[str, Any]:
        """Return what was saved with a model: "task", its kind, shapes and settings, and the rest.

        Raises:
            NotFoundError: there is no such file.
            CorruptFileError: the file is truncated or not a checkpoint.
            CheckpointMismatchError: it holds nothing of these kinds.
        """
        return self._read(path)[1]

    def _read(self, path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
        if not path.exists():
            raise NotFoundError("checkpoint", path, f"{self.advice}, or give another path.")
        arrays, meta = read_checkpoint(path)
        found, expected = meta.get(self.key), f"a {self.kinds.kind}"
        if found is None:
            raise CheckpointMismatchError(path, expected, ", ".join(sorted(meta))[:300] or "nothing")
        if not isinstance(found, dict) or any(not isinstance(found.get(n), kind) for n, kind in DESCRIBED.items()):
            raise CheckpointMismatchError(path, f"{expected} with {', '.join(DESCRIBED)}", str(found)[:300])
        return arrays, meta

    def _text(self, shapes: Mapping[str, Any]) -> str:
        task, obs_dim, act_dim = shapes["task"], shapes["obs_dim"], shapes["act_dim"]
        return f"a {self.kinds.kind} for {task} with observations ({obs_dim},) and actions ({act_dim},)"


def _check_sizes(sizes: object) -> None:
    """Refuse whole numbers that are too large for any size of a network, at any depth of a file's description."""
    if isinstance(sizes, int) and not -LARGEST <= sizes <= LARGEST:
        raise ValueError(f"the number {sizes:.3g}")
    for part in sizes.values() if isinstance(sizes, dict) else sizes if isinstance(sizes, list) else ():
        _check_sizes(part)


@contextmanager
def bounded(numbers: int) -> Iterator[None]:
    """Let this thread build no network that is much larger than a file with so many `numbers` explains.

    Raises:
        ValueError: it would be; nothing of it was written to memory yet.
    """
    left, thread = 4 * numbers + SLACK, threading.get_ident()

    def count(_: nn.Module, name: str, value: torch.Tensor | None) -> None:
        nonlocal left
        if value is not None and threading.get_ident() == thread:
            left -= value.numel()
            if left < 0 or (isinstance(value, nn.Parameter) and not value.numel()):
                raise ValueError(f"{numbers:,} numbers, which do not go with one of its settings")

    hooks = register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
