"""Starts of practice in the middle of demonstrations: a reverse curriculum (Florensa et al. 2017; Nair et al. 2018).

Near the end of a demonstration little is left to do, so a policy that hardly ever gets there by itself still sees what
success is worth; later rounds begin further back. Every state of an episode is recorded, so any can be begun from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, VecEnv


@dataclass(frozen=True)
class DemonstratedStarts:
    """Starts some episodes from states of demonstrations, the others as their seeds say."""

    states: Array  # (M, nstate) float64
    share: float  # of the episodes, in [0, 1)

    def __call__(self, env: VecEnv, seeds: Array) -> Array:
        """Start an episode in every copy; return obs (N, obs_dim). Copy i depends on seeds[i] alone."""
        obs = env.reset(seeds)
        draws = [np.random.default_rng((int(seed), 1)) for seed in seeds]
        chosen = np.array([rng.random() < self.share for rng in draws])
        if not chosen.any():
            return obs
        state = env.get_state()
        state[chosen] = self.states[[rng.integers(len(self.states)) for rng in np.array(draws)[chosen]]]
        return env.set_state(state)


def demonstrated_starts(demonstrations: Sequence[Episode], share: float, back: float) -> DemonstratedStarts:
    """Return starts from frames of `demonstrations` before each first succeeds.

    Args:
        demonstrations: recordings with states; those that never succeed are left out.
        share: of the episodes that begin so, in [0, 1).
        back: how far back, as a share of the way to the success: 1 is from the first frame on.

    Raises:
        InvalidValueError: none succeeds.
    """
    found = []
    for episode in demonstrations:
        if episode.success.any():
            done = max(1, int(np.argmax(episode.success)))
            found.append(episode.state[round((1 - back) * (done - 1)) : done])
    if not found:
        raise InvalidValueError("reverse_curriculum", share, "0 where no demonstration of this scene succeeds")
    return DemonstratedStarts(np.concatenate(found), share)
