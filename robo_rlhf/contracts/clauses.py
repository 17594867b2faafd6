"""What all contracts share: a clause, and the error of a thing that does not keep one."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.guests import place, raised_at
from robo_rlhf.core.registry import Registry
from robo_rlhf.core.types import Array

T = TypeVar("T")
S = TypeVar("S")


class BrokenContractError(RoboRlhfError):
    """A thing that does not keep the contract of its kind."""

    exit_code = 19

    def __init__(self, sentence: str, where: str) -> None:
        """Say in a sentence what is wrong, and `where` it is written ("file:line")."""
        self.sentence, self.where = sentence, where
        super().__init__(f"{sentence} ({where})")


class Contract(NamedTuple, Generic[T, S]):
    """The contract of one kind of thing."""

    registry: Registry[T]
    trial: Callable[[T], S]  # what clauses get for a thing
    clauses: Sequence[Callable[[S], None]]


def require(holds: object, sentence: str, at: object) -> None:
    """Refuse a thing for what `sentence` says, unless it holds; `at` is the function or class that is at fault.

    Raises:
        BrokenContractError: it does not hold.
    """
    if not holds:
        raise BrokenContractError(sentence, place(at))


def require_array(value: object, what: str, shape: tuple[int, ...], kind: str, at: object) -> Array:
    """Return an array of the given shape, finite, of a dtype ("float32", "bool", or "float" for any such).

    Raises:
        BrokenContractError: it is something else.
    """
    array = value if isinstance(value, np.ndarray) else None
    require(array is not None, f"{what} is a {type(value).__name__}, expected an array {shape}", at)
    assert array is not None
    require(array.shape == shape, f"{what} has shape {array.shape}, expected {shape}", at)
    fits = array.dtype.kind == "f" if kind == "float" else array.dtype == kind
    require(fits, f"{what} is of {array.dtype}, expected {kind}", at)
    require(np.isfinite(array).all(), f"{what} holds NaN or infinity", at)
    return array


def require_same(first: object, second: object, sentence: str, at: object) -> None:
    """Refuse two results, arrays or nested lists and mappings of such, that are not equal bit for bit.

    Raises:
        BrokenContractError: they differ.
    """
    require(_same(first, second), sentence, at)


def _same(first: object, second: object) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(_same(a, b) for a, b in zip(first, second, strict=True))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    return bool(first == second)


def promise(clause: Callable[[S], None]) -> str:
    """Return in a sentence what a clause asks for."""
    return (inspect.getdoc(clause) or clause.__name__).partition("\n")[0]


def try_clause(clause: Callable[[S], None], trial: Callable[[T], S], thing: T) -> None:
    """Try a clause on `thing`; `trial` makes what the clause gets.

    Raises:
        BrokenContractError: the thing does not keep it, or raises something.
    """
    try:
        clause(trial(thing))
    except BrokenContractError:
        raise
    except Exception as error:  # a guest may raise anything
        owner = thing if inspect.isclass(thing) else type(thing)
        where = raised_at(error, str(inspect.getsourcefile(owner)))
        raise BrokenContractError(f"{type(error).__name__}: {error}", where) from error
