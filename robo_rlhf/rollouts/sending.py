"""Policies, environments and episodes as bytes, for work on another node.

An environment is sent as its name, and made there once; networks as their classes and numbers; a policy's cameras as
what they look at, and draw there. Code is never sent: every class is one of an installed module, or of a user's module
that the node has too.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robo_rlhf.core.learning import pack_generator, unpack_generator
from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.policies.foreign import ForeignPolicy
from robo_rlhf.sim.envs.conditioned_env import ConditionedEnv, under
from robo_rlhf.sim.envs.partial_observation import MaskedEnv, mask_observations
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.vision.observer import CameraObserver

ENVIRONMENTS = 2  # that a node keeps for the next call: making one compiles a scene


def dumps(*things: object) -> bytes:
    """Return things as bytes; what they share is shared there too."""
    written = io.BytesIO()
    _Pickler(written, protocol=5).dump(things)
    return written.getvalue()


def loads(given: bytes) -> Any:
    """Return the things that `dumps` was given."""
    return pickle.loads(given)


class _Pickler(pickle.Pickler):
    def reducer_override(self, thing: object) -> Any:
        found = next((how for kind, how in _ways().items() if isinstance(thing, kind)), None)
        return NotImplemented if found is None else found(thing)


@lru_cache(ENVIRONMENTS)
def _environment(name: str, num_envs: int) -> VecEnv:
    return make_env(name, num_envs)


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(values).clone()  # memory of torch's own: last bits may depend on where numbers lie


def _parameter(values: Array, requires_grad: bool) -> nn.Parameter:
    return nn.Parameter(_tensor(values), requires_grad)


def _generator(state: Array) -> torch.Generator:
    generator = torch.Generator()
    unpack_generator(generator, state)
    return generator


def _read_only(content: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(content)


def _foreign(rng: np.random.Generator, name: str, act_dim: int, noise: float, seed: int) -> ForeignPolicy:
    policy = ForeignPolicy(name, act_dim, noise, seed)
    policy._rng = rng
    return policy


def _numbers(tensor: Tensor) -> Array:
    values: Array = tensor.detach().cpu().contiguous().numpy()
    return values


@cache
def _ways() -> dict[type, Callable[[Any], Any]]:
    """Return how things are sent, by their class, of which the first that fits counts: as `pickle` calls it."""
    from robo_rlhf.sim.external.vec_env import ExternalVecEnv  # it imports Gymnasium

    return {
        nn.Parameter: lambda p: (_parameter, (_numbers(p), p.requires_grad)),
        Tensor: lambda t: (_tensor, (_numbers(t),)),
        torch.Generator: lambda g: (_generator, (pack_generator(g),)),
        TaskEnv: lambda env: (_environment, (env.name, env.num_envs)),
        ExternalVecEnv: lambda env: (_environment, (env.name, env.num_envs)),
        ConditionedEnv: lambda env: (under, (env.env, env.conditions)),
        MaskedEnv: lambda env: (mask_observations, (env.env, env.observation_mask.delay)),
        CameraObserver: lambda o: (CameraObserver, (o.env, o.sight, o.looks)),
        MappingProxyType: lambda m: (_read_only, (dict(m),)),
        ForeignPolicy: lambda p: (_foreign, (p._rng, p.name, p.act_dim, p.noise, p._seed)),
    }
