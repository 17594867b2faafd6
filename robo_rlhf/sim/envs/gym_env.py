"""Gymnasium environments of the tasks: their ids, and one copy as an `Env`, which is the batch with N = 1.

`import robo_rlhf` gives every task its id, so that `gymnasium.make("robo_rlhf/PickPlace-v0")` and
`gymnasium.make_vec("robo_rlhf/PickPlace-v0", num_envs=64)` work. Ids come from the names of the files in `sim/tasks`;
a task is imported, and MuJoCo with it, when an environment of it is made.

The first episode after `reset(seed=s)` starts from seed s, as with `VecEnv.reset`; each later one from a seed that the
environment's own generator draws.
"""

from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array, VecEnv

RENDER_MODES = ("rgb_array",)
SEED_BOUND = 2**31  # episode seeds are drawn from [0, SEED_BOUND)


class BatchEnv(VecEnv, Protocol):
    """A `VecEnv` with partial resets (some copies restart while the others continue) that can be rendered."""

    model: Any  # mujoco.MjModel

    def reset_at(self, ids: Array, seeds: Array) -> Array:
        """Start episodes in the copies `ids` (K,) from `seeds` (K,); return their obs (K, obs_dim)."""
        ...


class Pictures:
    """Renders the copies of a batch, in this process, with a renderer created for the first image."""

    def __init__(self, mode: str | None, camera: str, width: int, height: int) -> None:
        """Take Gymnasium's render mode, a camera as `sim.camera` parses it, and the size of an image [pixels].

        Raises:
            InvalidValueError: an unknown render mode.
        """
        if mode is not None and mode not in RENDER_MODES:
            raise InvalidValueError("render_mode", repr(mode), f"None or one of: {', '.join(RENDER_MODES)}")
        self.mode, self.camera, self.width, self.height = mode, camera, width, height
        self._renderer: Any = None

    def frames(self, batch: BatchEnv) -> tuple[Array, ...] | None:
        """Return one image (height, width, 3) uint8 per copy; None without a render mode."""
        if self.mode is None:
            return None
        if self._renderer is None:
            from robo_rlhf.sim.rendering.renderer import FrameRenderer

            self._renderer = FrameRenderer(batch.model, self.width, self.height, "fast")
        return tuple(self._renderer.frame(state, self.camera) for state in batch.get_state())

    def close(self) -> None:
        """Release the renderer; a second call does nothing."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class GymEnv(gymnasium.Env[Array, Array]):
    """One copy of a task. Truncates at the horizon; terminates only with `terminate_on_success`.

    Observations (obs_dim,) float32, actions (act_dim,) in [-1, 1], the task reward in [0, 1].
    `info` holds "success" and the task's signals by name, each (k,) float32.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 20}  # noqa: RUF012 - declared so by gymnasium.Env

    def __init__(
        self,
        task: str | BatchEnv,
        render_mode: str | None = None,
        *,
        terminate_on_success: bool = False,
        camera: str = "front",
        width: int = 320,
        height: int = 240,
        robot: str = "",
    ) -> None:
        """Open the task called `task`, with the `robot` where one is named, or take a batch of one copy.

        Images are rendered from `camera` ("front", or azimuth,elevation,distance) in `width` x `height` pixels.

        Raises:
            UnknownNameError: there is no such task or robot.
            InvalidValueError: an unknown render mode, or a robot for a task that has one of its own.
        """
        self._pictures = Pictures(render_mode, camera, width, height)
        self.batch = open_batch(task, 1, robot)
        self.render_mode, self.terminate_on_success = render_mode, terminate_on_success
        self.observation_space, self.action_space = spaces(self.batch)
        self.metadata = {**type(self).metadata, "render_fps": round(1 / self.batch.control_dt)}
        self._elapsed = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Reset: start an episode from `seed`, or from the next one drawn. There are no options."""
        super().reset(seed=seed)
        first = int(self.np_random.integers(SEED_BOUND)) if seed is None else seed
        self._elapsed = 0
        return self.batch.reset(np.array([first]))[0].copy(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Apply `action` (act_dim,) for one control step.

        Raises:
            ShapeError: not an action of this task.
            InvalidValueError: not real numbers.
            NonFiniteError: NaN in it.
        """
        step = self.batch.step(checked(action, self.action_space.shape)[None])
        self._elapsed += 1
        success = bool(step.success[0])
        info = {"success": success, **{name: np.array(value[0]) for name, value in step.signals.items()}}
        truncated = self._elapsed >= self.batch.horizon
        return step.obs[0].copy(), float(step.reward[0]), success and self.terminate_on_success, truncated, info

    def render(self) -> Array | None:
        """Return an image (height, width, 3) uint8 of the current state; None without a render mode."""
        frames = self._pictures.frames(self.batch)
        return frames[0] if frames else None

    def close(self) -> None:
        """Release the renderer and the batch."""
        self._pictures.close()
        self.batch.close()


def open_batch(task: str | BatchEnv, num_envs: int, robot: str = "") -> BatchEnv:
    """Return `task` itself where it is a batch, else a new one of the task of that name, with the `robot` if named.

    Raises:
        UnknownNameError: there is no such task or robot.
        InvalidValueError: a robot for a batch, or for a task that has one of its own.
    """
    if not isinstance(task, str):
        if robot:
            raise InvalidValueError("robot", repr(robot), f"none: the batch of {task.name} has its robot")
        return task
    from robo_rlhf.sim.envs.task_env import TaskEnv
    from robo_rlhf.sim.tasks import TASKS

    name = f"{task}@{robot}" if robot else task
    return TaskEnv(TASKS[name](), num_envs, nthread=1 if num_envs == 1 else 0)


def spaces(batch: BatchEnv) -> tuple[Box, Box]:
    """Return the spaces of one copy; observations are not bounded, as in Gymnasium's own MuJoCo tasks."""
    return Box(-np.inf, np.inf, (batch.obs_dim,), np.float32), Box(-1.0, 1.0, (batch.act_dim,), np.float32)


def checked(action: Array, shape: tuple[int, ...] | None) -> Array:
    """Return `action` as float32; refuse another shape than `shape`, and values that are not real numbers."""
    given = np.asarray(action)
    if given.dtype.kind not in "fiub":
        raise InvalidValueError("action", f"an array of {given.dtype}", "real numbers")
    action = given.astype(np.float32)
    if action.shape != shape:
        raise ShapeError("action", shape or (), action.shape)
    return action
