"""Questions that are ambiguous, rather than people that are careless, and what to do about each.

Only people who are reliable by the crowd model, or of whom nothing is known, are looked at: where they disagree with
each other, or with themselves when asked again, it is the question. Those on which they surely disagree come first.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from robo_rlhf.feedback.kinds import usable_kind
from robo_rlhf.feedback.quality.report import SAME, WORK, Quality, Share, load_answers
from robo_rlhf.feedback.question_kind import REASONS, QueryKind, agreement, described
from robo_rlhf.feedback.records import Answer, clip_id
from robo_rlhf.feedback.store import Store

MOST = 20  # questions in the list
RELIABLE = 0.5  # weight of a person's answers from which on they are looked at
UNSEEN = 0.5  # share of answers that judge nothing, or prefer nothing, from which on the clip is what lacks


@dataclass(frozen=True)
class AmbiguousQuestion:
    """A question on which reliable people disagree, with each other or with themselves."""

    id: str
    task: str
    kind: str
    clips: tuple[str, ...]  # their ids
    answers: Mapping[str, int]  # in words → how often, the most frequent first
    people: Share  # pairs of people who disagree
    same_person: Share  # people who disagree with themselves, of those who were asked twice
    advice: str


def ambiguous(
    store: Store, quality: Quality, *, run: str | None = None, task: str | None = None, most: int = MOST
) -> list[AmbiguousQuestion]:
    """Return the questions that are most surely ambiguous; `quality` is the report of the same answers."""
    kinds, found = load_answers(store, run, task, 50_000)
    known = {person.name for person in quality.people if person.weight >= RELIABLE and person.kind == "human"}
    first: dict[str, list[Answer]] = defaultdict(list)
    again: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        if answer.annotator in known and answer.standing in WORK:
            first[answer.question_id].append(answer)
        elif answer.annotator in known and answer.standing == "repeat":
            again[answer.question_id].append(answer)
    shares = {name: _shares(usable_kind(kinds[name]), mine, again[name]) for name, mine in first.items()}
    sure = {name: max(map(_surely, both)) for name, both in shares.items() if any(one.hits for one in both)}
    chosen = sorted(sure, key=lambda name: (-sure[name], name))[:most]
    asked = {question.id: question for question in store.questions(ids=chosen)}
    rows = []
    for name in chosen:
        question, kind = asked[name], usable_kind(kinds[name])
        mine = [*first[name], *again[name]]
        words = Counter(described(kind, answer.value) for answer in mine)
        clips = tuple(clip_id(question.dataset, clip) for clip in question.segments)
        advice = _advice(kind, mine, *shares[name])
        counted = dict(words.most_common())
        rows.append(AmbiguousQuestion(name, question.task, question.kind, clips, counted, *shares[name], advice))
    return rows


def _shares(kind: QueryKind, answers: Sequence[Answer], again: Sequence[Answer]) -> tuple[Share, Share]:
    """Return how many pairs of people disagree, and how many people disagree with themselves."""
    pairs = [agreement(kind, a.value, b.value) for a, b in combinations(answers, 2)]
    before = {answer.annotator: answer for answer in answers}
    twice = [agreement(kind, before[a.annotator].value, a.value) for a in again if a.annotator in before]
    both = ([share < SAME for share in some if share is not None] for some in (pairs, twice))
    between, within = both
    return Share.over(between), Share.over(within)


def _surely(share: Share) -> float:
    return share.interval.low if share.interval is not None else 0.0


def _advice(kind: QueryKind, answers: Sequence[Answer], people: Share, same_person: Share) -> str:
    """Return what to do about a question."""
    labels = [kind.labels(answer.value) for answer in answers]
    unseen = sum(not label or set(label.values()) == {"neither"} for label in labels) / len(labels)
    if unseen >= UNSEEN:
        return "Most cannot tell the clips apart: show them from another camera, or longer."
    axes = sorted({str(one["axis"]) for a in answers for one in a.value.get(REASONS, ()) if one.get("axis")})
    if people.hits and len(axes) > 1:
        named = " and ".join(axes)
        return f"People weigh {named} differently: say in the guidelines which counts more, or ask along axes."
    if same_person.hits and not people.hits:
        return "The same person answers it both ways: show it from another camera or longer, and let people practise."
    if same_person.hits:
        return (
            "Answers change when it is asked again: show it from another camera, or longer, before guidelines change."
        )
    return "People are each sure and disagree: say in the guidelines what counts here, and make it a practice question."
