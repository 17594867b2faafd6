"""Policies from other packages, by import path: "metaworld.policies:SawyerDoorOpenV3Policy".

The name may refer to a class (built without arguments, one instance per copy), a function of one observation, or an
object with `get_action(obs)`, as in Meta-World's scripted policies, or `predict(obs)`, as in Stable-Baselines3. Each
gets one observation (obs_dim,) and returns one action (act_dim,) in [-1, 1], which is clipped.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from robo_rlhf.core import guests
from robo_rlhf.core.errors import GuestError, InvalidValueError, RoboRlhfError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array

ActOnObservation = Callable[[Array], Any]  # one observation (obs_dim,) → one action (act_dim,)


class ForeignPolicy:
    """A `Policy` that wraps code for one observation at a time."""

    def __init__(self, name: str, act_dim: int, noise: float = 0.0, seed: int = 0) -> None:
        """Import the object `name`, written as module:object.

        Args:
            name: of the code.
            act_dim: size of an action.
            noise: deviation of the Gaussian noise that is added to actions.
            seed: of the noise.

        Raises:
            InvalidValueError: not written as module:object, or the object does not act.
            NotAllowedError: nothing allows the module to be imported.
            MissingDependencyError: it is not found.
            GuestError: its import fails.
            UnknownNameError: the module has no such object.
        """
        self.name, self.act_dim, self.noise = name, act_dim, noise
        self._found = _import(name)
        self._copies: list[ActOnObservation] = [_acting(name, self._found)]
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def seed(self, seed: int) -> None:
        """Reset the noise, from the seed it was made with and `seed`."""
        self._rng = np.random.default_rng((self._seed, seed))

    def reset(self, num_envs: int) -> None:
        """Start episodes in `num_envs` copies, each with a separate instance where a class is named."""
        self._copies = [_acting(self.name, self._found) for _ in range(num_envs)]

    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) to actions (N, act_dim) in [-1, 1].

        Raises:
            ShapeError: an action of another size.
            GuestError: the code raised, or returned no numbers.
        """
        actions = []
        for act, one in zip(self._copies, obs, strict=True):
            with _raising(self.name, "with an observation"):
                action = np.asarray(act(one), np.float32).reshape(-1)
            if action.shape != (self.act_dim,):
                raise ShapeError(f"action of {self.name}", (self.act_dim,), action.shape)
            actions.append(action)
        noise = self.noise * self._rng.standard_normal((len(obs), self.act_dim)) if self.noise else 0.0
        clipped: Array = np.clip(np.stack(actions) + noise, -1.0, 1.0).astype(np.float32)
        return clipped


@contextmanager
def _raising(name: str, how: str) -> Iterator[None]:
    """Turn what a user's code raises into a sentence with its file and line."""
    try:
        yield
    except RoboRlhfError:
        raise
    except Exception as error:
        where = guests.raised_at(error, str(guests.source_of(name.partition(":")[0])))
        why = f"called {how}, it raised {type(error).__name__}: {error} ({where})"
        raise GuestError(f"policy {name}", why) from error


def _import(name: str) -> Any:
    module, _, what = name.partition(":")
    if not module or not what:
        raise InvalidValueError("policy", repr(name), "module:object, such as my_package.policies:reach")
    found = guests.import_allowed(module, "policy", name)
    if not hasattr(found, what):
        raise UnknownNameError(f"policy in {module}", what, [k for k, v in vars(found).items() if callable(v)])
    return getattr(found, what)


def _acting(name: str, found: Any) -> ActOnObservation:
    """Return what maps one observation to one action."""
    with _raising(name, "without arguments"):
        thing: Any = found() if inspect.isclass(found) else found
    for method in ("get_action", "act"):
        if callable(getattr(thing, method, None)):
            act: ActOnObservation = getattr(thing, method)
            return act
    predict: Any = getattr(thing, "predict", None)
    if callable(predict):
        return lambda obs: predict(obs)[0]  # action and hidden state
    if callable(thing):
        whole: ActOnObservation = thing
        return whole
    expected = "a function of an observation, or something with get_action, act or predict"
    raise InvalidValueError(f"policy {name}", type(thing).__name__, expected)
