"""What a sweep varies, and its runs."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from robo_rlhf.core.errors import InvalidValueError

MOST_RUNS = 1000
FIXED = ("task", "seed", "episodes", "annotator")  # runs that differ in one of these cannot be compared


class SweepRun(NamedTuple):
    """One run of a sweep."""

    number: int  # from 1
    run: str  # its name
    seed: int
    settings: tuple[str, ...]  # NAME=VALUE of what the sweep varies, in the order it was asked for


def varied(given: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the settings that a sweep varies, each with its values, from texts such as "clone.updates=2000,4000".

    Raises:
        InvalidValueError: one has no values, the same value twice, or is named twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, sign, values = text.partition("=")
        each = tuple(value.strip() for value in values.split(","))
        if not sign or not name or not all(each):
            raise InvalidValueError("--vary", repr(text), "NAME=VALUE,VALUE, such as clone.updates=2000,4000")
        if name in FIXED:
            raise InvalidValueError(
                "--vary", name, f"another setting than {', '.join(FIXED)}: runs are compared by the same"
            )
        if name in found or len(set(each)) < len(each):
            raise InvalidValueError("--vary", repr(text), "each setting once, with different values")
        found[name] = each
    return list(found.items())


def grid(name: str, settings: Sequence[tuple[str, tuple[str, ...]]], seeds: Sequence[int]) -> list[SweepRun]:
    """Return every run of a sweep: all combinations from the first seed, then from the next.

    Raises:
        InvalidValueError: more than 1,000 runs.
    """
    names = [setting for setting, _ in settings]
    combinations = [
        tuple(f"{setting}={value}" for setting, value in zip(names, values, strict=True))
        for values in product(*(values for _, values in settings))
    ]
    count = len(combinations) * len(seeds)
    if count > MOST_RUNS:
        raise InvalidValueError("runs of a sweep", count, f"at most {MOST_RUNS}: fewer values or seeds")
    every = product(seeds, combinations)
    return [SweepRun(i, f"{name}-{i}", seed, chosen) for i, (seed, chosen) in enumerate(every, 1)]
