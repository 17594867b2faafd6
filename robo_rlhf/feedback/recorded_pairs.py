"""Pairs to ask about among episodes that are recorded already: of one task, from the same start, by two policies."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.types import Segment
from robo_rlhf.data.reader import EpisodeInfo
from robo_rlhf.feedback.records import Question, question_id

KIND, BY_AXES = "pairwise", "axes"  # kinds of question


def pairs_of(infos: Iterable[EpisodeInfo]) -> list[tuple[EpisodeInfo, EpisodeInfo]]:
    """Return all pairs of episodes of the same start by different policies, in an order in which no pair comes first.

    The start is what the metadata calls a pair, where it does; else the seed. The policy is what the metadata calls
    so, else the operator. Which of two is A depends on their ids alone, half of the time either.
    """
    found = []
    for group in _by_start(infos).values():
        for one, other in combinations(sorted(group, key=lambda info: info.meta.id), 2):
            if policy_of(one) != policy_of(other):
                found.append((other, one) if int(_digest(one, other)[:2], 16) % 2 else (one, other))
    return sorted(found, key=lambda pair: _digest(*pair))


def pairs_among(infos: Iterable[EpisodeInfo], chosen: Sequence[str]) -> list[tuple[EpisodeInfo, EpisodeInfo]]:
    """Return every two of the episodes that a user chose by their ids, whatever their start and policy.

    Raises:
        NotFoundError: there is no such episode.
        InvalidValueError: fewer than two, or of several tasks.
    """
    known = {info.meta.id: info for info in infos}
    missing = [name for name in chosen if name not in known]
    if missing:
        advice = "`robo-rlhf episodes list` shows the ids; one without a step is not asked about."
        raise NotFoundError("episode to compare", missing[0], advice)
    found = [known[name] for name in dict.fromkeys(chosen)]
    tasks = sorted({info.meta.task for info in found})
    if len(found) < 2 or len(tasks) > 1:
        raise InvalidValueError("episodes to compare", f"{len(found)} of {', '.join(tasks)}", "two or more of one task")
    return list(combinations(found, 2))


def starts_of(infos: Iterable[EpisodeInfo]) -> list[dict[str, EpisodeInfo]]:
    """Return the episode of each policy from each start, as `pairs_of` knows them.

    Where a policy has several from one start, the second of each are another start. Where no start has two policies,
    the episodes are compared in the order of their ids: the first of each policy, the second, and so on.
    """
    groups = list(_by_start(infos).values())
    if not any(len({policy_of(info) for info in group}) > 1 for group in groups):
        groups = [[info for group in groups for info in group]]
    found: list[dict[str, EpisodeInfo]] = []
    for group in groups:
        first = len(found)
        for info in sorted(group, key=lambda info: info.meta.id):
            place = next((start for start in found[first:] if policy_of(info) not in start), None)
            if place is None:
                found.append(place := {})
            place[policy_of(info)] = info
    return found


def _by_start(infos: Iterable[EpisodeInfo]) -> dict[tuple[str, str], list[EpisodeInfo]]:
    starts: dict[tuple[str, str], list[EpisodeInfo]] = {}
    for info in sorted(infos, key=lambda info: info.meta.id):
        start = info.meta.origin.get("pair") or f"seed {info.meta.seed}"
        starts.setdefault((info.meta.task, start), []).append(info)
    return starts


def policy_of(info: EpisodeInfo) -> str:
    """Return the policy that acted in an episode, as its metadata says."""
    return info.meta.origin.get("policy") or info.meta.operator


def questions_about(
    pairs: Sequence[tuple[EpisodeInfo, EpisodeInfo]],
    dataset: str,
    run: str,
    overlap: int,
    axes: Callable[[str], Sequence[str]] | None = None,
) -> list[Question]:
    """Return a question for each pair, about the whole of both; asked again, it is the same question.

    `axes` gives the named axes that clips of a task are compared along; without it, which clip is better is asked.
    """
    asked = []
    for pair in pairs:
        clips = tuple(Segment(info.meta.id, 0, info.length) for info in pair)
        task, kind = pair[0].meta.task, KIND if axes is None else BY_AXES
        meta = {} if axes is None else {"axes": list(axes(task))}
        name = question_id(run, 1, kind, clips)
        asked.append(Question(name, run, 1, kind, task, clips, dataset, meta=meta, overlap=overlap))
    return asked


def _digest(one: EpisodeInfo, other: EpisodeInfo) -> str:
    return hashlib.sha256(f"{one.meta.id} {other.meta.id}".encode()).hexdigest()
