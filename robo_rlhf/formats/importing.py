"""Import: a place in a format of the field becomes a dataset, whole or not at all, continued where it was stopped."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import publish_folder, remove_tree
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.schema import Timing
from robo_rlhf.formats.base import Imported, ImportOptions
from robo_rlhf.formats.helper_process import apart
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.videos import take_in
from robo_rlhf.formats.work_folder import begin_work

Tell = Callable[[int, int], object]  # episodes done, of how many
Keep = Callable[[Episode], bool]


def recognise(place: Path) -> str:
    """Return the name of the format of a place.

    Raises:
        NotFoundError: there is nothing.
        InvalidValueError: it looks like none of the formats; the message lists them.
    """
    if not place.exists():
        raise NotFoundError("file or folder to import", place, "Name one that is there.")
    for name in FORMATS:
        if FORMATS[name]().recognises(place):
            return name
    raise InvalidValueError("place to import", place, f"one of these, or --format: {', '.join(FORMATS)}")


def import_place(
    place: Path,
    target: Path,
    form: str = "",
    options: ImportOptions | None = None,
    *,
    keep: Keep = lambda episode: True,
    tell: Tell = lambda done, total: None,
    notes: Callable[[str], object] = lambda note: None,
) -> int:
    """Make the dataset `target` out of what is at `place`; return how many episodes it has.

    It is made in a hidden folder beside `target`, which gets its name when all is on the disk. The same call continues
    one that was stopped: videos that were taken in are there. What is read is read in a helper process.

    Args:
        place: a file or folder.
        target: folder of a dataset that is not there yet.
        form: name of the format; recognised where empty.
        options: what to take, and what the place does not say.
        keep: chooses the episodes.
        tell: called with progress.
        notes: receives sentences on what could not be taken over.

    Raises:
        ConflictError: there is something at `target`.
        NotFoundError, InvalidValueError: there is nothing, or in no format that is known; or no episode was kept.
        CorruptFileError: the place is damaged, or ended the process that read it.
        MissingDependencyError: an extra is not installed.
    """
    form = form or recognise(place)
    FORMATS.check(form)
    options = options or ImportOptions()
    if target.exists():
        advice = "import into another name with --dataset, and `robo-rlhf episodes merge` brings both together"
        raise ConflictError(f"dataset {target.name!r}", f"it is there already; {advice}")
    work = target.with_name(f".{target.name}.importing")
    plain = {name: str(value) for name, value in asdict(options).items()}
    begin_work(work, [form, os.path.realpath(place), plain])
    made = Dataset(work / "dataset", create=True)
    source = _PlaceReader(form, place, options, made.path, set(made.ids()), tell, notes)
    made.add_pairs(pair for pair in source.episodes() if keep(pair[0]))
    if not len(made):
        remove_tree(work)
        expected = "at least one: other filters or another place"
        raise InvalidValueError(f"episodes of {place}", "none that fits", expected)
    count = len(made)
    publish_folder(made.path, target)
    remove_tree(work)
    return count


class _PlaceReader(NamedTuple):
    """A place that is read in a helper process."""

    form: str
    place: Path
    options: ImportOptions
    folder: Path  # of the dataset that is made
    there: set[str]  # episodes that it has already
    tell: Tell
    notes: Callable[[str], object]

    def episodes(self) -> Iterator[tuple[Episode, Timing]]:
        """Iterate over the episodes that are not there yet; raises as `import_place`."""
        seen: set[str] = set()
        total = 0
        for what in apart(self.place, read_place, self.form, self.place, self.options, self.folder, self.there):
            if isinstance(what, str):
                self.notes(what)
            elif isinstance(what, int):
                total = what
            else:
                episode_id, pair = what
                if episode_id in seen:
                    raise ConflictError(f"episode {episode_id!r}", f"{self.place} holds it twice")
                seen.add(episode_id)
                self.tell(len(seen), max(total, len(seen)))
                if pair is not None:
                    yield pair


def read_place(
    form: str, place: Path, options: ImportOptions, folder: Path, there: set[str]
) -> Iterator[str | int | tuple[str, tuple[Episode, Timing] | None]]:
    """Yield how many episodes there are, notes, and each episode with its videos stored in the dataset at `folder`.

    Of those that are `there` only the id. Run in a helper process.
    """
    kind, notes = FORMATS[form](), list[str]()
    yield kind.count(place, options)
    for found in kind.read(place, options, notes.append):
        yield from notes
        notes.clear()
        episode_id = found.episode.meta.id
        yield episode_id, None if episode_id in there else (_with_videos(found, folder), found.timing)
    yield from notes


def _with_videos(found: Imported, folder: Path) -> Episode:
    if not found.videos:
        return found.episode
    (frames,) = take_in(dict(found.videos), folder, found.episode.meta.id)
    return replace(found.episode, meta=replace(found.episode.meta, frames=frames))
