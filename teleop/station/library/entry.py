"""An entry of the episode list: its summary, facets and search text."""

import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from robo_rlhf.core.types import EpisodeMeta, Source
from robo_rlhf.data.schema import meta_to_json

NOBODY = "(none)"  # in a facet: no operator, device, source or tag

Signature = tuple[int, int, int]  # inode, time of change [ns], bytes
Facets = tuple[tuple[str, ...], ...]  # the values of dataset, task, outcome, source, operator, device and tag


class EpisodeKey(NamedTuple):
    """The key of an episode."""

    dataset: str
    episode: str


@dataclass(frozen=True, slots=True)
class EpisodeEntry:
    """An episode's entry in a list."""

    key: EpisodeKey
    signature: Signature
    meta: EpisodeMeta
    steps: int
    sources: tuple[str, ...]  # names of the sources of its steps; empty where the file does not say
    facets: Facets = field(compare=False)
    started: float  # [s since 1970]; 0 where it is not known
    text: str = field(compare=False)  # the searched text, in lower case

    @property
    def seconds(self) -> float:
        """Length in simulated time."""
        return self.steps * self.meta.control_dt

    @property
    def version(self) -> str:
        """Changes whenever the file does: part of the addresses of its pictures."""
        return f"{zlib.crc32(repr(self.signature).encode()):08x}"


def signature_of(status: os.stat_result) -> Signature:
    """Return what changes whenever a file does."""
    return status.st_ino, status.st_mtime_ns, status.st_size


def source_names(sources: Mapping[int, int] | None) -> tuple[str, ...]:
    """Return the names of the sources that chose any steps."""
    return tuple(source.name.lower() for source in Source if (sources or {}).get(int(source)))


def facets_of(key: EpisodeKey, meta: EpisodeMeta, sources: tuple[str, ...]) -> Facets:
    """Return the facets by which an episode can be filtered."""
    plain = (key.dataset, meta.task, meta.outcome, *(name or NOBODY for name in (meta.operator, meta.device)))
    dataset, task, outcome, operator, device = ((sys.intern(value),) for value in plain)
    return dataset, task, outcome, sources or (NOBODY,), operator, device, tuple(dict.fromkeys(meta.tags)) or (NOBODY,)


def instant_of(meta: EpisodeMeta) -> float:
    """Return when an episode began [s since 1970], 0 where it is not known."""
    try:
        return datetime.fromisoformat(meta.started or meta.finished).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def text_of(key: EpisodeKey, meta: EpisodeMeta) -> str:
    """Return the text that a search matches."""
    parts = (key.episode, key.dataset, meta.task, meta.operator, meta.device, str(meta.seed), *meta.tags, meta.note)
    return "\n".join(parts).lower()


def row_of(entry: EpisodeEntry) -> dict[str, Any]:
    """Return the index's stored row of an episode."""
    meta, steps = meta_to_json(entry.meta), entry.steps
    return {"signature": entry.signature, "steps": steps, "sources": entry.sources, "meta": meta}
