"""An arena of rollouts that are recorded already: nothing is run, people compare what there is, blindly.

Its episodes are copies under ids that reveal nothing, without what would tell whose they are; so is everything else as
in other arenas.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.core.files import read_json, write_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.data.recorded_videos import copy_videos
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.arena.arena import MOST_POLICIES, MOST_SEEDS, Arena, Entrant, is_arena
from robo_rlhf.feedback.arena.standings import Standings, update_standings
from robo_rlhf.feedback.judgeable import check_episodes
from robo_rlhf.feedback.recorded_pairs import policy_of, starts_of
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.arena import RECORDED

_WHICH = "recorded.json"


def recorded_arena(
    home: Path,
    name: str,
    dataset: str,
    reader: Reader,
    infos: Sequence[EpisodeInfo],
    store: Store,
    *,
    overlap: int = 1,
    tell: Callable[[int, int], object] = lambda done, total: None,
) -> Standings:
    """Make an arena of episodes, or continue the same one, and return its standings.

    Args:
        home: the data home.
        name: of the arena.
        dataset: name of the dataset.
        reader: of the dataset.
        infos: its episodes that are compared, all of one task.
        store: where the questions are asked.
        overlap: judges of each question.
        tell: called with episodes copied, and of how many.

    Raises:
        InvalidValueError: they are of several tasks, or of fewer than two policies, or too many.
        ConflictError: there is such an arena of other rollouts.
        NotNowError: an episode cannot be shown.
    """
    tasks = sorted({info.meta.task for info in infos})
    if len(tasks) != 1:
        raise InvalidValueError("tasks of an arena", ", ".join(tasks) or "no episodes", "one: choose it with --task")
    policies = sorted({policy_of(info) for info in infos})
    starts = starts_of(infos)
    if not 2 <= len(policies) <= MOST_POLICIES:
        given = f"{len(policies)} ({', '.join(policies)})"
        raise InvalidValueError("policies or operators of the episodes", given, f"2 to {MOST_POLICIES} to compare")
    if len(starts) > MOST_SEEDS:
        raise InvalidValueError("episodes of each policy", len(starts), f"at most {MOST_SEEDS}")
    check_episodes(home, ((dataset, info.meta.id) for info in infos))
    which = [dataset, overlap, [{policy: info.meta.id for policy, info in start.items()} for start in starts]]
    arena = _open(home, name, tasks[0], len(starts), overlap, which)
    arena.add([Entrant(policy, f"{RECORDED}{dataset}", _digest(dataset, policy), timestamp()) for policy in policies])
    _copy(arena, reader, starts, tell)
    steps = dict.fromkeys(arena.places(), 0) | {i.meta.id: i.length for i in Dataset(arena.path / "episodes").list()}
    store.add_questions(arena.questions(steps))
    return update_standings(arena, store)


def _open(home: Path, name: str, task: str, seeds: int, overlap: int, which: list[object]) -> Arena:
    if not is_arena(home, name):
        arena = Arena.create(home, name, task, "human", seeds, overlap)
        write_json(arena.path / _WHICH, {"episodes": which})
        return arena
    arena = Arena(home, name)
    try:
        found = read_json(arena.path / _WHICH, list, entry="episodes")
        same = found in (which, [which])  # an earlier version wrote one list more
    except FileNotFoundError:
        same = False
    if not same:
        raise ConflictError(
            f"arena {name!r}", "it compares other rollouts, or by other numbers of judges; name another"
        )
    return arena


def _copy(
    arena: Arena, reader: Reader, starts: Sequence[dict[str, EpisodeInfo]], tell: Callable[[int, int], object]
) -> None:
    """Copy the episodes that are not there yet, and note how many of each policy succeeded."""
    into = Dataset(arena.path / "episodes", create=True, task=arena.config.task)
    same = datetime.fromisoformat(arena.config.created).timestamp()
    total, done = sum(map(len, starts)), 0
    for entrant in arena.policies():
        each = zip(arena.seeds(), starts, strict=True)
        mine = [(seed, start[entrant.name]) for seed, start in each if entrant.name in start]
        for seed, info in mine:
            new = arena.episode(entrant, seed)
            if new not in into:
                whole = reader.load(info.meta.id)
                meta = replace(whole.meta, id=new, seed=seed, operator=arena.name, device="policy", parent="")
                meta = replace(meta, started="", finished="", note="", tags=(), origin={})
                copy_videos(meta, reader.path, into.path)
                into.add(replace(whole, meta=meta))
            os.utime(episode_path(into.path, new), (same, same))  # when it was written would tell whose it is
            done += 1
            tell(done, total)
        good = sum(info.meta.outcome == "success" for _, info in mine)
        arena.note_success(entrant, good, len(mine))


def _digest(dataset: str, policy: str) -> str:
    return hashlib.sha256(f"{RECORDED}{dataset}\n{policy}".encode()).hexdigest()
