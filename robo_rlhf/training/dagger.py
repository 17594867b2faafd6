"""HG-DAgger: a policy acts, an operator takes over where it fails, and it is cloned again from both.

Dataset aggregation where the operator decides when to take over: Kelly et al. 2019 ("HG-DAgger"), with corrected steps
weighted up as in Mandlekar et al. 2020 (IWR). See `robo_rlhf.data.training_arrays.correction_weights`.
"""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, Source
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.training import bc
from robo_rlhf.training_tools.settings import DAggerSettings
from robo_rlhf.vision.frame_cache import TrainingPictures

Config = DAggerSettings


def train(
    config: Config,
    run: Run,
    demonstrations: Sequence[Episode],
    corrections: Sequence[Episode],
    *,
    score: bc.Score | None = None,
    progress: bc.Progress | None = None,
    starts: Array | None = None,
    meta: dict[str, object] | None = None,
    pictures: TrainingPictures | None = None,
) -> TrainedPolicy:
    """Clone demonstrations and corrected episodes together, into the run's checkpoint "policy"; resumes as `bc.train`.

    Args:
        config: the settings of cloning, and the weights.
        run: the folder of the run.
        demonstrations: whole episodes of an expert; optional.
        corrections: episodes in which an operator took over; others are left out.
        score: scores snapshots, where `config.clone` asks for several.
        progress: called after every gradient step.
        starts: (S, obs_dim), initial observations, as in `bc.train`.
        meta: further content of the checkpoint, a JSON object.
        pictures: of all frames of demonstrations, then of corrections, for a policy with cameras.

    Raises:
        InvalidValueError: nothing was corrected, or the episodes do not fit together.
        NonFiniteError: an observation or the loss is not finite.
    """
    corrected = with_corrections(corrections)
    known = {"algorithm": "dagger", "demonstrations": len(demonstrations), "corrections": len(corrected)}
    episodes = [*demonstrations, *corrected]
    return bc.train(
        config.clone,
        run,
        episodes,
        score=score,
        progress=progress,
        starts=starts,
        weighting=config.weights,
        meta={**known, **(meta or {})},
        pictures=pictures,
    )


def with_corrections(episodes: Sequence[Episode]) -> list[Episode]:
    """Return the episodes in which an operator corrected at least one step.

    Raises:
        InvalidValueError: there are none.
    """
    found = [episode for episode in episodes if np.any(episode.source == Source.CORRECTION)]
    if not found:
        given = f"{len(episodes)} episodes without a corrected step"
        raise InvalidValueError("corrections", given, "an episode in which an operator took over from a policy")
    return found
