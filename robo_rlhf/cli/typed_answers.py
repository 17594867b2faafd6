"""Answers as they are typed in a terminal, for questions of any kind: how they are written follows from the layout."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.axes import axes_of
from robo_rlhf.feedback.question_kind import CLIP_NAMES, REASONS, AnswerValue, Control, Layout, QueryKind
from robo_rlhf.feedback.reasons.given import explained
from robo_rlhf.feedback.reasons.listed import Reason, keyed
from robo_rlhf.feedback.records import Question

STILL = 1e-3  # [steps/s] of a press about a place that is named rather than seen in passing: there is no delay
_PRESS = re.compile(r"([+-])(\d+(?:\.\d+)?)")


def menu(kind: QueryKind, question: Question, listed: Sequence[Reason] = ()) -> str:
    """Return in a line how an answer to the question is typed, and in a second one how the `listed` reasons are."""
    keys = [f"[{control.key}] {control.label}" for control in kind.controls if not control.part]
    line = "   ".join([*_HOW[kind.layout](kind, question), *keys])
    if not listed:
        return line
    reasons = "   ".join(f"[{key.lower()}] {reason.name}" for key, reason in keyed(listed))
    return f"{line}\n  and after a slash why, with the second where one is meant, such as 1 / q w@1.5: {reasons}"


def read_answer(
    kind: QueryKind, question: Question, typed: str, steps_per_second: float, listed: Sequence[Reason] = ()
) -> AnswerValue:
    """Return the answer that was typed, with the reasons after a slash that are among those `listed`.

    Raises:
        InvalidValueError: it is none; the message says how one is written.
    """
    typed, slash, why = typed.partition("/")
    value = _read_plain(kind, question, typed, steps_per_second)
    if not slash:
        return value
    value = {**value, REASONS: [_read_reason(word, listed, steps_per_second) for word in why.split()]}
    explained(value, listed, [clip.length for clip in question.segments])  # refused here, where it can be typed again
    return value


def _read_plain(kind: QueryKind, question: Question, typed: str, steps_per_second: float) -> AnswerValue:
    """Return the answer that was typed; raises as `read_answer`."""
    whole = [control for control in kind.controls if not control.part]
    words = {control.key.lower(): control.value for control in whole}
    words |= {str(control.value["choice"]).lower(): control.value for control in whole if "choice" in control.value}
    value = words.get(typed.strip().lower())
    value = _READ[kind.layout](kind, question, typed.strip(), steps_per_second) if value is None else value
    if value is None:
        raise InvalidValueError("answer", repr(typed), menu(kind, question))
    kind.validate(value, len(question.segments), question.meta)
    return value


def _read_reason(word: str, listed: Sequence[Reason], steps_per_second: float) -> dict[str, Any]:
    """Return the reason whose key was typed, with the moment after an @ [s]."""
    key, at, when = word.partition("@")
    by_key = {key.lower(): reason.name for key, reason in keyed(listed)}
    seconds = re.fullmatch(r"\d+(?:\.\d+)?", when)
    if key.lower() not in by_key or (at and not seconds):
        named = ", ".join(f"{key} {name}" for key, name in by_key.items()) or "none: the task has no list of reasons"
        raise InvalidValueError("reason", repr(word), f"a key, and @ with a second where a moment is meant: {named}")
    found: dict[str, Any] = {"reason": by_key[key.lower()]}
    return found | ({"step": float(when) * steps_per_second} if at else {})


def _axes(kind: QueryKind, question: Question) -> tuple[str, ...]:
    """Return what a question of levels asks about: what its meta names, else what its controls do."""
    part = next(control for control in kind.controls if control.part)
    (usual,) = part.value.values()
    return axes_of(question.meta, usual)


def _how_choice(kind: QueryKind, question: Question) -> list[str]:
    return []


def _how_order(kind: QueryKind, question: Question) -> list[str]:
    return ["the clips, the best first, = between equal ones: B > A = C"]


def _how_levels(kind: QueryKind, question: Question) -> list[str]:
    levels = ", ".join(_keyed(control) for control in kind.controls if control.part)
    axes = _axes(kind, question)
    return [f"a key each for {', '.join(axes)}, with spaces between: {levels}" if len(axes) > 1 else levels]


def _keyed(control: Control) -> str:
    """Return a control's label with its key, which the labels of levels begin with."""
    return control.label if control.label.startswith(control.key) else f"{control.key} {control.label}"


def _how_presses(kind: QueryKind, question: Question) -> list[str]:
    return ["+ or - and the second at which, with spaces between: +1.5 -3"]


def _how_number(kind: QueryKind, question: Question) -> list[str]:
    spans = [f"{name} from {least} to {most}" for name, (least, most) in kind.spans().items()]
    return [f"a number, with spaces between: {', '.join(spans)}" if len(spans) > 1 else spans[0]]


def _how_show(kind: QueryKind, question: Question) -> list[str]:
    return ["(to show how, answer on the review page)"]


def _read_nothing(kind: QueryKind, question: Question, typed: str, rate: float) -> AnswerValue | None:
    return None


def _read_order(kind: QueryKind, question: Question, typed: str, rate: float) -> AnswerValue | None:
    groups = [[name.strip().upper() for name in group.split("=")] for group in typed.split(">")]
    named = sorted(name for group in groups for name in group)
    field = next(iter(kind.keys))
    return {field: groups} if named == list(CLIP_NAMES[: len(question.segments)]) else None


def _read_levels(kind: QueryKind, question: Question, typed: str, rate: float) -> AnswerValue | None:
    parts = {control.key.lower(): control.value for control in kind.controls if control.part}
    chosen, axes = typed.lower().split(), _axes(kind, question)
    if len(chosen) != len(axes) or any(key not in parts for key in chosen):
        return None
    field = next(iter(parts[chosen[0]]))
    return {field: {name: _only(parts[key][field]) for name, key in zip(axes, chosen, strict=True)}}


def _read_presses(kind: QueryKind, question: Question, typed: str, rate: float) -> AnswerValue | None:
    found = [_PRESS.fullmatch(word) for word in typed.split()]
    if not found or None in found:
        return None
    field = next(iter(kind.keys))
    seen = [(one[1], float(one[2])) for one in found if one]
    return {field: [{"sign": 1 if sign == "+" else -1, "step": at * rate, "rate": STILL} for sign, at in seen]}


def _read_number(kind: QueryKind, question: Question, typed: str, rate: float) -> AnswerValue | None:
    numbers, spans = typed.split(), kind.spans()
    if len(numbers) != len(spans) or not all(re.fullmatch(r"-?\d+", number) for number in numbers):
        return None
    return {name: int(number) for name, number in zip(spans, numbers, strict=True)}


def _only(levels: Mapping[str, Any]) -> Any:
    (level,) = levels.values()
    return level


_HOW: dict[Layout, Callable[[QueryKind, Question], list[str]]] = {
    "choice": _how_choice,
    "order": _how_order,
    "levels": _how_levels,
    "presses": _how_presses,
    "number": _how_number,
    "show": _how_show,
}
_READ: dict[Layout, Callable[[QueryKind, Question, str, float], AnswerValue | None]] = {
    "choice": _read_nothing,
    "order": _read_order,
    "levels": _read_levels,
    "presses": _read_presses,
    "number": _read_number,
    "show": _read_nothing,
}
