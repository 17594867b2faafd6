"""Episodes as flat arrays for training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array, Source
from robo_rlhf.data.schema import Columns, Header
from robo_rlhf.data.training_arrays.idle import STILL, kept_steps

COLUMNS = ("obs", "action", "source")  # the columns of an episode file that training needs


@dataclass(frozen=True)
class TrainingData:
    """The steps of E episodes, M in all, one after another. Rewards are not here: learners must not see them."""

    obs: Array  # (M, obs_dim) float32, before each step
    action: Array  # (M, act_dim) float32 in [-1, 1]
    next_obs: Array  # (M, obs_dim) float32, after each step
    source: Array  # (M,) uint8, who acted, see Source
    frame: Array  # (M,) int64, the step's number in its episode as recorded
    starts: Array  # (E + 1,) int64: episode e is steps starts[e] to starts[e + 1]
    ids: tuple[str, ...]  # of the episodes, E

    def __len__(self) -> int:
        """Return the number of steps M."""
        return len(self.obs)


def collect(
    episodes: Sequence[tuple[Columns, Header]],
    *,
    idle: int | None = None,
    sources: Collection[Source] | None = None,
) -> TrainingData:
    """Return the steps of episodes, given by the columns in COLUMNS.

    Args:
        episodes: columns and header of each, in the order to keep.
        idle: keep at most this many idle steps in a row, see `idle.kept_steps`; all where None.
        sources: keep only steps of these sources; all where None.

    Raises:
        InvalidValueError: there are no episodes.
        ShapeError: episodes of different observations or actions; choose those of one task.
    """
    if not episodes:
        raise InvalidValueError("training arrays", "no episodes", "at least one; record or choose others")
    kept = []
    for columns, header in episodes:
        for name in ("obs", "action"):
            width, first = columns[name].shape[1], episodes[0][0][name].shape[1]
            if width != first:
                raise ShapeError(f"{name} of episode {header.meta.id}", ("T", first), columns[name].shape)
        steps = np.arange(header.steps) if idle is None else kept_steps(columns["action"], STILL, idle, idle)
        if sources is not None:
            steps = steps[np.isin(columns["source"][steps], [int(source) for source in sources])]
        kept.append(steps)
    pairs = list(zip((columns for columns, _ in episodes), kept, strict=True))
    return TrainingData(
        obs=np.concatenate([columns["obs"][steps] for columns, steps in pairs]),
        action=np.concatenate([columns["action"][steps] for columns, steps in pairs]),
        next_obs=np.concatenate([columns["obs"][steps + 1] for columns, steps in pairs]),
        source=np.concatenate([columns["source"][steps] for columns, steps in pairs]),
        frame=np.concatenate(kept),
        starts=np.cumsum([0, *map(len, kept)]),
        ids=tuple(header.meta.id for _, header in episodes),
    )
