"""Whom the policy serves: what people of each group say of the newest policy, and how well the reward knows them."""

from collections.abc import Collection, Iterable, Mapping
from html import escape
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.files import feedback_database
from robo_rlhf.core.stats import Interval, bootstrap_mean, clustered_share
from robo_rlhf.feedback.held_out import WATCHES
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.formatting import interval_text, value_text
from robo_rlhf.reward_fitting.groups import group_warnings, members

_Vote = tuple[bool, str]  # what a person says, and of which question


class GroupRatings(NamedTuple):
    """What some people say of clips of one policy; None where they were not asked so."""

    newer: Interval | None  # share of comparisons with the policy before in which they prefer the newest
    succeeds: Interval | None  # share of its episodes that they call a success
    rating: Interval | None  # mean of their ratings, over axes, from 1 to 5


def groups_section(findings: Findings) -> str:
    """Return the section; empty where nobody who answered names a group."""
    with Store(feedback_database(findings.home)) as store:
        teams = store.teams()
        asked = store.questions(run=findings.path.name)
        last = max((question.round for question in asked), default=0)
        questions = [question for question in asked if question.round == last]
        answers = store.answers(run=findings.path.name, round=last)
    people = {answer.annotator for answer in findings.answers()}
    groups = members(sorted(people), teams)
    if not groups:
        return ""
    known: Mapping[str, Mapping[str, object]] = findings.reward_scores()[-1].get("groups") or {}
    rows = []
    for name, mine in groups.items():
        for whose, some, of in ((name, set(mine), "accuracy"), ("everybody else", people - set(mine), "rest")):
            predicted = known.get(name, {}).get(of)
            if some:
                rows.append(_row(whose, len(some), predicted, ratings(questions, answers, some)))
    per_group = bool(findings.config["reward"].get("per_group"))
    warned = "".join(f"<p>{escape(text)}</p>" for text in group_warnings(known, per_group=per_group))
    return (
        "<h2>Whom it serves</h2>"
        f'{warned}<div class="scroll"><table><thead><tr><th>group</th><th>people</th><th>reward predicts them</th>'
        "<th>prefer the newest policy</th><th>call it a success</th><th>rate it, 1 to 5</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="quiet">Groups are what people name on their account pages. The reward is judged by answers that it '
        f"was not trained on; the policy is {_which(last, findings.rounds[-1])}; the comparisons are those with the "
        "policy before it. <code>robo-rlhf arena</code> compares any policies, and <code>arena show --by-group</code> "
        "says who prefers which.</p>"
    )


def _which(asked: int, last: int) -> str:
    if asked > last:
        return "the last one, which was asked about after all rounds"
    return f"the newest that people saw, that of clips of round {asked}: nobody was asked about the last one"


def ratings(questions: Iterable[Question], answers: Iterable[Answer], people: Collection[str]) -> GroupRatings:
    """Return what some people say of the policy whose clips were asked about."""
    known = {question.id: question for question in questions}
    newer, succeeds, levels = list[_Vote](), list[_Vote](), dict[str, list[float]]()
    for answer in answers:
        question = known.get(answer.question_id)
        if question is None or answer.annotator not in people:
            continue
        choice = answer.value.get("choice")
        if WATCHES in question.meta and choice in ("A", "B"):
            newer.append((choice == question.meta[WATCHES], question.id))
        if question.kind == "success" and choice in ("yes", "no"):
            succeeds.append((choice == "yes", question.id))
        given = answer.value.get("ratings")
        if isinstance(given, Mapping) and given:
            levels.setdefault(question.id, []).append(sum(given.values()) / len(given))
    means = np.array([np.mean(some) for some in levels.values()])
    rating = bootstrap_mean(means) if len(means) > 1 else None
    return GroupRatings(_share(newer), _share(succeeds), rating)


def _share(votes: list[_Vote]) -> Interval | None:
    if not votes:
        return None
    given, questions = zip(*votes, strict=True)
    return clustered_share(np.array(given), np.array(questions))


def _row(name: str, people: int, predicted: object, found: GroupRatings) -> str:
    shares = [Interval(**predicted) if isinstance(predicted, Mapping) else None, found.newer, found.succeeds]
    cells = [_cell(share, percent=True) for share in shares] + [_cell(found.rating)]
    return f"<tr><td>{escape(name)}</td><td>{people}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _cell(found: Interval | None, *, percent: bool = False) -> str:
    if found is None:
        return "–"
    return f"{value_text(found.value, percent)} <small>{interval_text(found, percent)}</small>"
