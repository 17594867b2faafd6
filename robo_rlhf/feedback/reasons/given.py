"""Reasons in an answer: {"reasons": [{"reason": its name, "clip": "B", "step": 31, "object": "glass"}]}.

All but the name may be left out. `clip` is the clip that the reason is about; of a choice between two it follows from
the choice: what is worse is about the other clip, what is better about the chosen one. `step` is the moment that is
meant, in steps from the start of that clip, and `object` one of those that the question's meta names. What is stored
also holds axis and direction as they were when the answer came: they stay what they meant when the list changes, or in
another database.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.question_kind import CLIP_NAMES, REASONS, AnswerValue, QueryKind, described
from robo_rlhf.feedback.reasons.listed import LONGEST, MOST, Reason

OBJECTS = "objects"  # in a question's meta: the objects that its clips observe
GIVEN = ("reason", "clip", "step", "object")  # what people send of each
STORED = (*GIVEN, "axis", "direction")
LONGEST_CLIP = 10**6  # [steps]


def explained(
    value: AnswerValue, listed: Sequence[Reason], lengths: Sequence[int], objects: Sequence[str] = ()
) -> AnswerValue:
    """Return an answer as it is stored: each of its reasons with clip, axis and direction.

    Args:
        value: an answer that is valid but for its reasons.
        listed: the list of the task.
        lengths: steps of each clip of the question.
        objects: those that the question names.

    Raises:
        InvalidValueError: no list of reasons, one that is not on the task's list, or two that contradict each other.
    """
    given = value.get(REASONS)
    if not isinstance(given, list) or len(given) > MOST:
        shown = f"{len(given)} of them" if isinstance(given, list) else repr(given)[:80]
        raise InvalidValueError("reasons of an answer", shown, f"a list of at most {MOST}")
    known = {reason.name: reason for reason in listed}
    found = [_explained(one, known, value, lengths) for one in given]
    for one in found:
        if "object" in one and one["object"] not in objects:
            expected = f"one of {', '.join(objects)}, or none" if objects else "none: the question names no objects"
            raise InvalidValueError(f"object of reason {one['reason']}", repr(one["object"])[:80], expected)
    check_consistent(value, found)
    return {**value, REASONS: found}


def is_the_same(stored: AnswerValue, sent: AnswerValue) -> bool:
    """Whether a stored answer is what `explained` made of the one that was sent, whatever the list was then."""
    given = sent.get(REASONS)
    kept = stored.get(REASONS, [])
    if {**stored, REASONS: []} != {**sent, REASONS: []} or not isinstance(given, list) or len(given) != len(kept):
        return False
    pairs = [(one, after) for one, after in zip(given, kept, strict=True) if isinstance(one, Mapping)]
    alike = [one.get("clip", after.get("clip")) == after.get("clip") for one, after in pairs]
    alike += [one.get(name) == after.get(name) for one, after in pairs for name in ("reason", "step", "object")]
    return len(pairs) == len(given) and all(alike)


def check_stored(value: AnswerValue, clips: int) -> None:
    """Check the reasons of an answer that another database stored; they need not be on any list here.

    Raises:
        InvalidValueError: they are not as `explained` makes them.
    """
    given = value.get(REASONS, [])
    expected = "objects with reason, axis and direction, and a clip and a step where one is meant"
    if not isinstance(given, list) or len(given) > MOST:
        raise InvalidValueError("reasons of an answer", repr(given)[:80], f"a list of at most {MOST} {expected}")
    for one in given:
        texts = isinstance(one, Mapping) and all(isinstance(one.get(name), str) for name in ("reason", "axis"))
        fits = texts and not set(one) - {*STORED} and one.get("direction") in ("worse", "better")
        fits = fits and isinstance(one.get("object", ""), str) and len(one.get("object", "")) <= LONGEST
        if not fits or not _names_clip(one, clips) or not _is_step(one.get("step"), LONGEST_CLIP):
            raise InvalidValueError("reason of an answer", repr(one)[:80], expected)
    check_consistent(value, given)


def check_consistent(value: AnswerValue, given: Sequence[Mapping[str, Any]]) -> None:
    """Check that no two reasons, and no reason and the answer itself, say opposite things along one axis.

    Raises:
        InvalidValueError: they do; the message names them.
    """
    names = [one["reason"] for one in given]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValueError("reasons of an answer", f"{twice!r} twice", "each reason once")
    before: dict[tuple[str, str], tuple[int, str]] = {}
    judged = value.get("axes") if isinstance(value.get("axes"), Mapping) else {}
    for one in given:
        clip, axis = one.get("clip"), one["axis"]
        if not clip or not axis:
            continue
        sign = 1 if one["direction"] == "better" else -1
        chosen = (judged or {}).get(axis)
        if chosen in tuple(CLIP_NAMES) and (sign > 0) != (chosen == clip):
            shown = f"{one['reason']!r} of clip {clip}, and clip {chosen} as the better one in {axis}"
            raise InvalidValueError("reasons of an answer", shown, "a reason that agrees with the answer")
        for name, (other, why) in [(key, kept) for key, kept in before.items() if key[1] == axis]:
            if (name[0] == clip) == (other != sign):
                shown = f"{why!r} of clip {name[0]} and {one['reason']!r} of clip {clip}, which are opposite in {axis}"
                raise InvalidValueError("reasons of an answer", shown, "one of the two")
        before[clip, axis] = sign, one["reason"]


def in_words(value: AnswerValue, control_dt: float | None = None) -> str:
    """Return the reasons of an answer in words; empty where it has none. `control_dt` [s] turns steps into seconds."""
    words = []
    for one in value.get(REASONS, ()):
        at = one.get("step")
        when = "" if at is None else f" at step {at:g}" if control_dt is None else f" at {at * control_dt:.1f} s"
        when = f"{when} {one['object']}" if one.get("object") else when
        about = f" ({one['clip']}{when})" if one.get("clip") else f" ({when.strip()})" if when else ""
        words.append(f"{one['reason']}{about}")
    return ", ".join(words)


def described_with_reasons(kind: QueryKind, value: AnswerValue) -> str:
    """Return in a few words what an answer says, and why."""
    what, why = described(kind, value), in_words(value)
    return f"{what}: {why}" if why else what


def counts(values: Sequence[AnswerValue]) -> dict[str, int]:
    """Return how often each reason was given, the most frequent first."""
    found: dict[str, int] = defaultdict(int)
    for value in values:
        for one in value.get(REASONS, ()):
            found[one["reason"]] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _explained(one: object, known: Mapping[str, Reason], value: AnswerValue, lengths: Sequence[int]) -> dict[str, Any]:
    """Return one reason as it is stored."""
    if not isinstance(one, Mapping) or set(one) - {*GIVEN} or not isinstance(one.get("reason"), str):
        raise InvalidValueError("reason of an answer", repr(one)[:80], f"an object with {', '.join(GIVEN)}")
    reason = known.get(one["reason"])
    if reason is None:
        there = f"one of the task's list: {', '.join(known)}" if known else "none: the task has no list of reasons"
        raise InvalidValueError("reason of an answer", repr(one["reason"][:80]), there)
    if not _names_clip(one, len(lengths)):
        names = ", ".join(CLIP_NAMES[: len(lengths)])
        raise InvalidValueError(f"clip of reason {reason.name}", repr(one.get("clip"))[:80], f"one of {names}, or none")
    clip = one.get("clip") or _clip_of(reason, value, len(lengths))
    last = lengths[CLIP_NAMES.index(clip)] if clip else max(lengths)
    if not _is_step(one.get("step"), last):
        raise InvalidValueError(
            f"step of reason {reason.name}", repr(one.get("step"))[:80], f"a number from 0 to {last}"
        )
    found: dict[str, Any] = {"reason": reason.name, "axis": reason.axis, "direction": reason.direction}
    found |= {"clip": clip} if clip else {}
    found |= {"object": one["object"]} if one.get("object") is not None else {}
    return found | ({"step": one["step"]} if one.get("step") is not None else {})


def _clip_of(reason: Reason, value: AnswerValue, clips: int) -> str:
    """Return the clip that a reason is about where that follows from the answer; else empty."""
    names = CLIP_NAMES[:clips]
    if clips == 1:
        return names
    judged = value.get("axes")
    along = judged.get(reason.axis) if isinstance(judged, Mapping) else None
    chosen = along or value.get("choice")
    if not isinstance(chosen, str) or chosen not in tuple(names):
        return ""
    if reason.direction == "better":
        return chosen
    return names.replace(chosen, "") if clips == 2 else ""


def _names_clip(one: Mapping[str, Any], clips: int) -> bool:
    clip = one.get("clip")
    return clip is None or (isinstance(clip, str) and clip in tuple(CLIP_NAMES[:clips]))


def _is_step(step: object, last: int) -> bool:
    return step is None or (isinstance(step, int | float) and not isinstance(step, bool) and 0 <= step <= last)
