"""Remarks of a person on an episode that is being recorded, stored beside its journal so that no crash loses them.

A file is written and synced at once; it is removed when the episode is closed, which then holds the remarks.
"""

import warnings
from pathlib import Path
from typing import NamedTuple, cast, get_args

from robo_rlhf.core.errors import (
    CorruptFileError,
)
from robo_rlhf.core.files import (
    read_json,
    remove,
    write_json,
)
from robo_rlhf.core.types import Outcome
from robo_rlhf.data.layout import (
    DataWarning,
    remark_path,
)


class Remark(NamedTuple):
    """The remarks; empty where there are none."""

    outcome: Outcome | None = None  # as the person marked the episode; None: the task decides
    note: str = ""


def write_remark(folder: Path, episode_id: str, remark: Remark) -> None:
    """Store the remarks on an episode in the dataset at `folder`, replacing earlier ones.

    Raises:
        DiskFullError: there is no room; the earlier remarks remain.
    """
    if remark == Remark():
        forget_remark(folder, episode_id)
        return
    write_json(remark_path(folder, episode_id), remark._asdict(), reserve=0)


def read_remark(folder: Path, episode_id: str) -> Remark:
    """Return the remarks; none where the file is missing, or, with a `DataWarning`, where it is invalid."""
    path = remark_path(folder, episode_id)
    try:
        found = read_json(path, dict)
        outcome, note = found.get("outcome", ""), found.get("note")
        if isinstance(note, str) and (outcome is None or outcome in get_args(Outcome)):
            return Remark(cast("Outcome | None", outcome), note)
        reason = f"{path} holds no outcome and no note."
    except FileNotFoundError:
        return Remark()
    except OSError as error:
        reason = f"{path}: {error.strerror}."
    except CorruptFileError as error:
        reason = str(error)
    warnings.warn(f"{reason} The remarks on the episode are lost.", DataWarning, stacklevel=2)
    return Remark()


def forget_remark(folder: Path, episode_id: str) -> None:
    """Remove the file: the episode holds the remarks, or is gone. Call it before its journal is removed."""
    path = remark_path(folder, episode_id)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        remove(path, missing_ok=True, durable=False)
