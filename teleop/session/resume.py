"""The earlier sessions of a dataset: the next seed, and an episode that was cut short."""

from typing import NamedTuple

from robo_rlhf.core.errors import CorruptFileError, NotFoundError, VersionError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.reader import EpisodeInfo
from robo_rlhf.data.recording.recovery import RECOVERED
from robo_rlhf.rollouts.evaluation import FIRST_SEED
from teleop.session.branch import INTERRUPTED

NEWEST = 200  # episodes that are read: ids sort by time, and a page does not wait for ten thousand files
APART = 1000  # seeds between operators who record into one dataset at the same time


class ResumePoint(NamedTuple):
    """The seed and the episode to resume from."""

    next_seed: int
    offer: str = ""  # the operator's last episode, where it was cut short
    frame: int = 0  # its last one
    seconds: float = 0.0  # its length in simulated time


def find_resume_point(dataset: Dataset, task: str, operator: str) -> ResumePoint:
    """Find it in the newest episodes of `dataset`."""
    infos = _newest(dataset)
    seeds = [info.meta.seed for info in infos if info.meta.task == task and info.meta.seed < FIRST_SEED]
    next_seed = max(seeds, default=-1) + 1 + APART * len(dataset.recovery.live)
    mine = [info for info in infos if info.meta.operator == operator]
    if mine:
        last = mine[-1]
        if {RECOVERED, INTERRUPTED} & {*last.meta.tags}:
            return ResumePoint(next_seed, last.meta.id, last.length, last.duration)
    return ResumePoint(next_seed)


def _newest(dataset: Dataset) -> list[EpisodeInfo]:
    """Return the newest episodes, oldest first; damaged ones are left to the listing of the dataset."""
    found = []
    for episode_id in dataset.ids()[-NEWEST:]:
        try:
            found.append(dataset.info(episode_id))
        except (CorruptFileError, VersionError, NotFoundError):
            continue
    return found
