"""Recovery after a crash: journals that were left become episodes when a dataset is opened."""

import math
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.core.errors import CorruptFileError, DiskError, DiskFullError, InvalidValueError, VersionError
from robo_rlhf.core.files import read_whole, remove, write_atomic
from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.data.layout import (
    JOURNAL_SUFFIX,
    episode_path,
    names,
    now,
    quarantine,
    sweep_partials,
    warn_all,
)
from robo_rlhf.data.recording.remarks import Remark, forget_remark, read_remark
from robo_rlhf.data.recording.stream import Journal, lock_left_over, read_journal
from robo_rlhf.data.schema import encode, read_columns

RECOVERED = "recovered"  # the tag of an episode that a crash cut short


class Recovery(NamedTuple):
    """The result of recovering the journals of a dataset."""

    recovered: tuple[
        str, ...
    ] = ()  # ids of episodes that are closed now, with outcome "aborted" unless a person had marked them
    live: tuple[str, ...] = ()  # ids of episodes that another process is recording
    problems: tuple[str, ...] = ()  # a sentence for each file that could not be read whole, or not be moved


def recover(folder: Path) -> Recovery:
    """Close every journal that no process writes any more; quarantine unreadable ones, with a warning."""
    recovered: list[str] = []
    live: list[str] = []
    problems: list[str] = []
    for path in sorted(Path(entry.path) for entry in names(folder / "journal", JOURNAL_SUFFIX)):
        try:
            lock = lock_left_over(path)
            if lock is None:
                live.append(path.name.removesuffix(JOURNAL_SUFFIX))
                continue
            try:
                if _close_journal(folder, path, problems):
                    recovered.append(path.name.removesuffix(JOURNAL_SUFFIX))
            finally:
                os.close(lock)
        except (CorruptFileError, InvalidValueError) as error:
            problems.append(quarantine(folder, path, f"no step can be read: {error}"))
        except (DiskFullError, VersionError) as error:
            problems.append(f"{path} stays as it is: {error}")
        except OSError as error:
            problems.append(
                f"{path} stays as it is: {error.reason if isinstance(error, DiskError) else error.strerror}."
            )
    sweep_partials(folder)
    warn_all(problems)
    return Recovery(tuple(recovered), tuple(live), tuple(problems))


def _close_journal(folder: Path, path: Path, problems: list[str]) -> bool:
    """Turn one locked journal into an episode; return whether there is one now that was not before."""
    episode_id = path.name.removesuffix(JOURNAL_SUFFIX)
    target = episode_path(folder, episode_id)
    content = b"" if _was_closed(folder, target, problems) else read_whole(path, "Move it aside.")
    if not content:  # closed, or killed before its first step was flushed
        forget_remark(folder, episode_id)
        remove(path)
        return False
    journal = read_journal(path, content)
    meta = _recovered_meta(journal, target, read_remark(folder, episode_id))
    write_atomic(target, encode(journal.columns, meta), reserve=0)
    forget_remark(folder, episode_id)
    if journal.unread:
        steps = f"{len(journal.columns['action'])} steps were recovered"
        problems.append(quarantine(folder, path, f"{steps}, the last {journal.unread} bytes not ({journal.reason})"))
    else:
        remove(path)
    return True


def _was_closed(folder: Path, target: Path, problems: list[str]) -> bool:
    """Whether the crash came between closing the episode and removing its journal."""
    if not target.exists():
        return False
    try:
        read_columns(target)
    except CorruptFileError as error:
        problems.append(quarantine(folder, target, f"{error} It is made again from its journal"))
        return False
    return True


def _recovered_meta(journal: Journal, target: Path, remark: Remark) -> EpisodeMeta:
    last = float(journal.columns["wall_time"][-1])
    finished = datetime.fromtimestamp(last, UTC).isoformat(timespec="milliseconds") if math.isfinite(last) else now()
    tags = (*journal.meta.tags, RECOVERED)
    outcome, note = remark.outcome or "aborted", remark.note or journal.meta.note
    marked = remark.outcome is not None
    return replace(
        journal.meta, id=target.stem, outcome=outcome, finished=finished, note=note, tags=tags, marked=marked
    )
