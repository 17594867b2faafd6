"""Datasets and finished runs to a place and from it: what is there already stays, the rest follows, checked by hash."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from robo_rlhf.core.errors import ConflictError, NotFoundError, RemoteError
from robo_rlhf.core.files import DATASET_FILE, make_folder, move, publish_folder, remove, require_disk_space, sync
from robo_rlhf.data.layout import EPISODE_SUFFIX, is_id, names
from robo_rlhf.data.recorded_videos import VIDEOS
from robo_rlhf.processes.heartbeat import FILE, worker_on
from robo_rlhf.remote.place import RemoteFile, RemotePlace, digest_of

GROUP = 32  # files that are sent before they are listed
EPISODES = "episodes"
RESULT = "result.json"  # a run is finished when it is there
Tell = Callable[[int, int], object]  # (files done, files in all)
_VIDEO = re.compile(rf"{VIDEOS}/[0-9a-f]{{32}}\.[a-z0-9]{{1,8}}")
_SHOWN = 3  # names in a message


def push_dataset(folder: Path, place: RemotePlace, tell: Tell, *, replace: bool = False) -> int:
    """Send the closed episodes of a dataset with what they show; return how many files were new.

    Videos go before the episodes that show them, so that a user who fetches meanwhile finds them.

    Args:
        folder: of the dataset.
        place: where to.
        tell: called as files arrive.
        replace: whether an episode that is there with another content gives way.

    Raises:
        ConflictError: an episode differs from the one that is there, or the place holds something else.
        RemoteError: the place refuses.
    """
    videos = sorted(
        f"{VIDEOS}/{path.name}" for path in (folder / VIDEOS).glob("*") if _VIDEO.fullmatch(f"{VIDEOS}/{path.name}")
    )
    episodes = sorted(f"{EPISODES}/{Path(one.path).name}" for one in names(folder / EPISODES, EPISODE_SUFFIX))
    return _push(folder, [DATASET_FILE, *videos, *episodes], place, tell, replace=replace)


def pull_dataset(place: RemotePlace, folder: Path, tell: Tell) -> int:
    """Fetch the episodes that a dataset lacks, which is made where it is missing; return how many files were new.

    Raises:
        NotFoundError: no dataset is there.
        ConflictError: an episode here has another content than the one there, or the dataset another task.
        RemoteError: the place refuses, or a file is damaged.
    """
    listed = place.listed()
    wanted = {name: one for name, one in listed.items() if name == DATASET_FILE or _belongs(name)}
    if DATASET_FILE not in wanted:
        raise NotFoundError("dataset", place.url, _what_is(listed))
    if (folder / DATASET_FILE).exists():
        del wanted[DATASET_FILE]  # when it was made may differ
    missing = _missing(folder, wanted)
    order = sorted(missing, key=lambda name: (name != DATASET_FILE, not name.startswith(VIDEOS), name))
    for done, name in enumerate(order):
        tell(done, len(order))
        _fetch(place, name, missing[name], folder)
    tell(len(order), len(order))
    return len(order)


def push_run(folder: Path, place: RemotePlace, tell: Tell) -> int:
    """Send a finished run; return how many files were new.

    Raises:
        ConflictError: it is not finished, a process works on it, or another run is there.
        RemoteError: the place refuses.
    """
    if not (folder / RESULT).exists() or worker_on(folder) is not None:
        raise ConflictError(f"run {folder.name!r}", "it is not finished: only finished runs are sent")
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [name for name in files if name != RESULT and not any(part.startswith(".") for part in name.split("/"))]
    return _push(folder, [*(name for name in kept if Path(name).name != FILE), RESULT], place, tell, replace=False)


def pull_run(place: RemotePlace, folder: Path, aside: Path, tell: Tell) -> int:
    """Fetch a finished run into a folder that appears when all of it is there; return how many files it has.

    Args:
        place: where from.
        folder: of the run.
        aside: folder that holds what has come, until all has; it is continued.
        tell: called as files come.

    Raises:
        NotFoundError: no finished run is there.
        ConflictError: a run of that name is here.
        RemoteError: the place refuses, or a file is damaged.
    """
    if folder.exists():
        raise ConflictError(f"run {folder.name!r}", "one of that name is here already; name another (--run)")
    listed = place.listed()
    if RESULT not in listed:
        raise NotFoundError("finished run", place.url, _what_is(listed))
    make_folder(aside)
    missing = _missing(aside, listed, strict=False)
    for done, name in enumerate(missing):
        tell(len(listed) - len(missing) + done, len(listed))
        _fetch(place, name, missing[name], aside)
    publish_folder(aside, folder)
    tell(len(listed), len(listed))
    return len(listed)


def _push(folder: Path, files: Sequence[str], place: RemotePlace, tell: Tell, *, replace: bool) -> int:
    listed = place.listed()
    if listed and files[0] == DATASET_FILE and DATASET_FILE not in listed:
        raise ConflictError(place.url, f"{_what_is(listed)} Name a folder of its own")
    known = {name: listed[name] for name in files if name in listed and name != DATASET_FILE}
    different = [] if replace else [name for name, one in known.items() if digest_of(folder / name) != one.sha256]
    if different:
        raise ConflictError(place.url, f"{_some(different)} there differ from those here; --replace sends these")
    new = [
        name for name in files if name not in listed or (replace and name in known and _differs(folder, name, known))
    ]
    sent: dict[str, RemoteFile] = {}
    try:
        for done, name in enumerate(new):
            tell(done, len(new))
            sent[name] = place.send(folder / name, name)
            if len(sent) == GROUP:
                place.note(sent)
                sent = {}
    except BaseException:  # stopped by Ctrl-C or a fault: what has arrived counts
        with suppress(RemoteError):
            place.note(sent)
        raise
    place.note(sent)
    tell(len(new), len(new))
    return len(new)


def _differs(folder: Path, name: str, known: Mapping[str, RemoteFile]) -> bool:
    return digest_of(folder / name) != known[name].sha256


def _missing(folder: Path, wanted: Mapping[str, RemoteFile], *, strict: bool = True) -> dict[str, RemoteFile]:
    """Return the files that a folder lacks.

    Raises:
        ConflictError: it has one of another content, and `strict`.
    """
    here = {name: digest_of(folder / name) for name in wanted if (folder / name).is_file()}
    different = [name for name, digest in here.items() if digest != wanted[name].sha256]
    if different and strict:
        raise ConflictError(str(folder), f"{_some(different)} here differ from those there; rename or delete these")
    return {name: one for name, one in wanted.items() if name not in here or name in different}


def _fetch(place: RemotePlace, name: str, expected: RemoteFile, folder: Path) -> None:
    target = folder / name
    make_folder(target.parent)
    require_disk_space(target.parent, expected.size)
    partial = target.with_name(f".{target.name}.partial")
    try:
        place.fetch(name, expected, partial)
    except RemoteError:
        remove(partial, missing_ok=True, durable=False)
        raise
    sync(partial)
    move(partial, target)


def _belongs(name: str) -> bool:
    """Whether a file is one of a dataset."""
    head, _, rest = name.partition("/")
    episode = head == EPISODES and rest.endswith(EPISODE_SUFFIX) and is_id(rest.removesuffix(EPISODE_SUFFIX))
    return episode or _VIDEO.fullmatch(name) is not None


def _what_is(listed: Iterable[str]) -> str:
    found = set(listed)
    if RESULT in found:
        return "A run is there: `robo-rlhf runs pull` fetches it."
    if DATASET_FILE in found:
        return "A dataset is there: `robo-rlhf episodes pull` fetches it."
    return "Nothing that was pushed is there."


def _some(found: Sequence[str]) -> str:
    rest = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{rest}"
