"""What cameras recorded: videos in a folder of the dataset, each named by a digest of its bytes.

So one file serves every episode that shows a part of it, a copy of an episode elsewhere finds what is there already,
and an import that was stopped continues. A video goes when the last episode that shows it is purged.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import copy_atomic, open_whole, write_atomic
from robo_rlhf.core.types import EpisodeMeta, RecordedVideo

VIDEOS = "videos"
_FILE = re.compile(r"[0-9a-f]{32}\.[a-z0-9]{1,8}")


def video_path(folder: Path, file: str) -> Path:
    """Return where a recorded video of the dataset at `folder` lies.

    Raises:
        InvalidValueError: the name, which comes out of a file, is none of a video.
    """
    if not _FILE.fullmatch(file):
        raise InvalidValueError("file of a recorded video", repr(file), "32 hexadecimal digits and a suffix")
    return folder / VIDEOS / file


def store_video(folder: Path, video: bytes | Path, suffix: str) -> str:
    """Store a video in the dataset at `folder`, from memory or from a file of any size; return its name there.

    Raises:
        DiskFullError, DiskError: as `write_atomic`.
    """
    if isinstance(video, bytes):
        name = f"{hashlib.sha256(video).hexdigest()[:32]}.{suffix}"
    else:
        with open_whole(video, "Name a video.") as file:
            name = f"{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}.{suffix}"
    path = video_path(folder, name)
    if not path.exists():
        write_atomic(path, video) if isinstance(video, bytes) else copy_atomic(video, path)
    return name


def video_files(meta: EpisodeMeta) -> frozenset[str]:
    """Return the names of the files that an episode shows."""
    return frozenset(file for video in meta.frames.values() for file in (video.file, video.original))


def video_problems(meta: EpisodeMeta, folder: Path) -> list[str]:
    """Return a sentence for each video of an episode that is missing, or not the one that was stored."""
    problems = []
    for file in sorted(video_files(meta)):
        path = video_path(folder, file)
        try:
            with open_whole(path, "") as video:
                same = hashlib.file_digest(video, "sha256").hexdigest()[:32] == file.partition(".")[0]
            found = "" if same else "it is damaged"
        except CorruptFileError:
            found = "it is no file"
        except OSError as error:
            found = error.strerror or str(error)
        if found:
            problems.append(f"{path}: {found}; episode {meta.id} cannot be shown whole.")
    return problems


def copy_videos(meta: EpisodeMeta, source: Path, target: Path) -> None:
    """Copy the videos of an episode from one dataset to another; those that are there stay."""
    for file in sorted(video_files(meta)):
        if not video_path(target, file).exists():
            copy_atomic(video_path(source, file), video_path(target, file))


def cut_videos(meta: EpisodeMeta, start: int, stop: int) -> Mapping[str, RecordedVideo]:
    """Return what steps [start, stop) of an episode show: the same files, from later on."""
    seconds = meta.control_dt * start, meta.control_dt * stop
    return {
        camera: replace(
            video,
            start=video.start + seconds[0],
            frames=max(min(video.frames, round(seconds[1] * video.fps) + 1) - round(seconds[0] * video.fps), 1),
        )
        for camera, video in meta.frames.items()
    }
