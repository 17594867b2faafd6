"""Remarks: what a person says of an episode while it is recorded, beside its journal, so that no crash loses it.

A file is written at once and synced; it goes when the episode is closed, which then holds what was said.
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
    """What was said; empty where nothing was."""

    outcome: Outcome | None = None  # as the person marked the episode; None: the task is to say
    note: str = ""


def write_remark(folder: Path, episode_id: str, remark: Remark) -> None:
    """Keep what is said of an episode in the dataset at `folder`, in the place of what was said before.

    Raises:
        DiskFullError: there is no room; what was said before still holds.
    """
    if remark == Remark():
        forget_remark(folder, episode_id)
        return
    write_json(remark_path(folder, episode_id), remark._asdict(), reserve=0)


def read_remark(folder: Path, episode_id: str) -> Remark:
    """Return what was said; nothing, where the file is missing, or, with a `DataWarning`, where it makes no sense."""
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
    warnings.warn(f"{reason} What was said of the episode is lost.", DataWarning, stacklevel=2)
    return Remark()


def forget_remark(folder: Path, episode_id: str) -> None:
    """Remove the file: the episode holds what was said, or is gone. To be done before its journal is removed."""
    path = remark_path(folder, episode_id)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        remove(path, missing_ok=True, durable=False)
