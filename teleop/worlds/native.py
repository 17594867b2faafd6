"""Copies of a task of ours, as sessions and the policy probe use them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.external.controls import ActionColumn, ColumnControl, usual_controls
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.scene_cameras import free_cameras, free_fovy
from robo_rlhf.sim.scene_description.movers import Movers

FAR = 5.0  # [m] from the middle of the world, farther than which no goal may be moved
RowAt = Callable[[int], Mapping[str, Any]]  # returns frame i of an episode, and the step that led to it


class NativeWorld(TaskEnv):
    """Copies of a task."""

    provenance: ClassVar[Mapping[str, str]] = {}  # what episodes record of an outside environment
    over: ClassVar[str] = ""  # why the episode cannot go on
    picture: ClassVar[bytes] = b""  # a JPEG, where states do not draw the world

    @property
    def instruction(self) -> str:
        """What is to be done, in a sentence."""
        return self.task.instruction

    @property
    def usual_controls(self) -> tuple[ColumnControl, ...]:
        """What drives each column of an action, until it is changed."""
        return usual_controls(self.name, [ActionColumn(name) for name in self.action_names])

    def enter(self, seeds: Array, state: Array, obs: Array) -> Array:
        """Enter recorded states (N, nstate), of whatever seeds; return the observations (N, obs_dim) that they have."""
        return self.set_state(state)

    def succeeded(self) -> Array:
        """Return whether each copy has succeeded, (N,) bool."""
        return self.task.success(self.sim).copy()

    def tool(self) -> Array:
        """Return the position of the hand, or of the rover, (N, 3) [m]."""
        return np.array(self.task.signals(self.sim)["ee_pos"], np.float64)

    def begin_at(self, seed: int, goals: Mapping[str, Array]) -> tuple[Array, bool]:
        """Start the episode of `seed`, goals moved: name → (3,) [m]; return obs (obs_dim,) and success."""
        self.reset(np.array([seed]))
        for name, position in goals.items():
            self.sim.mocap_pos(name)[0] = position
        if goals:
            self.sim.forward()
        return self.task.observe(self.sim)[0], bool(self.succeeded()[0])

    def show(self, seed: int, row: RowAt, frame: int, *, anew: bool = False) -> tuple[Array, Array]:
        """Show frame `frame` of an episode, `anew` another one than before; return obs (obs_dim,) and the state."""
        return self.set_state(row(frame)["state"][None])[0], self.get_state()[0]

    def stand(self, seed: int, row: RowAt, frame: int) -> None:
        """Stand where an episode continues after frame `frame`, which is shown."""

    def stepped(self, seed: int) -> None:
        """Take note that a step of the driven episode was taken."""

    def scene_of(self, seed: int) -> str:
        """Return the name of the model that states of an episode are drawn with."""
        return self.name

    @cached_property
    def movers(self) -> Movers | None:
        """What moves in the model, for pages that draw it; None where only the station draws."""
        return Movers(self.model)

    def at(self) -> Array:
        """Return where the joints of position actuators are (act_dim,) in [-1, 1]; NaN for what is no such column."""
        return np.full(self.act_dim, np.nan)

    def goals(self) -> dict[str, Array]:
        """Return where the goals that may be moved are, (3,) [m] each."""
        return {name: self.sim.mocap_pos(name)[0] for name in self.task.goals}

    def check_goal(self, name: str, position: Array) -> None:
        """Check a place for a goal.

        Raises:
            UnknownNameError: the task has no such goal.
            InvalidValueError: it is too far away, or no place at all.
        """
        if name not in self.task.goals:
            raise UnknownNameError("goal", name, self.task.goals)
        if position.shape != (3,) or not (np.abs(position) <= FAR).all():
            raise InvalidValueError(f"place of {name}", position.tolist(), f"x y z within {FAR:g} m of the middle")

    def cameras(self) -> Mapping[str, Camera]:
        """Return the scene's cameras as free ones, by name, from the state of copy 0."""
        return free_cameras(self.model, self.get_state()[0])

    @property
    def fovy(self) -> float:
        """Angle of view [deg] of free cameras."""
        return free_fovy(self.model)
