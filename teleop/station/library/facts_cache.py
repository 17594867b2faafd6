"""The facts of all episodes: computed in a separate process when statistics need them, and cached."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.errors import CorruptFileError, NotFoundError, WorkerDiedError
from robo_rlhf.core.files import make_folder, read_whole, write_atomic
from robo_rlhf.core.json_lines import append_line, row_of, sealed_line
from teleop.station.background.worker_queue import WorkerQueue
from teleop.station.library.entry import EpisodeEntry, EpisodeKey, Signature

WASTE = 2.0  # times more lines than facts at which the file is written anew

Facts = dict[str, Any]  # see `facts.facts_of`


class CachedFacts(NamedTuple):
    """The known facts of some episodes."""

    facts: dict[EpisodeKey, Facts]
    missing: int  # episodes whose facts are being worked out


class FactsCache:
    """Facts by episode, for as long as its file is the same; safe to use from several threads."""

    def __init__(self, file: Path, path_of: Callable[[EpisodeKey], Path]) -> None:
        """Remember facts in `file`; `path_of` says where the file of an episode is."""
        self.file, self._path_of = file, path_of
        self._facts: dict[EpisodeKey, tuple[Signature, Facts]] | None = None
        self._asked: set[tuple[EpisodeKey, Signature]] = set()
        self._lock = threading.Lock()
        self._background = WorkerQueue("reading episodes", "teleop.station.library.facts_worker:start", self._lookup)

    def of(self, entries: Iterable[EpisodeEntry]) -> CachedFacts:
        """Return the known facts of the entries, and queue the rest."""
        with self._lock:
            book = self._read()
            found, missing = {}, 0
            for entry in entries:
                signature, facts = book.get(entry.key, (None, {}))
                if signature == entry.signature:
                    found[entry.key] = facts
                    continue
                missing += 1
                if (entry.key, entry.signature) not in self._asked:
                    self._asked.add((entry.key, entry.signature))
                    self._background.put((entry.key, entry.signature))
        return CachedFacts(found, missing)

    def close(self) -> None:
        """End the process."""
        self._background.close()

    def _read(self) -> dict[EpisodeKey, tuple[Signature, Facts]]:
        """Return the cache; from the file on first use. Unreadable lines of it are computed again."""
        if self._facts is not None:
            return self._facts
        self._facts, lines = {}, 0
        with suppress(OSError, CorruptFileError):
            for line in read_whole(self.file, "").splitlines():
                lines += 1
                with suppress(ValueError, TypeError, KeyError):
                    row = row_of(line)
                    key = EpisodeKey(str(row["dataset"]), str(row["episode"]))
                    self._facts[key] = tuple(row["signature"]), dict(row["facts"])
        if lines > WASTE * len(self._facts) + 100:
            content = b"".join(sealed_line(_row(key, *known)) for key, known in self._facts.items())
            with suppress(OSError):
                write_atomic(self.file, content)
        return self._facts

    def _lookup(self, work: tuple[EpisodeKey, Signature]) -> None:
        """Compute the facts of an episode, and store them."""
        self._note(*work, self._ask(work[0]))

    def _note(self, key: EpisodeKey, signature: Signature, facts: Facts) -> None:
        with self._lock:
            self._asked.discard((key, signature))
            self._read()[key] = signature, facts
            with suppress(OSError):  # it is worked out again after the next start
                make_folder(self.file.parent)
                append_line(self.file, _row(key, signature, facts))

    def _ask(self, key: EpisodeKey) -> Facts:
        """Return the facts of an episode; with an `error`, where there are none."""
        try:
            facts: Facts = self._background.ask(self._path_of(key))
        except NotFoundError as error:
            return {"error": str(error)}
        except WorkerDiedError as error:
            return {"error": str(error)}
        return facts


def _row(key: EpisodeKey, signature: Signature, facts: Facts) -> dict[str, Any]:
    return {"dataset": key.dataset, "episode": key.episode, "signature": signature, "facts": facts}
