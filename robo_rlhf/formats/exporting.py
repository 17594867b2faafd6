"""Export: episodes of a dataset into a place in a format of the field, whole or not at all, continued where stopped."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.core.files import make_folder, move, publish_folder, remove_tree
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.formats.base import Export
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.pictures import check_cameras, draw
from robo_rlhf.formats.work_folder import begin_work

Tell = Callable[[str, int, int], object]  # what is done, how much of it, of how much


def export(
    reader: Reader,
    infos: Sequence[EpisodeInfo],
    place: Path,
    form: str,
    *,
    name: str = "",
    cameras: tuple[str, ...] = (),
    size: int | None = None,
    valid: float = 0.0,
    tell: Tell = lambda what, done, total: None,
) -> None:
    """Write episodes to `place` in the format `form`.

    Everything is made in a hidden folder beside `place`, which gets its name when it is whole on the disk. The same
    call continues one that was stopped: pictures that were drawn are there.

    Args:
        reader: of the dataset.
        infos: its episodes to export, all of one task and shape.
        place: the file or folder to make.
        form: name of the format.
        name: of the dataset, for formats that hold one.
        cameras: from which pictures are wanted.
        size: width and height [pixels]; where None, 256, and for recorded videos as recorded.
        valid: share of the episodes that is marked for validation.
        tell: called with progress.

    Raises:
        ConflictError: there is something at `place`.
        InvalidValueError: no episodes, several tasks or shapes, a camera that there is not, or a format that is only
            read; nothing was made.
        MissingDependencyError: an extra is not installed; nothing was made.
    """
    kind, work = FORMATS[form](), place.with_name(f".{place.name}.partial")
    progress, drawn = partial(tell, "episodes written"), partial(tell, "frames drawn")
    made = Export(reader, tuple(infos), name or reader.path.name, cameras, valid, work / "pictures", progress)
    check_export(reader, made.infos, place, form, cameras, size, valid)
    begin_work(work, [form, cameras, size, [(info.meta.id, info.length, info.size) for info in infos]])
    if cameras:
        draw(reader, infos, cameras, size, work / "pictures", kind.pictures, drawn)
    remove_tree(work / "out")  # of a run that was stopped while it wrote
    make_folder(work / "out")
    if (whole := kind.write(made, work / "out", place)).is_dir():
        publish_folder(whole, place)
    else:
        move(whole, place)
    remove_tree(work)


def check_export(
    reader: Reader,
    infos: Sequence[EpisodeInfo],
    place: Path,
    form: str,
    cameras: tuple[str, ...] = (),
    size: int | None = None,
    valid: float = 0.0,
) -> None:
    """Refuse what `export` cannot write, before anything is made; raises as it does."""
    if place.exists() or place.is_symlink():
        raise ConflictError(f"{place}", "there is something at that place already")
    if size is not None and not 16 <= size <= 4096:
        raise InvalidValueError("size of pictures", size, "16 to 4096 pixels")
    if not 0 <= valid < 1:
        raise InvalidValueError("share for validation", valid, "0 or more and below 1")
    _check_alike(reader, infos)
    check_cameras(infos, cameras)
    FORMATS[form]().check(place, Export(reader, tuple(infos), reader.path.name, cameras, valid))


def _check_alike(reader: Reader, infos: Sequence[EpisodeInfo]) -> None:
    """Refuse episodes that cannot be in one set.

    Raises:
        InvalidValueError: none, or of several tasks, rates or shapes.
    """
    if not infos:
        raise InvalidValueError("episodes to export", "none", "at least one: other filters, or another dataset")
    first: tuple[object, ...] | None = None
    for info in infos:
        header = reader.header(info.meta.id)
        widths = {n: shape[1:] for n, (_, shape) in header.columns.items()}
        shape = (info.meta.task, info.meta.control_dt, info.meta.action_bounds, tuple(sorted(widths.items())))
        if not info.length:
            raise InvalidValueError(f"episode {info.meta.id}", "no steps", "at least one")
        first = first or shape
        if shape != first:
            given = f"episode {info.meta.id} of task {info.meta.task} differs from {infos[0].meta.id}"
            expected = "episodes of one task with the same rate, columns and units: choose them with --task"
            raise InvalidValueError("episodes to export", given, expected)
