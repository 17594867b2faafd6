"""Base class of question kinds: what the page shows, which answers are valid, and what they train.

A kind holds no state and imports torch only inside its functions, because the station uses it too.
An answer is a JSON object. It names clips by their place in the question ("A" is the first), never by the side of the
screen that they were shown on.
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.axes import OVERALL
from robo_rlhf.feedback.likelihoods import predict_best, prefer

if TYPE_CHECKING:
    from torch import Tensor

AnswerValue = Mapping[str, Any]  # a JSON object
Label = str | int  # a judgement that can be compared with another person's

Layout = Literal[
    "choice",  # one press is the whole answer
    "order",  # the clips are put in order, ties included
    "levels",  # one press an axis
    "presses",  # presses while the clip plays, then done
    "number",  # a number on each of one or several scales
    "show",  # opens the operate page at a frame of the clip; what is recorded there is the answer
]
Scale = Literal["nominal", "ordinal"]  # whether labels are names or levels

NOTHING: Mapping[str, Any] = MappingProxyType({})
CANT_TELL = "cant_tell"  # the choice in an answer without a judgement, of any kind
NOTE = "note"  # the key of a person's note
REASONS = "reasons"  # the key of the reasons for an answer, see `feedback.reasons`
CLIP_NAMES = "ABCDEF"  # clips are named in the order of the question


@dataclass(frozen=True)
class Control:
    """One button or key for an answer."""

    label: str
    key: str  # as KeyboardEvent.key
    value: AnswerValue  # the answer that it gives
    part: bool = False  # the value is a part of an answer, which the page puts together as the kind's layout says
    span: tuple[int, int] | None = None  # of a part with a number: the least and the most in the place of that number


@dataclass(frozen=True)
class Target:
    """The training target that one answer gives about K clips."""

    values: Array  # float32, (K,) or any other shape that all targets of the kind have; the kind says what they mean
    weight: float = 1.0  # how much the answer counts, 1 for a plain one
    clips: tuple[Segment, ...] = ()  # the K segments that are meant; empty for the clips of the question
    datasets: tuple[str, ...] = ()  # where each of `clips` is, "" for the dataset of the question; empty: all are there


class SimulatedJudge(Protocol):
    """A simulated person who judges clips by their true returns; returns are (K,) float64, one a clip."""

    def choose(self, returns: Array) -> int:
        """Return the place of the clip that seems best."""
        ...

    def alike(self, returns: Array) -> bool:
        """Whether the clips seem equally good."""
        ...

    def unsure(self, returns: Array) -> bool:
        """Whether none of the clips shows enough to judge."""
        ...

    def grade(self, returns: Array, levels: int) -> Array:
        """Return the level (K,) int, from 0 for the worst to `levels` - 1, that each clip deserves."""
        ...


class QueryKind(ABC):
    """One kind of question over K clips. What a kind leaves out is as for a choice of the best clip by one press.

    Such a kind names itself, a prompt, the clips and the controls, and nothing else: an answer is {"choice": the name
    of a clip, or CANT_TELL}, its target is 1 for the chosen clip and 0 for the others, and it is explained by a softmax
    over returns (Bradley and Terry 1952; of more than two clips, Luce 1959).
    """

    kind: str
    prompt: str  # what people are asked, one sentence
    layout: Layout = "choice"
    num_clips: range = range(1, 2)  # how many clips a question may have
    clips_asked: int = 0  # how many clips a question of a run has; 0 for the fewest
    of_recordings: bool = True  # whether it can be asked about any clips of recorded episodes
    controls: tuple[Control, ...]
    needs: Literal["returns", "steps", "success"] = "returns"
    """The input of `log_likelihood` and `predict`, and so what the answers train: a reward, or a success head."""
    scale: Scale = "nominal"  # of `labels`
    levels: int = 5  # of ordinal labels
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = NOTHING
    """Of an answer, each with the keys of the objects in its list; where empty, those of the controls' values."""
    composed: str = "an answer"  # what reports call an answer that no single control gives

    @property
    def clips_a_question(self) -> int:
        """Return how many clips a question of a run has."""
        return self.clips_asked or self.num_clips.start

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check what a person sent; `asked` is the question's meta, which may say more about what is asked.

        Raises:
            InvalidValueError: it is no answer to a question of this kind with `num_clips` clips.
        """
        check_clips(self, num_clips)
        spans = self.spans()
        if spans.keys() & answer.keys():
            for name, (least, most) in spans.items():
                value = answer.get(name)
                if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                    what = f"{name} in the answer to {self.article} question"
                    raise InvalidValueError(what, repr(value), f"a whole number from {least} to {most}")
            return
        choices = [control.value["choice"] for control in self.controls if "choice" in control.value]
        choice = answer.get("choice")
        if not isinstance(choice, str) or choice not in choices:
            expected = " or ".join([*(f"a {name}" for name in spans), f"a choice of {', '.join(choices)}"])
            raise InvalidValueError(f"answer to {self.article} question", repr(choice), expected)

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the training target of a valid answer about `clips`; None where it trains nothing."""
        names = CLIP_NAMES[: len(clips)]
        if answer["choice"] not in tuple(names):
            return None
        return Target(np.array([name == answer["choice"] for name in names], np.float32))

    def targets(self, answer: AnswerValue, clips: Sequence[Segment]) -> Mapping[str, Target]:
        """Return the training target on each axis that the answer judges, see `feedback.axes`; empty: trains nothing.

        `target` is what remains where all axes are one.
        """
        found = self.target(answer, clips)
        return {} if found is None else {OVERALL: found}

    def spans(self) -> Mapping[str, tuple[int, int]]:
        """Return the least and the most of each number in an answer, by its key."""
        return {name: control.span for control in self.controls if control.span for name in control.value}

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the same opinion for a question whose clip i is clip `order[i]` of this one."""
        if len(order) == 1 or answer.get("choice") not in tuple(CLIP_NAMES[: len(order)]):
            return answer
        return {**answer, "choice": renamed(answer["choice"], order)}

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return the judgements that an answer holds, by what they are about; empty where it holds none.

        Two people's answers to one question are compared label by label.
        """
        return {self.kind: answer["choice"]} if answer["choice"] != CANT_TELL else {}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return how likely the answers are, (E, B), under each of E reward models.

        Args:
            returns: (E, B, K) sum of rewards over each clip. Where the kind needs steps: (E, B, K, L), what the return
                of a clip would be that were all like that step. Where it needs success: (E, B, K), the logits of
                success at the end of each clip.
            values: (B, ...) the values of the targets; or (E, B, ...), other targets for each model. Where the kind
                needs steps their last axis is L, the steps of the longest clip, with 0 after the end of a shorter one.
            flip: (B,) or (E, B) in [0, 1), the chance that a person answers at random.
        """
        return prefer(returns, values, flip)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the confidence (B,) of the ensemble's own answer and whether people gave it, (B,) in {0, 1}.

        Both are NaN where an answer is neither right nor wrong, such as a tie. `returns` and `values` as above.
        """
        return predict_best(returns, values)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Return the answer of `judge` to clips whose true returns are (K,); `steps` has those of each step, (L,)."""
        return {"choice": CANT_TELL if judge.unsure(returns) else CLIP_NAMES[judge.choose(returns)]}

    def example(self) -> AnswerValue | None:
        """Return an answer that no simulated judge can give, for the contract of kinds; None for the usual ones."""
        return None

    @property
    def article(self) -> str:
        """The kind's name after "a" or "an"."""
        return f"{'an' if self.kind[:1] in 'aeiou' else 'a'} {self.kind}"


def described(kind: QueryKind, answer: AnswerValue) -> str:
    """Return in a few words what an answer says: the label of the control that gives it, or what kinds call others."""
    stated = {name: value for name, value in answer.items() if name not in (NOTE, REASONS)}
    whole = [control.label for control in kind.controls if not control.part and dict(control.value) == stated]
    return whole[0] if whole else kind.composed


def renamed(name: str, order: Sequence[int]) -> str:
    """Return what clip `name` is called in a question whose clip i is clip `order[i]` of this one."""
    return CLIP_NAMES[list(order).index(CLIP_NAMES.index(name))]


def check_clips(kind: QueryKind, num_clips: int) -> None:
    """Check that a question of a kind may have so many clips.

    Raises:
        InvalidValueError: it may not.
    """
    if num_clips not in kind.num_clips:
        least, most = kind.num_clips.start, kind.num_clips.stop - 1
        expected = f"{least} to {most}" if most > least else str(least)
        raise InvalidValueError(f"clips of {kind.article} question", num_clips, expected)


def check_keys(kind: QueryKind, answer: AnswerValue, beside: Sequence[str] = (NOTE,)) -> None:
    """Check that an answer has no unknown keys.

    It is for new answers: those that an earlier version accepted are imported as they were.

    Raises:
        InvalidValueError: it has other keys than those of its kind and those `beside` it.
    """
    keys = kind.keys or {name: () for control in kind.controls for name in control.value}
    objects = [part for key in keys for part in _list(answer.get(key)) if isinstance(part, Mapping)]
    inner = {name for names in keys.values() for name in names}
    unknown = sorted(set(answer) - {*keys, *beside}) + sorted({name for part in objects for name in part} - inner)
    if unknown:
        named = ", ".join(unknown[:5])
        raise InvalidValueError(f"answer to {kind.article} question", named, f"only {', '.join([*keys, *beside])}")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def agreement(kind: QueryKind, first: AnswerValue, second: AnswerValue) -> float | None:
    """Return how far two answers to one question agree, in [0, 1]; None where they judge nothing in common.

    The share of labels that are equal; of levels, how near they are: two of five levels that are one apart agree to
    3/4.
    """
    a, b = kind.labels(first), kind.labels(second)
    common = [name for name in a if name in b]
    if not common:
        return None
    return sum(_alike(a[name], b[name], kind.levels) for name in common) / len(common)


def _alike(a: Label, b: Label, levels: int) -> float:
    if isinstance(a, int) and isinstance(b, int):
        return max(0.0, 1.0 - abs(a - b) / (levels - 1))
    return float(a == b)
