"""Whether people can judge an episode, checked before any work is done: whether `EpisodeAccess` can show it."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotNowError, VersionError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import EpisodeAccess, open_access, why_not_yet
from robo_rlhf.feedback.records import Question


def check_task(task: str, advice: str) -> None:
    """Check that people can judge episodes of a task that are still to be recorded.

    Raises:
        NotNowError: they cannot; the message gives the reason and the `advice`.
        RoboRlhfError: there is no such environment, or it cannot be made.
    """
    why = why_not_yet(task)
    if why:
        raise NotNowError(f"People cannot judge episodes of {task}. {why}", advice)


def check_episodes(home: Path, episodes: Iterable[tuple[str, str]]) -> None:
    """Check that people can judge recorded episodes, each a dataset of the data home and an id.

    One that is missing or cannot be read is skipped: it may still arrive, and Review reports what is wrong with it.

    Raises:
        NotNowError: they cannot judge one of them.
    """
    for dataset, episode in sorted(set(episodes)):
        access = _access(home, dataset, episode)
        if access is not None and access.show is None:
            raise NotNowError(
                f"People cannot judge episode {episode} of {dataset}. {access.reason}", "No question was asked."
            )


def check_questions(home: Path, questions: Iterable[Question]) -> None:
    """Check that people can judge all clips of questions; raises as `check_episodes`."""
    check_episodes(home, ((asked.dataset, clip.episode_id) for asked in questions for clip in asked.segments))


def _access(home: Path, dataset: str, episode: str) -> EpisodeAccess | None:
    """Return the access to an episode; None where it is not there or cannot be read."""
    parts = PurePosixPath(dataset)
    if not dataset or parts.is_absolute() or ".." in parts.parts:
        return None
    try:
        return open_access(episode_path(find_dataset(home, dataset), episode))
    except (OSError, CorruptFileError, VersionError, InvalidValueError):
        return None
