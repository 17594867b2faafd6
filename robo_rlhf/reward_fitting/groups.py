"""Groups that people declare: how well one reward serves each, and a reward head for each where that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from robo_rlhf.accounts.groups import groups_of
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.stats import Interval, clustered_difference, clustered_share
from robo_rlhf.core.types import Array
from robo_rlhf.feedback.axes import OVERALL
from robo_rlhf.feedback.quality.report import weighted, weights_among
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.reward_fitting.answers import AnswerData
from robo_rlhf.reward_fitting.clips import AnswerExamples
from robo_rlhf.reward_fitting.held_out import HeldOutPredictions

FEWEST = 10  # answers of a group, from which on it has a head of its own and its accuracy is compared


def head_of_group(group: str, axis: str = OVERALL) -> str:
    """Return the name of the reward head of a group: the axis in an objective such as learned(axis='group experts')."""
    return f"group {group}" if axis == OVERALL else f"group {group}, {axis}"


def members(people: Sequence[str], teams: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the people of each group; `teams` has the groups that each person names, see `accounts.groups`."""
    found: dict[str, list[str]] = {}
    for person in people:
        for group in groups_of(teams.get(person, "")):
            found.setdefault(group, []).append(person)
    return dict(sorted(found.items()))


def weighted_within(questions: Sequence[Question], answers: Sequence[Answer], teams: Mapping[str, str]) -> list[Answer]:
    """Return the answers with reliabilities that compare people with those of the same groups alone.

    Compared with all, a group that judges otherwise would look careless.
    """
    weights: dict[str, float] = {}
    together: dict[str, list[Answer]] = {}
    for answer in answers:
        together.setdefault(teams.get(answer.annotator, ""), []).append(answer)
    for mine in together.values():
        weights |= weights_among(questions, mine)
    return weighted(answers, weights)


def split_by_group(judged: AnswerData, teams: Mapping[str, str]) -> AnswerData:
    """Return the same answers about a head for each group; priors are about all, and who is in none is about the whole.

    Raises:
        InvalidValueError: no group has answers enough.
    """
    counts = {
        group: sum(_by(group_of, [judged.annotators.index(name) for name in names]) for group_of in judged.examples)
        for group, names in members(judged.annotators, teams).items()
    }
    own = {group: names for group, names in members(judged.annotators, teams).items() if counts[group] >= FEWEST}
    if not own:
        known = ", ".join(f"{group} with {count}" for group, count in counts.items()) or "none"
        expected = f"at least one with {FEWEST} answers: people name their groups on the account page"
        raise InvalidValueError("groups to learn a reward for", known, expected)
    examples: list[AnswerExamples] = []
    grouped = torch.zeros(len(judged.annotators), dtype=torch.bool)
    for group, names in own.items():
        mine = torch.zeros(len(judged.annotators), dtype=torch.bool)
        mine[[judged.annotators.index(name) for name in names]] = True
        grouped |= mine
        examples += [_about(one, mine, head_of_group(group, one.axis)) for one in judged.examples]
    examples += [_about(one, ~grouped, one.axis) for one in judged.examples if one.annotator is not None]
    return judged._replace(examples=[one for one in examples if len(one)])


def group_accuracy(
    predicted: HeldOutPredictions | None, people: Sequence[str], teams: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return how well a reward predicts the held-out answers of each group and of the rest, as a JSON object.

    Answers to one question are right and wrong together, and count so in the intervals.

    Args:
        predicted: the held-out answers.
        people: the annotators, in the order of `predicted.annotator`.
        teams: annotator → the groups that they name.
    """
    found: dict[str, dict[str, Any]] = {}
    if predicted is None:
        return found
    sided = ~torch.isnan(predicted.right) & (predicted.annotator >= 0)
    for group, names in members(sorted(people), teams).items():
        inside = torch.isin(predicted.annotator, torch.tensor([people.index(name) for name in names]))
        mine, rest = (_hits(predicted, sided & who) for who in (inside, ~inside))
        if not len(mine[0]):
            continue
        row: dict[str, Any] = {"people": len(names), "answers": len(mine[0])}
        difference = clustered_difference(rest, mine) if len(rest[0]) else None
        row |= {"accuracy": clustered_share(*mine)._asdict()}
        row |= {"rest": clustered_share(*rest)._asdict() if len(rest[0]) else None}
        row |= {"difference": difference._asdict() if difference else None}
        enough = len(mine[0]) >= FEWEST and len(rest[0]) >= FEWEST
        found[group] = {**row, "served_badly": bool(enough and difference and difference.high < 0)}
    return found


def group_warnings(groups: Mapping[str, Mapping[str, Any]], *, per_group: bool) -> list[str]:
    """Return a sentence for each group that one reward serves badly."""
    advice = "" if per_group else " --per-group learns a reward for each group."
    return [
        f"One reward serves the group {name} badly: it predicts {_words(row['accuracy'])} of their held-out answers, "
        f"and {_words(row['rest'])} of the others'.{advice}"
        for name, row in groups.items()
        if row["served_badly"]
    ]


def _about(one: AnswerExamples, mine: torch.Tensor, axis: str) -> AnswerExamples:
    """Return the answers of some people, and priors whole, about a head."""
    rows = torch.ones(len(one), dtype=torch.bool) if one.annotator is None else mine[one.annotator]
    who, when = (None if column is None else column[rows] for column in (one.annotator, one.round))
    columns = {name: getattr(one, name)[rows] for name in ("clips", "values", "weight", "fold")}
    return replace(one, **columns, annotator=who, round=when, axis=axis)


def _by(one: AnswerExamples, people: Sequence[int]) -> int:
    return 0 if one.annotator is None else int(torch.isin(one.annotator, torch.tensor(people)).sum())


def _hits(predicted: HeldOutPredictions, rows: torch.Tensor) -> tuple[Array, Array]:
    """Return whether some answers were predicted, and their questions."""
    return predicted.right[rows].numpy(), predicted.question[rows].numpy()


def _words(share: Mapping[str, float]) -> str:
    found = Interval(**share)
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"
