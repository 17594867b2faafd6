"""The one place that makes an observation of a running environment: its columns, and pictures of its states."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.core.types import Array, Observation
from robo_rlhf.episodes.access import ways_of
from robo_rlhf.episodes.drawing import fit
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.sight import Sight


class Shown(Protocol):
    """What an observer needs of an environment."""

    name: str

    def get_state(self) -> Array:
        """Return the integration states (N, nstate)."""
        ...


def own_looks(sight: Sight | None) -> tuple[Look, ...]:
    """Return the looks that what has this sight was trained in; none where that is the scene as it was made."""
    return tuple(map(Look, range(sight.looks))) if sight is not None else ()


class CameraObserver:
    """Looks at an environment. Training, rollouts, evaluation, sessions, the probe and the arena see through it."""

    def __init__(self, env: Shown, sight: Sight, looks: Sequence[Look] = ()) -> None:
        """Look at `env` as `sight` says, copy i in look i modulo their number; as the scene was made without looks.

        Raises:
            NotNowError: nothing of it can be drawn.
        """
        self.env, self.sight = env, sight
        observed = getattr(env, "observed_cameras", ())  # in the observations of an outside environment
        drawn = tuple(name for name in sight.cameras if name not in observed)
        self._drawer = Drawer(env.name, replace(sight, cameras=drawn)) if drawn else None
        self._held: dict[str, Array] = {}  # pictures (N, H, W, 3) that are observed, since `begin`
        self.looks = tuple(looks)
        if not drawn:
            return
        ways = ways_of(env.name, env.get_state().shape[1], versions=getattr(env, "provenance", {}))
        if ways.show != "state":
            unseen = ", ".join(drawn)
            raise NotNowError(
                f"Policies with cameras cannot act in {env.name}: what {unseen} shows is not drawn from states.",
                f"It observes {', '.join(observed) or 'no picture'}; clone a policy from that, or from columns.",
            )

    def __deepcopy__(self, memo: object) -> "CameraObserver":
        """Return itself: copies of a policy look at the same environment."""
        return self

    def observe(self, columns: Array, state: Array | None = None) -> Observation:
        """Return the observation of `state` (N, nstate), the present ones where None, with their columns (N, obs_dim).

        Raises:
            UnknownNameError: there is no such camera.
            WorkerDiedError: two drawing processes died over it.
        """
        self.begin(state)
        return Observation(columns, self.finish())

    def begin(self, state: Array | None = None) -> None:
        """Let `state`, or the present ones, be drawn while this process does something else; `finish` waits for it."""
        if self._drawer is not None:
            states, count = self._present() if state is None else state, len(self.looks)
            self._drawer.begin(states, [self.looks[i % count] for i in range(len(states))] if count else ())
        side = self.sight.size
        shown: Mapping[str, Array] = self.env.pictures() if hasattr(self.env, "pictures") else {}
        chosen = [name for name in self.sight.cameras if name in shown]
        self._held = {name: np.stack([fit(picture, side, side) for picture in shown[name]]) for name in chosen}

    def finish(self) -> dict[str, Array]:
        """Return the pictures (N, H, W, 3) uint8 of each camera of the states of `begin`; raises as `observe`."""
        drawn = {} if self._drawer is None else self._drawer.finish()
        return {name: self._held[name] if name in self._held else drawn[name] for name in self.sight.cameras}

    def _present(self) -> Array:
        """Return the states (N, nstate); where frames are late or lost, of those that are shown."""
        seen = getattr(self.env, "seen_state", self.env.get_state)
        found: Array = seen()
        return found
