"""Networks that are found by name, as files: weights in safetensors, what builds the network again in the header.

Policies and reward models are written alike: `policies/checkpoint.py` and `rewards/checkpoint.py` are one `ModelFiles`
each.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from robo_rlhf.errors import CheckpointMismatchError, InvalidValueError, NotFoundError
from robo_rlhf.learning import pack_module, unpack_module
from robo_rlhf.registry import Registry
from robo_rlhf.runs import read_checkpoint, write_checkpoint
from robo_rlhf.types import Array


class Model(nn.Module):
    """A network that knows how it was built: from `obs_dim`, `act_dim` and settings that are JSON values."""

    kind: ClassVar[str]

    def __init__(self, obs_dim: int, act_dim: int, **settings: Any) -> None:
        """Remember how to build it again."""
        super().__init__()
        self.obs_dim, self.act_dim, self.settings = obs_dim, act_dim, settings


M = TypeVar("M", bound=Model)


class ModelFiles(Generic[M]):
    """Builds, writes and reads the models of one registry."""

    def __init__(self, key: str, kinds: Registry[type[M]], advice: str) -> None:
        """Keep files of these kinds.

        Args:
            key: what the header calls the description, and the beginning of the names of the weights.
            kinds: what builds them, by name.
            advice: how one comes by such a file, for who names one that is not there.
        """
        self.key, self.kinds, self.advice = key, kinds, advice

    def new(self, kind: str, obs_dim: int, act_dim: int, settings: Mapping[str, Any]) -> M:
        """Build an untrained model; its weights are drawn from torch's global generator (see `learning.seeded`).

        Raises:
            UnknownNameError: no such kind.
            InvalidValueError: a setting that this kind does not have.
        """
        build = self.kinds[kind]
        known = list(inspect.signature(build).parameters)[2:]  # after obs_dim and act_dim
        unknown = ", ".join(sorted(set(settings) - set(known)))
        if unknown:
            raise InvalidValueError(f"settings of {self.kinds.kind} {kind}", unknown, f"some of {', '.join(known)}")
        return build(obs_dim, act_dim, **settings)

    def save(self, model: M, path: Path, meta: Mapping[str, Any]) -> None:
        """Write a model atomically. `meta` is a JSON object: "task", and whatever else should be remembered with it."""
        described = {"kind": model.kind, "obs_dim": model.obs_dim, "act_dim": model.act_dim}
        described |= {"settings": dict(model.settings)}
        write_checkpoint(path, pack_module(self.key, model), {**meta, self.key: described})

    def load(self, path: Path, *, task: str | None = None, obs_dim: int | None = None, act_dim: int | None = None) -> M:
        """Build the model that `save` wrote. What is given of `task`, `obs_dim` and `act_dim` must agree with it.

        Raises:
            NotFoundError: there is no such file.
            CorruptFileError: the file is truncated or not a checkpoint.
            UnknownNameError: its kind is not known here.
            InvalidValueError: it has a setting that this version does not know.
            CheckpointMismatchError: it is of another task or of other shapes, or holds nothing of these kinds.
        """
        arrays, meta = self._read(path)
        found = meta[self.key]
        given = {"task": task, "obs_dim": obs_dim, "act_dim": act_dim}
        holds = {"task": meta.get("task"), "obs_dim": found["obs_dim"], "act_dim": found["act_dim"]}
        wanted = holds | {name: value for name, value in given.items() if value is not None}
        if wanted != holds:
            raise CheckpointMismatchError(path, self._text(wanted), self._text(holds))
        model = self.new(found["kind"], found["obs_dim"], found["act_dim"], found["settings"])
        try:
            unpack_module(self.key, model, arrays)
        except RuntimeError as error:
            expected = f"the weights of a {found['kind']} {self.kinds.kind} with settings {found['settings']}"
            raise CheckpointMismatchError(path, expected, " ".join(str(error).split())) from error
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
        if self.key not in meta:
            raise CheckpointMismatchError(path, f"a {self.kinds.kind}", ", ".join(sorted(meta)) or "nothing")
        return arrays, meta

    def _text(self, shapes: Mapping[str, Any]) -> str:
        task, obs_dim, act_dim = shapes["task"], shapes["obs_dim"], shapes["act_dim"]
        return f"a {self.kinds.kind} for {task} with observations ({obs_dim},) and actions ({act_dim},)"
