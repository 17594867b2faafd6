"""Reasons in a cell of a table of votes: JSON as it is exported, or plain names such as "too slow; leans@31".

A number after @ is the moment, in steps from the start of the clip. Plain names are looked up in the list of the task;
JSON with axis and direction is taken as it is, so that votes keep their reasons in a database without that list.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.seal import parse_json
from robo_rlhf.feedback.question_kind import REASONS, AnswerValue
from robo_rlhf.feedback.reasons.given import STORED, check_stored, explained
from robo_rlhf.feedback.reasons.listed import Reason

_SWAPPED = {"A": "B", "B": "A"}


def cell_of(value: AnswerValue) -> str:
    """Return the reasons of an answer as a cell; empty where it has none."""
    given = value.get(REASONS, [])
    return json.dumps(given, sort_keys=True, ensure_ascii=False) if given else ""


def read_cell(
    cell: str, choice: str, listed: Sequence[Reason], lengths: Sequence[int], *, swapped: bool
) -> list[dict[str, Any]]:
    """Return the reasons in a cell as an answer stores them.

    Args:
        cell: what the table holds.
        choice: the clip that the vote is for, as the question names it, or another choice.
        listed: the reasons of the task.
        lengths: steps of the clips as the question names them.
        swapped: whether the question has the clips the other way round than the vote.

    Raises:
        InvalidValueError: they cannot be read, or are no reasons of the task.
    """
    given = _parsed(cell)
    if swapped:
        given = [{**one, "clip": _SWAPPED.get(one["clip"], one["clip"])} if "clip" in one else one for one in given]
    value: AnswerValue = {"choice": choice, REASONS: given}
    if all({"axis", "direction"} <= set(one) for one in given):
        check_stored(value, len(lengths))
        return [{name: one[name] for name in STORED if one.get(name) is not None} for one in given]
    found: list[dict[str, Any]] = explained(value, listed, lengths)[REASONS]
    return found


def _parsed(cell: str) -> list[dict[str, Any]]:
    """Return the reasons as they are written."""
    if not cell.lstrip().startswith("["):
        return [_plain(word.strip()) for word in cell.split(";") if word.strip()]
    try:
        found = parse_json(cell)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        expected = 'names with semicolons between, or a list of objects such as [{"reason": "too slow"}]'
        raise InvalidValueError("reasons of a vote", repr(cell[:80]), expected)
    return [dict(one) for one in found]


def _plain(word: str) -> dict[str, Any]:
    name, at, step = (part.strip() for part in word.partition("@"))
    if not at:
        return {"reason": name}
    try:
        return {"reason": name, "step": float(step)}
    except ValueError:
        expected = "a number of steps after the @"
        raise InvalidValueError("moment of a reason", repr(word[:80]), expected) from None
