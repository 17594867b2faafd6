"""Whether people can judge an episode: the single place that decides it, before any work is done.

Annotators judge rendered clips, which are drawn from the states that an episode holds. Episodes of outside
environments hold none. Should they be rendered in another way, only `why_not` changes.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotNowError, VersionError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.data.schema import read_header
from robo_rlhf.feedback.records import Question


def why_not(*, outside: bool) -> str:
    """Return in a sentence why people cannot judge an episode, which is `outside` or not; empty where they can."""
    return "Recorded in an outside environment: there are no states to draw from." if outside else ""


def check_task(task: str, advice: str) -> None:
    """Check that people can judge episodes of a task that are still to be recorded.

    Raises:
        NotNowError: they cannot; the message gives the reason and the `advice`.
    """
    from robo_rlhf.sim.external.ids import is_outside

    why = why_not(outside=is_outside(task))
    if why:
        raise NotNowError(f"People cannot judge episodes of {task} yet. {why}", advice)


def check_episodes(home: Path, episodes: Iterable[tuple[str, str]]) -> None:
    """Check that people can judge recorded episodes, each a dataset of the data home and an id.

    One that is missing or cannot be read is skipped: it may still arrive, and Review reports what is wrong with it.

    Raises:
        NotNowError: they cannot judge one of them.
    """
    for dataset, episode in sorted(set(episodes)):
        outside = _outside(home, dataset, episode)
        why = why_not(outside=outside)
        if why:
            raise NotNowError(
                f"People cannot judge episode {episode} of {dataset} yet. {why}", "No question was asked."
            )


def check_questions(home: Path, questions: Iterable[Question]) -> None:
    """Check that people can judge all clips of questions; raises as `check_episodes`."""
    check_episodes(home, ((asked.dataset, clip.episode_id) for asked in questions for clip in asked.segments))


def _outside(home: Path, dataset: str, episode: str) -> bool:
    """Return whether an episode is there and holds no states."""
    parts = PurePosixPath(dataset)
    if not dataset or parts.is_absolute() or ".." in parts.parts:
        return False
    try:
        header = read_header(episode_path(find_dataset(home, dataset), episode))
    except (OSError, CorruptFileError, VersionError, InvalidValueError):
        return False
    return header.columns["state"][1][1] == 0
