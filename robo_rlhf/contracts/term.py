"""The contract of reward terms, on three episodes of random steps."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.contracts.clauses import Contract, require, require_array, require_same
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Potential, Steps, Term

T, N = 40, 3
NOTHING: dict[str, Any] = {"learned": None, "task": None, "success": None, "live": None, "terms": {}}


class TermTrial:
    """A kind of reward term on trial, with its own example of arguments."""

    def __init__(self, kind: type[Term]) -> None:
        """Nothing is made yet."""
        self.kind = kind

    @contextmanager
    def made(self) -> Iterator[Term]:
        """Make the term, beside the files that it names."""
        with tempfile.TemporaryDirectory() as folder:
            yield self.kind(**self.kind.example(Path(folder)))


def steps() -> Steps:
    """Return steps with everything that a term may need."""
    rng, shape = np.random.default_rng(0), (T, N)
    return Steps(
        obs=rng.normal(size=(T + 1, N, 6)).astype(np.float32),
        action=rng.uniform(-1, 1, (T, N, 2)).astype(np.float32),
        active=np.ones(shape, bool),
        control_dt=0.05,
        gamma=0.9,
        learned=rng.normal(size=shape).astype(np.float32),
        task=rng.random(shape).astype(np.float32),
        success=rng.random(shape) < 0.3,
        terms={"near": rng.random(shape)},
        live=rng.integers(-1, 2, shape).astype(float),
    )


def one_copy(whole: Steps, copy: int) -> Steps:
    """Return the steps of one copy."""
    arrays = {name: value for name, value in vars(whole).items() if isinstance(value, np.ndarray)}
    cut: dict[str, Any] = {name: value[:, copy : copy + 1] for name, value in arrays.items()}
    return replace(whole, **cut, terms={name: value[:, copy : copy + 1] for name, value in whole.terms.items()})


def gives_a_number_for_every_step(trial: TermTrial) -> None:
    """A number (T, N) for every step, also after an episode has ended, and not the same for all."""
    active = np.arange(T)[:, None] < np.array([T, T, T - 2])
    with trial.made() as term:
        found = np.asarray(term(replace(steps(), active=active)))
    value = require_array(found.astype(np.float64), "the term", (T, N), "float64", trial.kind.__call__)
    require(value.std() > 0, "the term is the same in every step", trial.kind.__call__)


def is_deterministic_and_writes_nothing(trial: TermTrial) -> None:
    """The same steps give the same numbers again, and the steps are left as they are."""
    given, untouched = steps(), steps()
    with trial.made() as term:
        first, again = (np.array(term(given)) for _ in range(2))
    require_same(first, again, "the term gives other numbers when it is called again", trial.kind.__call__)
    text = "the term writes into the steps that it is given"
    require_same(
        {k: v for k, v in vars(given).items() if isinstance(v, np.ndarray)},
        {k: v for k, v in vars(untouched).items() if isinstance(v, np.ndarray)},
        text,
        trial.kind.__call__,
    )


def copies_do_not_mix(trial: TermTrial) -> None:
    """The numbers of a copy do not depend on the others."""
    with trial.made() as term:
        alone, among = np.asarray(term(one_copy(steps(), 1)))[:, 0], np.asarray(term(steps()))[:, 1]
    same = alone.shape == among.shape and np.allclose(alone, among, rtol=1e-5, atol=1e-6)
    require(same, "the numbers of one copy depend on the others", trial.kind.__call__)


def says_what_it_needs(trial: TermTrial) -> None:
    """It looks at what `needs` names, and at nothing else."""
    everything = steps()
    with trial.made() as term:
        spared = {name: value for name, value in NOTHING.items() if name not in term.needs}
        bare = np.asarray(term(replace(everything, **spared)))
        same = np.array_equal(bare, np.asarray(term(everything)))
    require(same, f"the term looks at {', '.join(spared)}, which its `needs` do not name", trial.kind)


def a_potential_adds_up(trial: TermTrial) -> None:
    """The discounted gains of a potential add up to what it was at first, so that no policy becomes better by it."""
    with trial.made() as term:
        if not isinstance(term, Potential):
            return
        given = steps()
        discount, phi = given.gamma ** np.arange(T)[:, None], term.potential(given)
        require_array(phi.astype(np.float64), "potential", (T + 1, N), "float64", trial.kind)
        gained = (discount * term(given)).sum(0)
        going_on = (discount * term(replace(given, ends=False))).sum(0)
    text = "the gains of the potential do not add up: leave __call__ to the base class"
    require(np.allclose(gained, -phi[0], atol=1e-6), text, trial.kind)
    require(np.allclose(going_on, given.gamma**T * phi[-1] - phi[0], atol=1e-6), text, trial.kind)


def can_be_written_in_a_sum(trial: TermTrial) -> None:
    """It can be written in an objective with its arguments, such as 0.5 * distance(of=[0, 1])."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = trial.kind.example(Path(folder))
        written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        total, means = RewardSum(f"0.5 * {trial.kind.name}({written})")(steps())
        alone = 0.5 * np.asarray(trial.kind(**arguments)(steps()))
    same = np.allclose(total, alone, rtol=1e-5, atol=1e-6)
    require(same and len(means) == 1, "in a sum it gives other numbers than alone", trial.kind)


CONTRACT = Contract(
    TERMS,
    TermTrial,
    (
        gives_a_number_for_every_step,
        is_deterministic_and_writes_nothing,
        copies_do_not_mix,
        says_what_it_needs,
        a_potential_adds_up,
        can_be_written_in_a_sum,
    ),
)
