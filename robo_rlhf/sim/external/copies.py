"""Copies of one outside environment, in this process (`Copies`) or in another (`RemoteCopies`): the same four calls.

The values from an environment are checked at each step (`external.checks`). A violation, an exception or the end of a
worker process ends only the affected episodes: `CopiesStep.faults` holds the reason. The next reset creates copies
that had a fault anew.
"""

import atexit
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.utils import seeding

from robo_rlhf.core.errors import EnvironmentFaultError, RoboRlhfError, WorkerDiedError
from robo_rlhf.core.types import Array
from robo_rlhf.processes.worker import WorkerProcess
from robo_rlhf.sim.external.checks import (
    Violation,
    first_bad,
    fits,
    raised,
    reset_of,
    step_of,
)
from robo_rlhf.sim.external.ids import Recipe, find
from robo_rlhf.sim.external.physics import Physics, physics_of, state_size
from robo_rlhf.sim.external.printing import printing
from robo_rlhf.sim.external.spaces import Actions, Observations

LIMIT = 600.0  # [s] that a reset or a step of all copies of a process may take
_log = logging.getLogger(__name__)


class CopiesStep(NamedTuple):
    """The result of a reset or a step; leading axis n, the copies of this block."""

    obs: Array  # (n, obs_dim) float32
    reward: Array  # (n,) float32, 0 where the episode was over
    success: Array  # (n,) bool
    active: Array  # (n,) bool, whether the step was taken
    faults: dict[int, str]  # copy → the fault that ended its episode, now or earlier
    state: Array  # (n, nstate) float64, MuJoCo's integration state; (n, 0) where the environment is not MuJoCo


class Copies:
    """n copies, stepped one after the other."""

    def __init__(self, first: gymnasium.Env[Any, Any], recipe: Recipe, num_envs: int, horizon: int | None) -> None:
        """Make the copies after the first.

        Raises:
            InvalidValueError: observations or actions that cannot be used.
        """
        self.recipe, self.horizon = recipe, horizon
        what = f"observation space of {recipe.name}"
        self.reader = Observations(first.observation_space, what, blind=recipe.is_blind)
        self.actions = Actions(first.action_space, recipe.name)
        self.envs = [first, *(recipe.make(horizon) for _ in range(num_envs - 1))]
        self.state_size = state_size(first)
        self.physics: list[Physics | None] = [None] * num_envs  # of each copy, since its reset
        self._begin()

    def reset(self, seeds: Array) -> CopiesStep:
        """Start episodes; copies that had a fault are made anew first."""
        with printing(self.recipe.name):
            return self._reset(seeds)

    def _reset(self, seeds: Array) -> CopiesStep:
        broken = self.faults
        self._begin()
        for i in range(len(self.envs)):
            try:
                if i in broken:
                    close_env(self.envs[i], self.recipe.name)
                    self.envs[i] = self.recipe.make(self.horizon)
                self._read(i, seeded_reset(self.envs[i], int(seeds[i])))
                self.physics[i] = physics_of(self.envs[i]) if self.state_size else None
                self._read_state(i)
            except Exception as error:  # an external environment may raise anything
                self._fault(i, "reset", error)
        return self._outcome(np.zeros(len(self.envs), np.float32), self.active.copy())

    def step(self, action: Array) -> CopiesStep:
        """Step the copies with a running episode, with actions (n, act_dim) in [-1, 1]; others repeat their values."""
        with printing(self.recipe.name):
            return self._step(action)

    def _step(self, action: Array) -> CopiesStep:
        active, reward = self.active.copy(), np.zeros(len(self.envs), np.float32)
        commands = self.actions.commands(action)
        for i in active.nonzero()[0].tolist():
            try:
                obs, reward[i], self.success[i], over = step_of(self.envs[i].step(commands[i]))
                self._read(i, obs)
                self._read_state(i)
                self.active[i] = not over
            except Exception as error:
                self._fault(i, "step", error)
        return self._outcome(reward, active)

    def pictures(self) -> dict[str, Array]:
        """Return the pictures (n, H, W, 3) uint8 of the newest observations, by camera; black where there is none."""
        return {
            name: np.stack([self.seen[i].get(name, np.zeros(shape, np.uint8)) for i in range(len(self.envs))])
            for name, shape in self.reader.sizes.items()
        }

    def enter(self, seeds: Array, state: Array, obs: Array) -> CopiesStep:
        """Enter the states (n, nstate) of frames of the episodes of `seeds` (n,); give back their obs (n, obs_dim)."""
        self.reset(seeds)
        if self.faults:
            return self._outcome(np.zeros(len(self.envs), np.float32), self.active.copy())
        self.wide[:], self.state[:] = obs, state
        for physics, entered in zip(self.physics, state, strict=True):
            if physics is not None:
                physics.enter(entered)
        return self._outcome(np.zeros(len(self.envs), np.float32), self.active.copy())

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            close_env(env, self.recipe.name)

    def _begin(self) -> None:
        n = len(self.envs)
        self.wide: Array = np.zeros((n, self.reader.size))  # as the environments gave it, float64
        self.rows: list[Array] = list(self.wide)
        self.obs: Array = np.zeros((n, self.reader.size), np.float32)
        self.state: Array = np.zeros((n, self.state_size))
        self.success, self.active = np.zeros(n, np.bool_), np.ones(n, np.bool_)
        self.faults: dict[int, str] = {}
        self.seen: list[dict[str, Array]] = [{} for _ in range(n)]  # pictures by camera

    def _read(self, i: int, obs: Any) -> None:
        """Read an observation of copy `i`; raises `Violation`."""
        self.reader.read(obs, self.rows[i])
        self.seen[i] = self.reader.pictures(obs)

    def _read_state(self, i: int) -> None:
        """Read the state of copy `i`; NaN where a reset changed how many numbers it holds."""
        physics = self.physics[i]
        if physics is not None and physics.size == self.state_size:
            physics.read(self.state[i])
        else:
            self.state[i] = np.nan

    def _fault(self, i: int, doing: str, error: Exception) -> None:
        """End the episode of copy `i` as a failure, and repeat its last observation."""
        message = str(error) if isinstance(error, Violation | RoboRlhfError) else raised(doing, error)
        self.faults[i] = message if isinstance(error, RoboRlhfError) else f"{self.recipe.name} {message}"
        self.success[i] = self.active[i] = False
        self.wide[i] = self.obs[i]

    def _outcome(self, reward: Array, active: Array) -> CopiesStep:
        """Check the observations of all copies at once, and return the result of the step."""
        if not fits(self.wide):
            for i, row in enumerate(self.rows):
                if not fits(row):
                    self._fault(i, "step", first_bad(row))
        if self.faults:
            failed = list(self.faults)
            reward[failed], active[failed] = 0.0, False
        self.obs = self.wide.astype(np.float32)
        return CopiesStep(self.obs, reward, self.success.copy(), active, dict(self.faults), self.state.copy())


class RemoteCopies:
    """The same in a separate process; `send` and `receive` are separate, so that several processes work in parallel.

    If the process dies, all its episodes have a fault, and the next reset starts another process.
    """

    def __init__(self, recipe: Recipe, num_envs: int, horizon: int | None, obs_dim: int, state_size: int) -> None:
        """Start the process; it makes its copies while this one continues."""
        assert recipe.portable
        self.name, self._died = recipe.name, ""
        named = recipe if isinstance(recipe.spec.entry_point, str) else recipe.name
        self._worker = WorkerProcess(recipe.name, f"{__name__}:serve", named, num_envs, horizon)
        self._worker.start()
        self._obs: Array = np.zeros((num_envs, obs_dim), np.float32)  # the newest, repeated when the process is dead
        self._state: Array = np.zeros((num_envs, state_size))

    def send(self, method: str, argument: Array) -> None:
        """Request `reset` with seeds or `step` with actions; an answer that was never received is dropped.

        Raises:
            EnvironmentFaultError: the environment could not be made in the worker.
        """
        if method == "reset":
            self._died, self._obs = "", np.zeros_like(self._obs)
        if self._died:
            return
        try:
            self._worker.send((method, argument))
        except WorkerDiedError as error:
            self._note_death(error)

    def receive(self) -> CopiesStep:
        """Wait for the answer.

        Raises:
            RuntimeError: a bug of this program in the worker; the message holds its traceback.
        """
        if not self._died:
            try:
                answer: CopiesStep = self._worker.receive(LIMIT)
            except WorkerDiedError as error:
                self._note_death(error)
            else:
                self._obs, self._state = answer.obs, answer.state
                return answer
        n = len(self._obs)
        none = np.zeros(n, np.bool_)
        died = dict.fromkeys(range(n), self._died)
        return CopiesStep(self._obs.copy(), np.zeros(n, np.float32), none, none, died, self._state)

    def pictures(self) -> dict[str, Array]:
        """Return what `Copies.pictures` does; nothing where the process has died."""
        if not self._died:
            try:
                self._worker.send(("pictures", None))
                found: dict[str, Array] = self._worker.receive(LIMIT)
            except WorkerDiedError as error:
                self._note_death(error)
            else:
                return found
        return {}

    def close(self) -> None:
        """Close the copies, and end the process."""
        self._worker.end()

    def _note_death(self, error: WorkerDiedError) -> None:
        self._died = f"{self.name}: its worker process {error.how}"


def serve(named: Recipe | str, num_envs: int, horizon: int | None) -> Callable[[tuple[str, Any]], Any]:
    """Make copies in a worker process, and return what answers `reset`, `step` and `pictures`.

    Raises:
        EnvironmentFaultError: they cannot be made.
    """
    try:
        recipe = find(named) if isinstance(named, str) else named
        copies = Copies(recipe.make(horizon), recipe, num_envs, horizon)
    except Exception as error:  # an external environment may raise anything
        name = named if isinstance(named, str) else named.name
        message = str(error) if isinstance(error, RoboRlhfError) else f"An environment {raised('making', error)}"
        raise EnvironmentFaultError(f"{name} cannot be made in a worker process. {message}") from error
    atexit.register(copies.close)
    methods: dict[str, Callable[[Any], Any]] = {"reset": copies.reset, "step": copies.step}
    methods["pictures"] = lambda _: copies.pictures()
    return lambda request: methods[request[0]](request[1])


def close_env(env: gymnasium.Env[Any, Any], name: str) -> None:
    """Close a copy; an error while closing is harmless, and is logged."""
    try:
        with printing(name):
            env.close()
    except Exception as error:
        _log.warning("%s %s; nothing is lost by that", name, raised("close", error))


def seeded_reset(env: gymnasium.Env[Any, Any], seed: int) -> Any:
    """Start the episode of `seed` and return the first observation, not yet read.

    The generator is set too: some environments draw from it before they look at the seed, or ignore the seed.

    Raises:
        Violation: `reset` gave no pair.
    """
    env.unwrapped.np_random = seeding.np_random(seed)[0]
    return reset_of(env.reset(seed=seed))
