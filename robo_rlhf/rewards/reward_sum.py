"""A reward as a sum of terms from the configuration: "learned + 0.2 * success + 0.5 * distance(of=[0, 1])"."""

import ast
import inspect
import re
import warnings
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term

ADVICE = 'a sum of terms such as "learned + 0.2 * success + 0.5 * distance(of=[0, 1], to=[4, 5])"'


_GUEST = re.compile(r"""("[^"]*"|'[^']*')|\b([A-Za-z_][\w.]*):(?=[A-Za-z_])""")  # a text, or "module:"


class SumTerm(NamedTuple):
    """One term of a sum."""

    label: str  # as it is written, without the weight
    weight: float
    term: Term


class RewardSum:
    """A weighted sum of terms."""

    def __init__(self, text: str) -> None:
        """Parse the sum from `text`.

        Raises:
            InvalidValueError: it is not written as a sum, a weight is no finite number, or a term has no such settings.
            UnknownNameError: no such term.
        """
        self.text = text
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(_GUEST.sub(_with_a_dot, text.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InvalidValueError("objective", repr(text), ADVICE) from error
        self.parts = [_part(text, sign, node) for sign, node in _summands(tree, 1.0)]
        labels = [part.label for part in self.parts]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise InvalidValueError("objective", f"{', '.join(twice)} twice", "each term once; add up its weights")

    @property
    def needs(self) -> frozenset[Need]:
        """The fields of `Steps` that the terms need in addition to observations and actions."""
        return frozenset(need for part in self.parts for need in part.term.needs)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the learned reward that terms name, each once."""
        return tuple(dict.fromkeys(part.term.axis for part in self.parts if part.term.axis))

    @property
    def plain(self) -> bool:
        """Whether it is the learned reward alone."""
        return [(part.label, part.weight) for part in self.parts] == [("learned", 1.0)]

    def __call__(self, steps: Steps) -> tuple[Array, dict[str, float]]:
        """Return the reward (T, N) float32, and the mean contribution of each term over active steps.

        Raises:
            ShapeError: a term gives another shape.
            NonFiniteError: a term gives NaN or infinity.
        """
        total = np.zeros(steps.active.shape)
        means = {}
        for part in self.parts:
            value = part.weight * np.asarray(part.term(steps), np.float64)
            if value.shape != total.shape:
                raise ShapeError(f"reward term {part.label}", total.shape, value.shape)
            if not np.isfinite(value).all():
                raise NonFiniteError(f"The reward term {part.label}", "a sum of rewards", "Leave it out, or mend it.")
            total += value
            means[part.label] = float(value[steps.active].mean()) if steps.active.any() else 0.0
        return total.astype(np.float32), means


def _summands(node: ast.expr, sign: float) -> list[tuple[float, ast.expr]]:
    """Take a sum apart into signs and summands."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        second = -sign if isinstance(node.op, ast.Sub) else sign
        return [*_summands(node.left, sign), *_summands(node.right, second)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        return _summands(node.operand, -sign if isinstance(node.op, ast.USub) else sign)
    return [(sign, node)]


def _part(text: str, sign: float, node: ast.expr) -> SumTerm:
    weight = sign
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        number, node = (node.left, node.right) if isinstance(node.left, ast.Constant) else (node.right, node.left)
        weight *= _weight(text, number)
    name, settings = node, dict[str, Any]()
    if isinstance(node, ast.Call):
        name = node.func
        settings = {word.arg or "**": _setting(text, word.value) for word in node.keywords}
    if not isinstance(name, ast.Name | ast.Attribute) or (isinstance(node, ast.Call) and node.args):
        raise InvalidValueError("objective", repr(text), f"{ADVICE}, with settings by name")
    called = _called(name)
    if ":" in called and called not in text:  # what was typed has a dot there
        raise InvalidValueError("objective", repr(text), ADVICE)
    kind = TERMS[called]
    signature = inspect.signature(kind)
    try:
        signature.bind(**settings)
    except TypeError as error:
        given = ", ".join(settings) or "none"
        raise InvalidValueError(f"settings of reward term {called}", given, f"those of {called}{signature}") from error
    label = ast.unparse(node)
    return SumTerm(called + label.removeprefix(ast.unparse(name)), weight, kind(**settings))


def _with_a_dot(found: re.Match[str]) -> str:
    """Return "module:" as "module.", which Python reads as a name; texts in quotes as they are."""
    return found[1] or f"{found[2]}."


def _called(name: ast.Name | ast.Attribute) -> str:
    """Return a term's name: "distance", or "my_terms:Near"."""
    if isinstance(name, ast.Name):
        return name.id
    return f"{ast.unparse(name.value)}:{name.attr}"


def _weight(text: str, node: ast.expr) -> float:
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        raise InvalidValueError("objective", repr(text), f"{ADVICE}, with finite numbers as weights")
    return float(value)


def _setting(text: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError) as error:
        raise InvalidValueError(
            "reward", repr(text), f"{ADVICE}, with plain numbers, lists and text as settings"
        ) from error
