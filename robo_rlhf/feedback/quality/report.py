"""Quality report of the answers: of all people together, of each person, and between groups of people.

Everything is computed from stored rows: answers, gold, repeats. People are not compared with a simulated teacher,
unless both were asked the same.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.groups import apart, groups_of
from robo_rlhf.core.stats import Interval, wilson
from robo_rlhf.feedback.assignment.gold import GoldQuestion
from robo_rlhf.feedback.assignment.task_settings import Sharing
from robo_rlhf.feedback.implicit.keeping import count_by_person
from robo_rlhf.feedback.kinds import usable_kind
from robo_rlhf.feedback.quality import annotator_skill
from robo_rlhf.feedback.quality.agreement import (
    agreement_with_others,
    between_and_within,
    by_unit,
    judgements,
    krippendorff_alpha,
    raw_agreement,
)
from robo_rlhf.feedback.quality.annotator_skill import Judgement
from robo_rlhf.feedback.question_kind import agreement
from robo_rlhf.feedback.reasons.given import counts
from robo_rlhf.feedback.records import Answer, Question, answer_of
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, gold, questions

MOST = 50_000  # answers that are read, the newest
WORK = ("counted", "late", "surplus")  # answers that hold a person's own judgement, whether they count or not
SAME = 0.75  # agreement from which two answers of one person are the same
LEAST_ANSWERS = 10  # below, no warning is given
LEAST_GOLD = 5  # gold questions, below which no warning is given
RIGHT, WRONG = "right", "wrong"  # labels of an answer to a gold question
BIASED = 0.1  # how far from a half the whole interval of a side's share lies when a person favours it
REST = "the others"  # everybody who is not in a group
MOST_GROUPS = 12  # of people that are compared with each other, those with most answers


class Share(NamedTuple):
    """A count out of a total, with a 95 % confidence interval of the share; None where the total is 0."""

    hits: int
    of: int
    interval: Interval | None

    @staticmethod
    def over(hits: Sequence[bool]) -> "Share":
        """Return the share of those that are true."""
        return Share(sum(hits), len(hits), wilson(sum(hits), len(hits)) if hits else None)

    @property
    def value(self) -> float | None:
        """The share; None where the total is 0."""
        return self.hits / self.of if self.of else None


@dataclass(frozen=True)
class PersonQuality:
    """The quality of one person's answers."""

    name: str
    kind: str  # human or simulated
    team: str  # the groups that the person says to belong to, with commas between them
    answers: int  # that count
    seconds: float | None  # [s] median from seeing the clips to the answer
    agreement: float | None  # share of the others, asked the same, who agree
    consistency: Share  # questions asked twice that were answered alike
    gold: Share  # gold questions that were answered right
    left: Share  # clips chosen that were on the left
    too_fast: Share  # answers that came too soon for the clips to have been seen
    ties: Share  # answers that prefer nothing
    skipped: Share  # answers that judge nothing
    skill: float | None  # probability of the true label, by the crowd model
    weight: float  # training weight of the answers, in [0, 1]
    warnings: tuple[str, ...]  # what is wrong, in words


@dataclass(frozen=True)
class TeamDifference:
    """The difference between two groups: agreement within them less agreement between them."""

    first: str
    second: str
    difference: Interval | None


@dataclass(frozen=True)
class Quality:
    """The quality of all answers."""

    answers: int
    people: tuple[PersonQuality, ...]
    agreement: float | None  # share of pairs of people who agree
    alpha: Mapping[str, float | None]  # kind of question → Krippendorff's alpha
    teams: Mapping[str, float | None]  # group → mean agreement of its people with all others
    differences: tuple[TeamDifference, ...]
    implicit: Mapping[str, int] = field(default_factory=dict)  # person → preferences of their rewinds and takeovers
    sharing: Sharing = field(default_factory=Sharing)
    reasons: Mapping[str, int] = field(default_factory=dict)  # reason → how often it was given, the most frequent first

    @property
    def weights(self) -> dict[str, float]:
        """The training weight of each person's answers, in [0, 1]."""
        return {person.name: person.weight for person in self.people}


def report(store: Store, *, run: str | None = None, task: str | None = None, most: int = MOST) -> Quality:
    """Return the quality of the newest `most` answers, to all questions or those of a run or task."""
    kinds, found = load_answers(store, run, task, most)
    by_standing: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        by_standing[answer.standing].append(answer)
    work = [a for name in WORK for a in by_standing[name]]
    judged_units = judgements(work, kinds)
    sharing, teams = store.tasks.sharing(task or ""), store.teams()
    known = {known.question: known for known in store.gold.list()}
    skills = skills_of(judged_units, by_gold(by_standing["gold"], known))
    agreed = agreement_with_others(judged_units)
    people = []
    by_person: dict[str, dict[str, list[Answer]]] = defaultdict(lambda: defaultdict(list))
    for answer in found:
        by_person[answer.annotator][answer.standing].append(answer)
    for name, mine in sorted(by_person.items()):
        own = [answer for standing in WORK for answer in mine.get(standing, ())]
        pair = agreed.get(name, (0, 0))
        person = _person(name, teams.get(name, ""), own, mine, kinds, known, sharing)
        people.append(_judged(person, pair[0] / pair[1] if pair[1] else None, skills.get(name), sharing))
    return Quality(
        answers=len(work),
        people=tuple(people),
        agreement=raw_agreement(judged_units),
        alpha={kind: _alpha(kind, work, kinds) for kind in sorted({kinds[a.question_id] for a in work})},
        teams=_teams(people),
        differences=_differences(people, judged_units, teams),
        implicit=count_by_person(store, run=run, task=task),
        sharing=sharing,
        reasons=counts([answer.value for answer in work]),
    )


def weights(store: Store, *, run: str | None = None) -> dict[str, float]:
    """Return the weight of each person's answers in training a reward model, in [0, 1].

    People about whom nothing is known (they share no question with another person, and had no gold) count in full.
    """
    return report(store, run=run).weights


def weights_among(
    asked: Sequence[Question], found: Sequence[Answer], checked: Sequence[Judgement] = ()
) -> dict[str, float]:
    """Return the training weight of each person's answers, in [0, 1], as estimated from these answers and `checked`.

    People who share no question with another person and had no gold questions are left out: nothing is known of
    them. So without gold no weights exist where one person answers alone, or where each question is answered once.
    """
    kinds = {question.id: question.kind for question in asked}
    judged_units = judgements([answer for answer in found if answer.question_id in kinds], kinds)
    return {name: annotator_skill.weight_of(skill) for name, skill in skills_of(judged_units, checked).items()}


def skills_of(judged_units: Sequence[Judgement], checked: Sequence[Judgement] = ()) -> dict[str, float]:
    """Return the probability of the true label, by the crowd model, for each person of whom something is known.

    Those are people who share a unit with another, or had gold questions: `checked`, as `by_gold` returns it.
    """
    shared = {unit for unit, labels in by_unit(judged_units).items() if len(labels) > 1}
    judged = [one for one in judged_units if one.unit in shared]
    return dict(annotator_skill.fit([*judged, *checked], known={one.unit: RIGHT for one in checked}).skill)


def by_gold(found: Sequence[Answer], known: Mapping[str, GoldQuestion]) -> list[Judgement]:
    """Return a judgement for each answer to a gold question: whether it is right, with the known truth."""
    return [
        Judgement(("gold", one.question_id), one.annotator, RIGHT if known[one.question_id].right(one.value) else WRONG)
        for one in found
        if one.question_id in known and usable_kind(known[one.question_id].kind).labels(one.value)
    ]


def gold_of(store: Store, *, task: str | None = None, until: int | None = None) -> list[Judgement]:
    """Return the judgements of gold questions, all or those about a task, by answers up to the number `until`."""
    known = {one.question: one for one in store.gold.list(task)}
    if not known:
        return []
    query = sa.select(answers).where(answers.c.question_id.in_(sa.select(gold.c.question_id)))
    query = query.where(answers.c.standing == "gold", answers.c.number <= until if until is not None else sa.true())
    newest: dict[tuple[str, str], Answer | None] = {}
    with store.database.read() as connection:
        for row in connection.execute(query.order_by(answers.c.number)).mappings():
            newest[row["question_id"], row["annotator"]] = answer_of(row) if row["value"] is not None else None
    return by_gold([answer for answer in newest.values() if answer is not None], known)


def weighted(found: Sequence[Answer], by_person: Mapping[str, float]) -> list[Answer]:
    """Return the answers with the weights of their people; a person without a weight counts in full."""
    return [replace(answer, weight=by_person.get(answer.annotator, 1.0)) for answer in found]


def load_answers(store: Store, run: str | None, task: str | None, most: int) -> tuple[dict[str, str], list[Answer]]:
    """Return the kinds of questions by id, and the newest answer of each person to each, one of a repeat apart."""
    query = sa.select(answers, questions.c.kind.label("question_kind")).order_by(answers.c.number.desc()).limit(most)
    query = query.join(questions, questions.c.id == answers.c.question_id)
    query = query.where(questions.c.run == run) if run is not None else query
    query = query.where(questions.c.task == task) if task is not None else query
    query = query.where(questions.c.role != "implicit")  # nobody was asked
    kinds: dict[str, str] = {}
    newest: dict[tuple[str, str, bool], Answer | None] = {}
    with store.database.read() as connection:
        for row in connection.execute(query).mappings():
            kinds[row["question_id"]] = row["question_kind"]
            key = (row["question_id"], row["annotator"], row["standing"] == "repeat")
            newest.setdefault(key, answer_of(row) if row["value"] is not None else None)
    return kinds, [answer for answer in reversed(newest.values()) if answer is not None]


def _person(
    name: str,
    team: str,
    own: Sequence[Answer],
    mine: Mapping[str, Sequence[Answer]],
    kinds: Mapping[str, str],
    known: Mapping[str, GoldQuestion],
    sharing: Sharing,
) -> PersonQuality:
    """Return the figures of one person that follow from their answers alone."""
    times = sorted(answer.response_time for answer in own if answer.response_time is not None)
    labels = [usable_kind(kinds[answer.question_id]).labels(answer.value) for answer in own]
    judged = [judged_units for judged_units in labels if judged_units]
    everything = [answer for some in mine.values() for answer in some]
    return PersonQuality(
        name=name,
        kind=everything[-1].annotator_kind,
        team=team,
        answers=sum(answer.standing != "surplus" for answer in own),
        seconds=times[len(times) // 2] if times else None,
        agreement=None,
        consistency=_consistency(own, mine.get("repeat", ()), kinds),
        gold=Share.over([known[a.question_id].right(a.value) for a in mine.get("gold", ()) if a.question_id in known]),
        left=_left(own),
        too_fast=Share.over([time < sharing.too_fast for time in times]),
        ties=Share.over([all(label == "neither" for label in judged_units.values()) for judged_units in judged]),
        skipped=Share.over([not judged_units for judged_units in labels]),
        skill=None,
        weight=1.0,
        warnings=(),
    )


def _judged(person: PersonQuality, agreed: float | None, skill: float | None, sharing: Sharing) -> PersonQuality:
    """Return the same with the comparison with others, and with warnings."""
    weight = 1.0 if skill is None else annotator_skill.weight_of(skill)
    gold, left = person.gold, person.left.interval
    checks = (
        (gold.of >= LEAST_GOLD and (gold.value or 0) < sharing.least_gold, "misses gold questions"),
        (_many(person.too_fast, sharing.most_too_fast), "answers too fast to have seen the clips"),
        (_many(person.ties, sharing.most_ties), "hardly ever decides"),
        (
            person.consistency.of >= LEAST_ANSWERS and _few(person.consistency, sharing.least_consistent),
            "contradicts itself",
        ),
        (left is not None and person.left.of >= LEAST_ANSWERS and left.low > 0.5 + BIASED, "favours the left"),
        (left is not None and person.left.of >= LEAST_ANSWERS and left.high < 0.5 - BIASED, "favours the right"),
        (
            person.answers >= LEAST_ANSWERS and agreed is not None and (skill or 0.0) < sharing.least_skill,
            "disagrees with the others",
        ),
    )
    warnings = tuple(text for wrong, text in checks if wrong)
    return replace(person, agreement=agreed, skill=skill, weight=weight, warnings=warnings)


def _many(share: Share, most: float) -> bool:
    return share.of >= LEAST_ANSWERS and (share.value or 0.0) > most


def _few(share: Share, least: float) -> bool:
    return (share.value or 0.0) < least


def _consistency(own: Sequence[Answer], again: Sequence[Answer], kinds: Mapping[str, str]) -> Share:
    before = {answer.question_id: answer for answer in own}
    pairs = [(before[a.question_id], a) for a in again if a.question_id in before]
    agreed = [agreement(usable_kind(kinds[b.question_id]), a.value, b.value) for a, b in pairs]
    return Share.over([one >= SAME for one in agreed if one is not None])


def _left(own: Sequence[Answer]) -> Share:
    """Return how often the clip that was chosen out of two was shown first."""
    chosen = [(a.value.get("choice"), a.shown) for a in own if a.shown is not None and len(a.shown) == 2]
    return Share.over([shown[0] == choice for choice, shown in chosen if choice in ("A", "B")])


def _alpha(kind: str, work: Sequence[Answer], kinds: Mapping[str, str]) -> float | None:
    return krippendorff_alpha(
        judgements([a for a in work if kinds[a.question_id] == kind], kinds), usable_kind(kind).scale
    )


def _teams(people: Sequence[PersonQuality]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for team in sorted({group for person in people for group in groups_of(person.team)}):
        members = [person for person in people if team in groups_of(person.team)]
        known = [person.agreement for person in members if person.agreement is not None]
        found[team] = sum(known) / len(known) if known else None
    return found


def _differences(
    people: Sequence[PersonQuality], judged_units: Sequence[Judgement], teams: Mapping[str, str]
) -> tuple[TeamDifference, ...]:
    """Return how groups differ: every two of several people each, and a group of one person from the rest."""
    pairs = [(a, b, apart(teams, a, b)) for a, b in combinations(_groups(people), 2)]
    alone = [group for group in _teams(people) if sum(group in groups_of(one.team) for one in people) == 1]
    for group in alone[:MOST_GROUPS] if len(people) > 1 else ():
        sides = {one.name: group if group in groups_of(one.team) else REST for one in people}
        pairs.append((group, REST, sides))
    return tuple(TeamDifference(a, b, between_and_within(judged_units, sides, a, b)) for a, b, sides in pairs)


def _groups(people: Sequence[PersonQuality]) -> list[str]:
    """Return the groups that are compared, sorted: those to which at least two people belong."""
    members: dict[str, list[int]] = defaultdict(list)
    for person in people:
        for group in groups_of(person.team):
            members[group].append(person.answers)
    known = [group for group, counts in members.items() if len(counts) > 1]
    return sorted(sorted(known, key=lambda group: (-sum(members[group]), group))[:MOST_GROUPS])


def as_json(quality: Quality) -> dict[str, object]:
    """Return a JSON object."""
    found: dict[str, object] = plain(quality)
    return found


def plain(value: Any) -> Any:
    """Return dataclasses and named tuples as objects."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple) else value
