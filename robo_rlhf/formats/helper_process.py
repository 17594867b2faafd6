"""Generator functions in a process of their own, for libraries that a damaged file may crash: that is one sentence."""

import importlib
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from robo_rlhf.core.errors import CorruptFileError, RoboRlhfError, WorkerDiedError
from robo_rlhf.processes.worker import WorkerProcess

P = ParamSpec("P")
T = TypeVar("T")
LIMIT = 3600.0  # [s] that the next values may take: a long video is encoded meanwhile
TOGETHER = 0.05  # [s] for which values are gathered before they are sent
_ADVICE = "Mend it where it was made, or leave it out."


class Values(NamedTuple):
    """The next values of a generator function."""

    found: list[Any]
    over: bool = False
    system: tuple[int, str, str] | None = None  # number, text and file of an OSError that ended it


def apart(path: Path, function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
    """Iterate over what a generator function of a module yields in a process of its own.

    Args:
        path: the file or folder that it reads, for the error.
        function: found again by its module and name; what it takes and yields can be pickled.
        args: for it.
        kwargs: for it.

    Raises:
        CorruptFileError: the process died over it, after as many values as the message says.
        RoboRlhfError, OSError: as raised there.
    """
    named = function.__module__, function.__name__
    count = 0
    with WorkerProcess(f"reading {path.name}", f"{__name__}:start", *named, args, kwargs) as worker:
        while True:
            try:
                values: Values = worker.ask(count, LIMIT)
            except WorkerDiedError as error:
                reason = f"the process that read it {error.how}, after {count} episodes or videos at least"
                raise CorruptFileError(path, reason, _ADVICE) from None
            count += len(values.found)
            yield from values.found
            if values.system:
                raise OSError(*values.system)  # of the kind that its number says
            if values.over:
                return


def one_apart(path: Path, function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the first value that a generator function yields in a process of its own; raises as `apart`."""
    values = apart(path, function, *args, **kwargs)
    try:
        return next(values)
    finally:
        values.close()


def start(module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[int], Values]:
    """Return what answers with the next values of a function; called in the helper process."""
    values = getattr(importlib.import_module(module), name)(*args, **kwargs)
    waiting: list[RoboRlhfError] = []  # until the values before it are sent

    def more(count: int) -> Values:
        if waiting:
            raise waiting.pop()
        found, end = [], time.monotonic() + TOGETHER
        try:
            for value in values:
                found.append(value)
                if time.monotonic() > end:
                    return Values(found)
        except RoboRlhfError as error:
            if not found:
                raise
            waiting.append(error)
            return Values(found)
        except OSError as error:
            return Values(found, True, (error.errno or 0, error.strerror or str(error), str(error.filename or "")))
        return Values(found, over=True)

    return more
