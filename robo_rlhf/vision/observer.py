"""The one place that makes an observation of a running environment: its columns, and pictures of its states."""

from collections.abc import Sequence
from typing import Protocol

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.core.types import Array, Observation
from robo_rlhf.episodes.access import ways_of
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.sight import Sight


class Shown(Protocol):
    """What an observer needs of an environment."""

    name: str

    def get_state(self) -> Array:
        """Return the integration states (N, nstate)."""
        ...


class CameraObserver:
    """Looks at an environment. Training, rollouts, evaluation, sessions, the probe and the arena see through it."""

    def __init__(self, env: Shown, sight: Sight, looks: Sequence[Look] = ()) -> None:
        """Look at `env` as `sight` says, at each copy in its look; as the scene was made where there are none.

        Raises:
            NotNowError: nothing of it can be drawn.
        """
        self.env, self.sight = env, sight
        ways = ways_of(env.name, env.get_state().shape[1], versions=getattr(env, "provenance", {}))
        if ways.show != "state":
            raise NotNowError(
                f"Policies with cameras cannot act in {env.name}: its pictures are not drawn from states.",
                "Clone one from its columns, without --cameras.",
            )
        self._drawer = Drawer(env.name, sight)
        self.looks = tuple(looks)

    def __deepcopy__(self, memo: object) -> "CameraObserver":
        """Return itself: copies of a policy look at the same environment."""
        return self

    def observe(self, columns: Array, state: Array | None = None) -> Observation:
        """Return the observation of `state` (N, nstate), the present ones where None, with their columns (N, obs_dim).

        Raises:
            UnknownNameError: there is no such camera.
            WorkerDiedError: two drawing processes died over it.
        """
        return Observation(columns, self._drawer.draw(self._present() if state is None else state, self.looks))

    def begin(self) -> None:
        """Let the present states be drawn while this process does something else; `finish` waits for them."""
        self._drawer.begin(self._present(), self.looks)

    def finish(self) -> dict[str, Array]:
        """Return the pictures (N, H, W, 3) uint8 of each camera of the states of `begin`; raises as `observe`."""
        return self._drawer.finish()

    def _present(self) -> Array:
        """Return the states (N, nstate); where frames are late or lost, of those that are shown."""
        seen = getattr(self.env, "seen_state", self.env.get_state)
        found: Array = seen()
        return found
