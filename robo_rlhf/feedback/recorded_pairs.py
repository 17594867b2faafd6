"""Pairs to ask about among episodes that are recorded already: of one task, from the same start, by two policies."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import combinations

from robo_rlhf.core.types import Segment
from robo_rlhf.data.reader import EpisodeInfo
from robo_rlhf.feedback.records import Question, question_id

KIND = "pairwise"


def pairs_of(infos: Iterable[EpisodeInfo]) -> list[tuple[EpisodeInfo, EpisodeInfo]]:
    """Return all pairs of episodes of the same start by different policies, in an order in which no pair comes first.

    The start is what the metadata calls a pair, where it does; else the seed. The policy is what the metadata calls
    so, else the operator. Which of two is A depends on their ids alone, half of the time either.
    """
    starts: dict[tuple[str, str], list[EpisodeInfo]] = {}
    for info in infos:
        meta = info.meta
        starts.setdefault((meta.task, meta.origin.get("pair") or f"seed {meta.seed}"), []).append(info)
    found = []
    for group in starts.values():
        for one, other in combinations(sorted(group, key=lambda info: info.meta.id), 2):
            if policy_of(one) != policy_of(other):
                found.append((other, one) if int(_digest(one, other)[:2], 16) % 2 else (one, other))
    return sorted(found, key=lambda pair: _digest(*pair))


def policy_of(info: EpisodeInfo) -> str:
    """Return the policy that acted in an episode, as its metadata says."""
    return info.meta.origin.get("policy") or info.meta.operator


def questions_about(
    pairs: Sequence[tuple[EpisodeInfo, EpisodeInfo]], dataset: str, run: str, overlap: int
) -> list[Question]:
    """Return a question for each pair, about the whole of both; asked again, it is the same question."""
    asked = []
    for pair in pairs:
        clips = tuple(Segment(info.meta.id, 0, info.length) for info in pair)
        name = question_id(run, 1, KIND, clips)
        asked.append(Question(name, run, 1, KIND, pair[0].meta.task, clips, dataset, overlap=overlap))
    return asked


def _digest(one: EpisodeInfo, other: EpisodeInfo) -> str:
    return hashlib.sha256(f"{one.meta.id} {other.meta.id}".encode()).hexdigest()
