"""Remarks: what a person says of an episode while it is recorded, beside its journal, so that no crash loses it.

A file is written at once and synced; it goes when the episode is closed, which then holds what was said.
"""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple, cast, get_args

from robo_rlhf.data.layout import remark_path
from robo_rlhf.files import remove, write_atomic
from robo_rlhf.types import Outcome


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
    write_atomic(remark_path(folder, episode_id), json.dumps(remark._asdict()).encode(), reserve=0)


def read_remark(folder: Path, episode_id: str) -> Remark:
    """Return what was said; nothing, where the file is missing or makes no sense."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(remark_path(folder, episode_id).read_bytes())
        outcome, note = found["outcome"], found["note"]
        if isinstance(note, str) and (outcome is None or outcome in get_args(Outcome)):
            return Remark(cast("Outcome | None", outcome), note)
    return Remark()


def forget_remark(folder: Path, episode_id: str) -> None:
    """Remove the file: the episode holds what was said, or is gone. To be done before its journal is removed."""
    remove(remark_path(folder, episode_id), missing_ok=True, durable=False)
