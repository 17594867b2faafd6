"""Pictures of an outside environment that states alone do not draw: as the environment itself renders them.

Where it is MuJoCo, a second copy is put into each state: rendering may change the simulation, so the driven copy never
does. Else the driven copy renders itself.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, RoboRlhfError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.checks import Violation, picture_of, raised
from robo_rlhf.sim.external.copies import close_env, seeded_reset
from robo_rlhf.sim.external.ids import Recipe
from robo_rlhf.sim.external.physics import physics_of
from robo_rlhf.sim.external.printing import printing
from robo_rlhf.sim.external.replay import draw_fast
from robo_rlhf.sim.rendering.gl import choose_backend


class EnvironmentCamera:
    """Draws frames of episodes of one environment; belongs to one thread."""

    def __init__(self, recipe: Recipe, copies: Sequence[gymnasium.Env[Any, Any]] | None) -> None:
        """Draw with a copy of its own, or with the first of the driven `copies`.

        Raises:
            RoboRlhfError: the environment renders no images.
        """
        choose_backend()
        self._recipe, self._copies = recipe, copies
        self._env = None if copies is not None else recipe.make(horizon=-1, render_mode="rgb_array")
        self._seed: int | None = None  # that its own copy was last reset with
        if self._env is not None:
            draw_fast(self._env)

    @property
    def own(self) -> bool:
        """Whether only the driven copy can be drawn, where it stands."""
        return self._env is None

    def draw(self, seed: int, state: Array) -> Array:
        """Return the image (H, W, 3) uint8 of a state (nstate,) of the episode of `seed`.

        Raises:
            EnvironmentFaultError: the environment raises, or gives no image.
        """
        with printing(self._recipe.name):
            return self._draw(seed, state)

    def _draw(self, seed: int, state: Array) -> Array:
        try:
            env = self._env
            if env is None:
                assert self._copies is not None
                return self._upright(picture_of(self._copies[0].render(), None))
            if seed != self._seed:
                self._seed = None
                seeded_reset(env, seed)
                self._seed = seed
            physics = physics_of(env)
            if physics is not None and physics.size == len(state):
                physics.enter(state)
            return self._upright(picture_of(env.render(), None))
        except RoboRlhfError:
            raise
        except Violation as error:
            raise EnvironmentFaultError(f"{self._recipe.name} {error}") from error
        except Exception as error:  # an external environment may raise anything
            raise EnvironmentFaultError(f"{self._recipe.name} {raised('render', error)}") from error

    def close(self) -> None:
        """Close its own copy."""
        if self._env is not None:
            close_env(self._env, self._recipe.name)
            self._env = None

    def _upright(self, picture: Array) -> Array:
        turned = bool(self._recipe.plugin and self._recipe.plugin.upside_down)
        return np.ascontiguousarray(picture[::-1, ::-1]) if turned else picture
