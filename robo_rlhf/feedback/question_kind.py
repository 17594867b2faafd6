"""The interface of question kinds: what the page shows, which answers are valid, and what they train.

A kind holds no state and imports torch only inside its functions, because the station uses it too.
An answer is a JSON object. It names clips by their place in the question ("A" is the first), never by the side of the
screen that they were shown on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment

if TYPE_CHECKING:
    from torch import Tensor

AnswerValue = Mapping[str, Any]  # a JSON object
Label = str | int  # a judgement that can be compared with another person's

Layout = Literal[
    "choice",  # one press is the whole answer
    "order",  # the clips are put in order, ties included
    "levels",  # one press a criterion
    "presses",  # presses while the clip plays, then done
    "show",  # opens the operate page at a frame of the clip; what is recorded there is the answer
]
Scale = Literal["nominal", "ordinal"]  # whether labels are names or levels

NOTHING: Mapping[str, Any] = MappingProxyType({})
CANT_TELL = "cant_tell"  # the choice in an answer without a judgement, of any kind
NOTE = "note"  # the key of a person's note
CLIP_NAMES = "ABCDEF"  # clips are named in the order of the question


@dataclass(frozen=True)
class Control:
    """One button or key for an answer."""

    label: str
    key: str  # as KeyboardEvent.key
    value: AnswerValue  # the answer that it gives
    part: bool = False  # the value is a part of an answer, which the page puts together as the kind's layout says


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


class QueryKind(Protocol):
    """One kind of question over K clips."""

    kind: str
    prompt: str  # what people are asked, one sentence
    layout: Layout
    num_clips: range  # how many clips a question may have
    controls: tuple[Control, ...]
    scale: Scale  # of `labels`
    keys: Mapping[str, tuple[str, ...]]  # of an answer, each with the keys of the objects in its list; plus a note

    @property
    def needs(self) -> Literal["returns", "steps", "success"]:
        """The input of `log_likelihood` and `predict`, and so what the answers train: a reward, or a success head."""
        ...

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check what a person sent; `asked` is the question's meta, which may say more about what is asked.

        Raises:
            InvalidValueError: it is no answer to a question of this kind with `num_clips` clips.
        """
        ...

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the training target of a valid answer about `clips`; None where it trains nothing."""
        ...

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the same opinion for a question whose clip i is clip `order[i]` of this one."""
        ...

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return the judgements that an answer holds, by what they are about; empty where it holds none.

        Two people's answers to one question are compared label by label.
        """
        ...

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
        ...

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the confidence (B,) of the ensemble's own answer and whether people gave it, (B,) in {0, 1}.

        Both are NaN where an answer is neither right nor wrong, such as a tie. `returns` and `values` as above.
        """
        ...

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Return the answer of `judge` to clips whose true returns are (K,); `steps` has those of each step, (L,)."""
        ...


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
        raise InvalidValueError(f"clips of a {kind.kind} question", num_clips, expected)


def check_keys(kind: QueryKind, answer: AnswerValue) -> None:
    """Check that an answer has no unknown keys.

    It is for new answers: those that an earlier version accepted are imported as they were.

    Raises:
        InvalidValueError: it has other keys than those of its kind and "note".
    """
    objects = [part for key in kind.keys for part in _list(answer.get(key)) if isinstance(part, Mapping)]
    inner = {name for names in kind.keys.values() for name in names}
    unknown = sorted(set(answer) - {*kind.keys, NOTE}) + sorted({name for part in objects for name in part} - inner)
    if unknown:
        named = ", ".join(unknown[:5])
        raise InvalidValueError(f"answer to a {kind.kind} question", named, f"only {', '.join([*kind.keys, NOTE])}")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def agreement(kind: QueryKind, first: AnswerValue, second: AnswerValue) -> float | None:
    """Return how far two answers to one question agree, in [0, 1]; None where they judge nothing in common.

    The share of labels that are equal; of levels, how near they are: levels 1 to 5 that are one apart agree to 3/4.
    """
    a, b = kind.labels(first), kind.labels(second)
    common = [name for name in a if name in b]
    if not common:
        return None
    return sum(_alike(a[name], b[name]) for name in common) / len(common)


def _alike(a: Label, b: Label) -> float:
    if isinstance(a, int) and isinstance(b, int):
        return max(0.0, 1.0 - abs(a - b) / 4)
    return float(a == b)
