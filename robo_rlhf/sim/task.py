"""Base class of tasks: a task is a set of pure functions of a batch of simulations."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.registration import register_guest
from robo_rlhf.sim.physics.batch import BatchSim, check_mujoco


class Task(ABC):
    """One task, written over the leading axis N; keeps no state between calls.

    Only the simulator state may change during an episode, and models are never randomised: goals are mocap bodies
    moved through the state. So every frame of every episode can be restored.
    """

    name: ClassVar[str]
    instruction: ClassVar[str]  # one sentence for users and language-conditioned policies
    horizon: ClassVar[int]  # steps per episode
    control_hz: ClassVar[int] = 20
    obs_names: ClassVar[tuple[str, ...]]  # one name per observation column
    privileged: ClassVar[tuple[str, ...]] = ()  # of obs_names, those that a real robot could not measure itself
    action_names: ClassVar[tuple[str, ...]] = ("x", "y", "z", "yaw", "gripper")
    goals: ClassVar[tuple[str, ...]] = ()  # mocap bodies that a user may move before an episode begins
    style_cost: ClassVar[str] = "path_length"  # the measure in the default simulated teacher's style cost

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Give a task of a user's own module its Gymnasium id: "my_tasks:robo_rlhf/PressButton-v0".

        Raises:
            RoboRlhfError: it has an attribute by an old name, which would pass unseen.
        """
        super().__init_subclass__(**keywords)
        if "cares_about" in vars(cls):
            raise RoboRlhfError(f"Task {cls.__name__}: cares_about is called style_cost now; rename it.")
        if "name" in vars(cls):
            register_guest(cls.name, f"{cls.__module__}:{cls.__qualname__}")

    def __init__(self) -> None:
        """Refuse a MuJoCo that is too old.

        Raises:
            MissingDependencyError: it is.
        """
        check_mujoco()

    @classmethod
    def with_robot(cls, robot: str) -> "type[Task]":
        """Return this task with another robot.

        Raises:
            UnknownNameError: there is none of that name.
            InvalidValueError: the task has a robot of its own.
        """
        raise InvalidValueError("robot", repr(robot), f"none: {cls.name} is no task of an arm")

    @abstractmethod
    def scene(self) -> mujoco.MjSpec:
        """Return the scene: robot, furniture, objects, cameras."""

    @abstractmethod
    def reset(self, sim: BatchSim, index: int, rng: np.random.Generator) -> None:
        """Write the start of an episode into simulation `index`, drawn from `rng` alone."""

    @abstractmethod
    def control(self, sim: BatchSim, action: Array) -> None:
        """Turn actions (N, act_dim) in [-1, 1] into actuator targets, in `sim.ctrl`."""

    @abstractmethod
    def observe(self, sim: BatchSim) -> Array:
        """Return observations (N, obs_dim) float32."""

    @abstractmethod
    def reward_terms(self, sim: BatchSim) -> dict[str, Array]:
        """Return named reward terms, each (N,) in [0, 1]."""

    @abstractmethod
    def success(self, sim: BatchSim) -> Array:
        """Return (N,) bool."""

    def demonstrate(self, sim: BatchSim) -> Array:
        """Return the scripted operator's actions (N, act_dim), a function of the current state alone; optional.

        Raises:
            InvalidValueError: the task has no scripted operator.
        """
        raise unscripted(self.name)

    @classmethod
    def is_scripted(cls) -> bool:
        """Whether the task has a scripted operator."""
        return cls.demonstrate is not Task.demonstrate

    def reward(self, sim: BatchSim) -> Array:
        """Return the task reward (N,) in [0, 1]: the mean of the terms."""
        terms = list(self.reward_terms(sim).values())
        total: Array = functools.reduce(np.add, terms)
        return (total / len(terms)).astype(np.float32)

    @abstractmethod
    def signals(self, sim: BatchSim) -> Mapping[str, Array]:
        """Return the signals that style measures are computed from: name → (N, k) float32. See `sim.style`."""


def unscripted(name: str) -> InvalidValueError:
    """Return the error of a task without a scripted operator."""
    return InvalidValueError("scripted operator", f"task {name}, which has none", "a task with `demonstrate`; drive it")
