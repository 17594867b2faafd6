"""Weights of training steps in episodes where people corrected a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from robo_rlhf.core.checks import CheckedSettings, NotNegative, WholeNumber, in_range
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Source


@dataclass(frozen=True)
class Weighting(CheckedSettings):
    """Weights that give corrected steps a `share` of all weight; demonstrated steps weigh 1.

    As in Mandlekar et al. 2020 ("Human-in-the-Loop Imitation Learning using Remote Teleoperation", IWR) where `policy`
    is 1, as in Kelly et al. 2019 ("HG-DAgger") where it is 0.
    """

    LABEL: ClassVar[str] = "{} of corrected steps"

    share: Annotated[float, in_range(lambda share: 0 < share < 1, "a number between 0 and 1")] = 0.5
    """Share of all weight that the corrected steps have together."""
    policy: NotNegative = 0.0
    """Weight of a step of the policy that was not corrected; 0 leaves these out."""
    before: WholeNumber = 10
    """Steps just before a takeover: they led to what had to be corrected."""
    before_weight: NotNegative = 0.0
    """Weight of these."""

    def weigh(self, episodes: Sequence[Episode], steps: Sequence[Array]) -> Array:
        """Return the weight (M,) float32 of chosen `steps` (K,) of each episode, one episode after another.

        Steps that an episode has in common with one of the others, which it branched from, count once.

        Raises:
            InvalidValueError: none of the steps is a correction.
        """
        ids = {episode.meta.id for episode in episodes}
        parts = [self._episode(e, ids)[kept] for e, kept in zip(episodes, steps, strict=True)]
        corrected = [(e.source == Source.CORRECTION)[kept] for e, kept in zip(episodes, steps, strict=True)]
        weight, is_corrected = np.concatenate(parts), np.concatenate(corrected)
        new, rest = weight[is_corrected].sum(), weight[~is_corrected].sum()
        if not new:
            raise InvalidValueError("corrections", "none", "at least one step in which a person corrected a policy")
        if rest:
            weight[is_corrected] *= self.share / (1 - self.share) * rest / new
        return weight.astype(np.float32)

    def imitated(self, episode: Episode) -> Array:
        """Return (T,) bool: which steps may be in the chunk of an earlier one."""
        imitated: Array = (episode.source != Source.POLICY) | (self.policy > 0)
        return imitated

    def _episode(self, episode: Episode, others: set[str]) -> Array:
        """Return the weight (T,) of each step before the corrected ones are given their share."""
        corrected = episode.source == Source.CORRECTION
        weight = np.where(episode.source == Source.POLICY, self.policy, 1.0)
        for start in np.flatnonzero(corrected & ~np.roll(corrected, 1)):
            led = slice(max(start - self.before, 0), start)
            weight[led] = np.where(corrected[led], weight[led], np.minimum(weight[led], self.before_weight))
        if episode.meta.parent in others and not episode.meta.trimmed:
            weight[: episode.meta.parent_step] = 0.0
        return weight
