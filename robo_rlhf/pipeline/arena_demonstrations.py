"""Operators' demonstrations that take part in an arena, blind: copies that tell nothing, one for each of its seeds.

Which demonstration stands for which seed is kept in the arena's folder. They begin elsewhere than the policies do, and
end when the operator had done it; so in such an arena an episode is shown until shortly after it was solved for good.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.core.files import read_json, write_json
from robo_rlhf.core.types import Episode, EpisodeMeta
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import episode_path, require_dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.arena.arena import Arena, Entrant
from robo_rlhf.rollouts.teachers import shown_by_operators

PREFIX = "demonstrations:"  # how the checkpoint of the entrant begins; a dataset follows
NAME = "demonstrations"
REST = 1.0  # [s] that an episode is shown after it was solved for good
_CHOSEN = "demonstrations.json"


def entrant_of(dataset: str) -> Entrant:
    """Return what demonstrations of a dataset are called in an arena."""
    digest = hashlib.sha256(f"{PREFIX}{dataset}".encode()).hexdigest()
    return Entrant(NAME, f"{PREFIX}{dataset}", digest, timestamp())


def check_demonstrations(home: Path, dataset: str, task: str, arena: Arena | None) -> Entrant:
    """Return the entrant of a dataset's demonstrations of a task.

    Raises:
        NotFoundError: there is no such dataset, or no demonstration of the task in it.
        ConflictError: the arena was begun without them: its clips are longer, and were judged.
    """
    shown_by_operators(Reader(require_dataset(home, dataset)), task)
    entrant = entrant_of(dataset)
    if arena is not None and not any(other.digest == entrant.digest for other in arena.policies()):
        why = "it was begun without these demonstrations; start another arena with them"
        raise ConflictError(f"arena {arena.name!r}", why)
    return entrant


def has_demonstrations(arena: Arena) -> bool:
    """Whether demonstrations take part."""
    return any(entrant.checkpoint.startswith(PREFIX) for entrant in arena.policies())


def copy_demonstrations(arena: Arena, entrant: Entrant, into: Dataset) -> None:
    """Copy a demonstration for each seed that has none yet, as far as there are, and note how many succeeded.

    Raises:
        InvalidValueError: their observations or actions are of another shape than the policies'.
    """
    reader = Reader(require_dataset(arena.home, entrant.checkpoint.removeprefix(PREFIX)))
    chosen = _chosen(arena, reader)
    good = 0
    for seed, name in chosen.items():
        new = arena.episode(entrant, seed)
        if new not in into:
            whole = reader.load(name)
            _check_shape(whole, into)
            into.add(replace(whole, meta=_nameless(whole.meta, new, seed, arena.name)))
        good += into.info(new).meta.outcome == "success"
    arena.note_success(entrant, good, len(chosen))


def hide_times(arena: Arena, dataset: Dataset) -> None:
    """Give the files of all episodes one time: when one was written would tell whose it is."""
    same = datetime.fromisoformat(arena.config.created).timestamp()
    for name in dataset.ids():
        os.utime(episode_path(dataset.path, name), (same, same))


def shown_steps(arena: Arena, dataset: Dataset) -> dict[str, int]:
    """Return how many steps of each episode are shown, by id; 0 where there is none.

    Where demonstrations take part it is until REST after it was solved for good.
    """
    found = dict.fromkeys(arena.places(), 0)
    if not has_demonstrations(arena):
        return found | {info.meta.id: info.length for info in dataset.list()}
    return found | {name: _until_solved(dataset.load(name)) for name in dataset.ids()}


def _until_solved(episode: Episode) -> int:
    if not len(episode) or not episode.success[-1]:
        return len(episode)
    unsolved = np.flatnonzero(~episode.success)
    first = int(unsolved[-1]) + 1 if len(unsolved) else 0
    return min(len(episode), max(first + round(REST / episode.meta.control_dt), 1))


def _chosen(arena: Arena, reader: Reader) -> Mapping[int, str]:
    """Return which demonstration stands for which seed, with new ones for new seeds."""
    path = arena.path / _CHOSEN
    chosen = {int(seed): str(name) for seed, name in (read_json(path, dict) if path.exists() else {}).items()}
    infos = shown_by_operators(reader, arena.config.task)
    free = sorted({info.meta.id for info in infos} - set(chosen.values()), key=lambda name: _order(arena, name))
    missing = [seed for seed in arena.seeds() if seed not in chosen]
    more = dict(zip(missing, free, strict=False))
    if more:
        chosen |= more
        write_json(path, {str(seed): name for seed, name in chosen.items()})
    return chosen


def _order(arena: Arena, name: str) -> str:
    return hashlib.sha256(f"{arena.name}\n{name}".encode()).hexdigest()


def _nameless(meta: EpisodeMeta, name: str, seed: int, arena: str) -> EpisodeMeta:
    """Return the metadata of a demonstration as that of a policy's episode in the arena."""
    plain = replace(meta, id=name, seed=seed, operator=arena, device="policy", parent="", started="", finished="")
    return replace(plain, note="", tags=(), origin={})


def _check_shape(episode: Episode, into: Dataset) -> None:
    others = into.list()
    if others and into.load(others[0].meta.id).obs.shape[1:] != episode.obs.shape[1:]:
        given = f"{episode.obs.shape[1]} observed columns in demonstration {episode.meta.id}"
        raise InvalidValueError("demonstrations of an arena", given, "as many as the task has now")
