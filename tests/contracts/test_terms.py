"""Contract of every reward term, on episodes of the toy world."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Potential, Steps, Term
from robo_rlhf.rewards.value import fit_value, save_value
from tests.toy import demonstrations

EPISODES = demonstrations(3)
SETTINGS: dict[str, dict[str, Any]] = {
    "alive": {},
    "distance": {"of": [0, 1], "to": [4, 5]},
    "learned": {},
    "live": {},
    "success": {},
    "task": {},
    "term": {"which": "near"},
    "value": {"path": "value.safetensors"},
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    save_value(fit_value(EPISODES, updates=20), folder / "value.safetensors", "toy")
    return folder


@pytest.fixture(params=list(TERMS))
def term(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Term:
    monkeypatch.chdir(folder)
    return TERMS[request.param](**SETTINGS[request.param])


def steps() -> Steps:
    rng = np.random.default_rng(0)
    shape = (40, 3)
    return Steps(
        obs=np.stack([e.obs for e in EPISODES], 1),
        action=np.stack([e.action for e in EPISODES], 1),
        active=np.ones(shape, bool),
        control_dt=0.05,
        gamma=0.9,
        learned=rng.normal(size=shape).astype(np.float32),
        task=np.stack([e.reward for e in EPISODES], 1),
        success=np.stack([e.success[1:] for e in EPISODES], 1),
        terms={"near": rng.random(shape)},
        live=rng.integers(-1, 2, shape).astype(float),
    )


def test_every_term_is_tried_here() -> None:
    assert set(SETTINGS) == set(TERMS)


def test_a_number_for_every_step(term: Term) -> None:
    active = np.arange(40)[:, None] < np.array([40, 40, 38])
    value = np.asarray(term(replace(steps(), active=active)))
    assert value.shape == (40, 3)
    assert np.isfinite(value).all()
    assert value.std() > 0
    assert TERMS[term.name] is type(term)


def test_copies_do_not_mix(term: Term) -> None:
    whole = steps()
    one = Steps(
        **{
            name: {k: v[:, 1:2] for k, v in value.items()}
            if isinstance(value, dict)
            else value[:, 1:2]
            if isinstance(value, np.ndarray)
            else value
            for name, value in vars(whole).items()
        }
    )
    np.testing.assert_allclose(np.asarray(term(one))[:, 0], np.asarray(term(whole))[:, 1], rtol=1e-5, atol=1e-6)


def test_only_what_a_term_says_it_needs_is_looked_at(term: Term) -> None:
    everything = steps()
    spared = {"learned": None, "task": None, "success": None, "live": None, "terms": {}}
    bare = replace(everything, **{name: value for name, value in spared.items() if name not in term.needs})
    np.testing.assert_array_equal(term(bare), term(everything))


def test_a_potential_adds_up_to_what_it_was_at_first(term: Term) -> None:
    if not isinstance(term, Potential):
        return
    given = steps()
    discount = given.gamma ** np.arange(40)[:, None]
    phi = term.potential(given)
    np.testing.assert_allclose((discount * term(given)).sum(0), -phi[0], atol=1e-6)
    going_on = replace(given, ends=False)
    np.testing.assert_allclose((discount * term(going_on)).sum(0), given.gamma**40 * phi[-1] - phi[0], atol=1e-6)


def test_a_term_can_be_written_in_a_sum(term: Term) -> None:
    settings = ", ".join(f"{name}={value!r}" for name, value in SETTINGS[term.name].items())
    total, means = RewardSum(f"0.5 * {term.name}({settings})")(steps())
    np.testing.assert_allclose(total, 0.5 * np.asarray(term(steps())), rtol=1e-5, atol=1e-6)
    assert list(means.values()) == [pytest.approx(total.mean(), abs=1e-6)]
