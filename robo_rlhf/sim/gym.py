"""Gymnasium's two forms of a task: `GymEnv` is the batch with N = 1, `GymVectorEnv` is the batch itself.

`import robo_rlhf` registers every task: `gymnasium.make("robo_rlhf/PickPlace-v0")`, `gymnasium.make_vec(..., num_envs=64)`.
Names come from the files in `sim/tasks`, which are only imported when an environment is made.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode

from robo_rlhf.errors import InvalidValueError, ShapeError
from robo_rlhf.types import Array, Step, VecEnv

NAMESPACE = "robo_rlhf"
RENDER_MODES = ("rgb_array",)


class BatchEnv(VecEnv, Protocol):
    """A `VecEnv` of which some copies can be started anew while the others go on, and which can be drawn."""

    model: Any  # MjModel

    def reset_at(self, ids: Array, seeds: Array) -> Array:
        """Start episodes in the copies `ids` (K,) from `seeds` (K,); return their obs (K, obs_dim)."""
        ...


def gym_id(task: str) -> str:
    """Return the Gymnasium id of a task.

    >>> gym_id("pick_place")
    'robo_rlhf/PickPlace-v0'
    """
    return f"{NAMESPACE}/{''.join(word.capitalize() for word in task.split('_'))}-v0"


def task_names() -> list[str]:
    """Return the names of all tasks without importing them: each is one file of that name."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent / "tasks")])
    return sorted(m.name for m in modules if m.name != "base" and not m.name.startswith("_"))


def register_tasks() -> None:
    """Give every task its Gymnasium id; does nothing where that has been done."""
    for task in task_names():
        if gym_id(task) not in gymnasium.registry:
            gymnasium.register(
                gym_id(task),
                entry_point="robo_rlhf.sim.gym:GymEnv",
                vector_entry_point="robo_rlhf.sim.gym:GymVectorEnv",
                kwargs={"task": task},
            )


class _Picture:
    """What both forms share: the batch, its spaces and its pictures."""

    def __init__(self, task: str | BatchEnv, num_envs: int, nthread: int, render_mode: str | None, view: "_View") -> None:
        """Open the batch; refuse an unknown render mode."""
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise InvalidValueError("render_mode", repr(render_mode), f"None or one of: {', '.join(RENDER_MODES)}")
        self.batch = _open_batch(task, num_envs, nthread)
        self.view = view
        self.renderer: Any = None

    def frames(self) -> list[Array]:
        """Return one picture (height, width, 3) uint8 a copy."""
        if self.renderer is None:
            from robo_rlhf.sim.render import FrameRenderer

            self.renderer = FrameRenderer(self.batch.model, self.view.width, self.view.height, self.view.quality)
        return [np.array(self.renderer.frame(state, self.view.camera)) for state in self.batch.get_state()]

    def close(self) -> None:
        """Release the renderer and the batch; a second call does nothing."""
        if self.renderer is not None:
            self.renderer.close()
            self.renderer = None
        self.batch.close()
