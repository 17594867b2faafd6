"""Presses that come so late that they can mean no step of their episode are refused."""

from pathlib import Path

from robo_rlhf.core.checks import is_well_formed
from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError, VersionError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.feedback.live_signal.credit import DELAY


def check_in_time(home: Path, dataset: str, episode: str, step: float, rate: float) -> None:
    """Check that a press at `step` [steps], shown at `rate` [steps/s], can mean a step of its episode.

    An episode that is not closed, or not there, cannot be looked at, and is passed over.

    Raises:
        InvalidValueError: it came after the end, later than people react.
    """
    if not is_well_formed(dataset):
        return
    try:
        steps = Reader(find_dataset(home, dataset)).info(episode).length
    except (NotFoundError, CorruptFileError, VersionError, InvalidValueError):
        return
    late = (step - steps) / rate
    if late > DELAY[1]:
        expected = f"at most {DELAY[1]} s after its end, which people need to react"
        raise InvalidValueError(f"press about episode {episode}", f"{late:.1f} s after its last step", expected)
