"""Seeds that one command reserves in a dataset: chosen once, locked against other processes, resumed after a stop.

    <dataset>/reserved/TASK-SEED.json        the request, its seeds, and the results of those that are done
    <dataset>/reserved/TASK-SEED.lock.json   the process that works on it, see `locks`

The file is removed when all seeds are done. A command that was stopped leaves it; the same command then resumes.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from robo_rlhf.core.errors import ConflictError, CorruptFileError, FileWarning
from robo_rlhf.core.files import read_json, remove, write_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.processes.locks import Lock, holder_of

FOLDER = "reserved"
LOCK = ".lock.json"
_ADVICE = "It is ignored: the command that was stopped starts anew, with seeds that are free. Remove it."


class Wanted(NamedTuple):
    """A command's request for seeds of a dataset."""

    task: str
    number: int  # of seeds
    first: int | None  # seed; None: what follows the highest in the dataset, and the highest that is reserved
    asked: Mapping[str, Any] | None = None  # a JSON object: the same command resumes; None: it starts anew each time
    id_of: Callable[[int], str] | None = None  # seed → episode id; None: ids are new each time


class Reservation:
    """Seeds of a dataset that this process fills; use it in a `with` block, which releases them."""

    def __init__(self, dataset: Dataset, wanted: Wanted) -> None:
        """Resume with the seeds that the same command left, or reserve new ones.

        Raises:
            ConflictError: a seed is taken: the dataset holds its episode, or another process is at work on it.
        """
        self._dataset, self._wanted = dataset, wanted
        self.done: dict[int, Any] = {}  # seed → its result, a JSON value
        with dataset.locked():
            others = _read_all(dataset.path)
            mine = [file for file, found in others.items() if self._is_mine(file, found)]
            left = min(mine, key=lambda file: min(others[file]["seeds"], default=0), default=None)
            self._file = left or self._choose(others)
            if left is not None:
                self.seeds = [int(seed) for seed in others[left]["seeds"]]
                self.done = {int(seed): came for seed, came in others[left]["done"].items()}
            self._lock = Lock(_lock_of(self._file), f"{dataset.path.name} from seed {self.seeds[0]} on", "wait for it")
            self._write()
            self._lock.take()

    @property
    def missing(self) -> list[int]:
        """The seeds that are not done yet."""
        return [seed for seed in self.seeds if seed not in self.done]

    def note(self, done: Mapping[int, Any]) -> None:
        """Record the results of seeds, whose data must be stored already."""
        self.done |= done
        self._write()

    def more(self) -> int:
        """Reserve one more seed, and return it."""
        with self._dataset.locked():
            others = _read_all(self._dataset.path)
            taken = [*self.seeds, *_seeds(others.values(), self._wanted.task), *self._held_seeds()]
            self.seeds.append(max(taken) + 1)
            self._write()
            return self.seeds[-1]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the seeds; those that a resumable command has not done stay reserved for it."""
        if self._wanted.asked is None or not self.missing:
            remove(self._file, missing_ok=True)
        self._lock.release(None)
        with suppress(OSError):
            self._lock.forget()

    def _is_mine(self, file: Path, found: Mapping[str, Any]) -> bool:
        """Whether this same command made it before it was stopped."""
        same = self._wanted.asked is not None and found["asked"] == json.loads(json.dumps(self._wanted.asked))
        return same and holder_of(_lock_of(file)) is None

    def _choose(self, others: Mapping[Path, Mapping[str, Any]]) -> Path:
        task, number, first, _, id_of = self._wanted
        alive = {file: found for file, found in others.items() if holder_of(_lock_of(file)) is not None}
        for file, found in others.items():
            if file not in alive and found["asked"] is None:
                remove(file, missing_ok=True, durable=False)  # no command resumes it
        if first is None:
            first = max([*_seeds(others.values(), task), *self._held_seeds()], default=-1) + 1
        self.seeds = list(range(first, first + number))
        busy = set(_seeds(alive.values(), task)).intersection(self.seeds)
        if busy:
            raise ConflictError(
                f"seed {min(busy)} of {task}", "another process is at work on it; choose another --seed"
            )
        for seed in self.seeds:
            if id_of is not None and id_of(seed) in self._dataset:
                why = f"{self._dataset.path} holds it already; choose another --seed, or none"
                raise ConflictError(f"episode {id_of(seed)!r}", why)
        return self._dataset.path / FOLDER / f"{re.sub(r'[^A-Za-z0-9_-]', '-', task)}-{first}.json"

    def _held_seeds(self) -> list[int]:
        return [info.meta.seed for info in self._dataset.list(task=self._wanted.task)]

    def _write(self) -> None:
        task, asked = self._wanted.task, self._wanted.asked
        write_json(self._file, {"task": task, "asked": asked, "seeds": self.seeds, "done": self.done})


def _lock_of(file: Path) -> Path:
    return file.with_name(file.stem + LOCK)


def _read_all(dataset: Path) -> dict[Path, dict[str, Any]]:
    """Return the reservations, by file; damaged ones are left out with a `FileWarning`."""
    found = {}
    for file in sorted((dataset / FOLDER).glob("*.json")):
        if file.name.endswith(LOCK):
            continue
        try:
            value = read_json(file, dict, _ADVICE)
            if not _is_reservation(value):
                raise CorruptFileError(file, "it holds no reserved seeds", _ADVICE)
            found[file] = value
        except FileNotFoundError:  # done meanwhile
            continue
        except (OSError, CorruptFileError) as error:
            warnings.warn(str(error), FileWarning, stacklevel=3)
    return found


def _is_reservation(value: Mapping[str, Any]) -> bool:
    task, asked, seeds, done = (value.get(name) for name in ("task", "asked", "seeds", "done"))
    if (
        "asked" not in value
        or not isinstance(task, str)
        or not isinstance(asked, dict | None)
        or not isinstance(done, dict)
    ):
        return False
    return isinstance(seeds, list) and bool(seeds) and {type(seed) for seed in seeds} == {int} and _are_seeds(done)


def _are_seeds(done: Mapping[str, Any]) -> bool:
    return all(seed.isascii() and seed.isdecimal() for seed in done)


def _seeds(reserved: Iterable[Mapping[str, Any]], task: str) -> list[int]:
    return [int(seed) for found in reserved if found["task"] == task for seed in found["seeds"]]
