"""Erasing a person from the files of a data home: recordings, logs, results of training, caches."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import ConflictError, CorruptFileError, RoboRlhfError
from robo_rlhf.core.files import read_json, remove, write_atomic, write_json
from robo_rlhf.core.json_lines import row_of, sealed_line
from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST
from robo_rlhf.data.schema import encode, read_columns, read_header
from robo_rlhf.feedback.rights.names import SHORTEST, in_json, in_prose, learned_from

LOCK = ".erasing"  # in the data home
MARK = "erased.json"  # in the folder of a run that learned from a person who was erased
_TEXT = re.compile(r">[^<]*<")  # text of a web page between its tags


class FilesErased(NamedTuple):
    """What changed."""

    episodes: int  # that bore the name
    models: tuple[str, ...]  # runs that learned from the person's answers, and are marked


def episode_files(home: Path) -> Iterator[Path]:
    """Yield the files of all episodes in a data home, those in the trash included."""
    for manifest in sorted(home.rglob(MANIFEST)):
        for folder in ("episodes", "trash"):
            yield from sorted((manifest.parent / folder).glob("*.parquet"))


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """Wait until no other process or thread erases anybody in a data home, and keep others from it."""
    file = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def recorded_by(home: Path, name: str) -> list[Path]:
    """Return the files of episodes that a person recorded."""
    found = []
    for path in episode_files(home):
        try:
            if read_header(path).meta.operator == name:
                found.append(path)
        except RoboRlhfError:
            continue  # a damaged one is for `episodes verify`
    return found


def require_closed(home: Path) -> None:
    """Check that nothing is being recorded, and close what a crash left open.

    Raises:
        ConflictError: an episode is open, whose file could bear the name afterwards.
    """
    for manifest in sorted(home.rglob(MANIFEST)):
        live = Dataset(manifest.parent).recovery.live
        if live:
            what = f"episode {live[0]} in {manifest.parent.name} is being recorded; end its session first"
            raise ConflictError("erasing a person", what)


def erase_files(home: Path, name: str, alias: str) -> FilesErased:
    """Erase a person from the files of a data home.

    An episode keeps its arrays; the operator becomes `alias`, and its note and its times go. Caches that hold the name
    are deleted: they are made again.
    """
    episodes = 0
    for path in recorded_by(home, name):
        columns, header = read_columns(path)
        for column in ("wall_time", "input_age"):
            columns[column] = np.full_like(columns[column], np.nan)
        write_atomic(path, encode(columns, _without(header.meta, name, alias)), reserve=0)
        episodes += 1
    models = [run for run in _texts(home, name, alias) if run]
    for run in sorted({*models}):
        before = read_json(home / run / MARK, dict) if (home / run / MARK).exists() else {"people": []}
        write_json(home / run / MARK, {**before, "people": [*before["people"], alias]})
    for path in _files(home / "cache"):
        if name.encode() in path.read_bytes():
            remove(path)
    return FilesErased(episodes, tuple(sorted({*models})))


def _without(meta: EpisodeMeta, name: str, alias: str) -> EpisodeMeta:
    plain = {**meta.origin}
    origin = {key: alias if value == name else value for key, value in plain.items()}
    return replace(meta, operator=alias, note="", started="", finished="", origin=origin)


def _texts(home: Path, name: str, alias: str) -> Iterator[str]:
    """Rewrite texts of JSON and web pages, and yield the runs that learned from the person, by path in the home."""
    wanted = name.encode(), json.dumps(name)[1:-1].encode()
    for path in _files(home):
        if path.suffix not in (".json", ".jsonl", ".html") or path.is_relative_to(home / "cache"):
            continue
        content = path.read_bytes()
        if not any(one.lower() in content.lower() for one in wanted):
            continue
        if path.suffix == ".html":
            new = _page_without(content.decode(), name, alias)
            write_atomic(path, new.encode(), reserve=0)
        elif path.suffix == ".jsonl":
            rows = [_row_without(line, name, alias) for line in content.splitlines()]
            write_atomic(path, b"".join(line for line, _ in rows), reserve=0)
            if any(learned for _, learned in rows):
                yield _run_of(path, home)
        else:
            try:
                found = read_json(path, dict)
            except (CorruptFileError, OSError):
                continue
            write_json(path, in_json(found, name, alias), reserve=0)
            if learned_from(found, name):
                yield _run_of(path, home)


def _row_without(line: bytes, name: str, alias: str) -> tuple[bytes, bool]:
    """Return a JSON line without a name, sealed if it was, and whether it tells of learning; a damaged one goes."""
    try:
        row = row_of(line)
    except ValueError:
        return b"", False
    new, learned = in_json(row, name, alias), learned_from(row, name)
    sealed = len(row) < len(json.loads(line))
    return sealed_line(new) if sealed else json.dumps(new, ensure_ascii=False).encode() + b"\n", learned


def _page_without(page: str, name: str, alias: str) -> str:
    prose = in_prose(name, alias)
    return _TEXT.sub(lambda found: prose(found[0]), page) if len(name) >= SHORTEST else page


def _run_of(path: Path, home: Path) -> str:
    """Return the run whose file it is: the folder in `runs`; empty for files that are of no run."""
    parts = path.relative_to(home).parts
    return "/".join(parts[:2]) if parts[0] == "runs" and len(parts) > 2 else ""


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
