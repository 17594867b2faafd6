import json
from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.rollouts.evaluation import Evaluation, compare, evaluate, summarize_episodes
from tests.toy import ToyEnv, ToyOperator, demonstrations


def evaluation(success: list[bool], length: list[float] | None = None) -> Evaluation:
    n = len(success)
    return Evaluation(
        task="toy",
        seeds=tuple(range(n)),
        success_end=tuple(success),
        success_any=(True,) * n,
        returns=tuple(float(s) for s in success),
        style={"path_length": tuple(length or [1.0] * n)},
    )


def test_evaluates_in_the_order_of_seeds() -> None:
    seeds = np.array([5, 3, 9, 4, 1])
    found = evaluate(ToyEnv(2), ToyOperator(noise=0.0, pause=0.0), seeds)
    assert found.seeds == (5, 3, 9, 4, 1)
    assert found.success.value == 1.0
    assert found.success.low == pytest.approx(0.5655, abs=1e-4)
    assert found == evaluate(ToyEnv(5), ToyOperator(noise=0.0, pause=0.0), seeds)
    assert set(found.style) == {"path_length", "peak_jerk"}
    assert all(0 < length < 4 for length in found.style["path_length"])


def test_a_policy_with_noise_is_seeded() -> None:
    policy = FlowPolicy(6, 2, width=16)
    one = evaluate(ToyEnv(4), policy, np.arange(6), policy_seed=1)
    assert one == evaluate(ToyEnv(4), policy, np.arange(6), policy_seed=1)
    assert one != evaluate(ToyEnv(4), policy, np.arange(6), policy_seed=2)


def test_an_aborted_episode_is_no_success() -> None:
    class Gives(ToyOperator):
        def act(self, obs: Array) -> Array:
            action = super().act(obs)
            if np.hypot(*(obs[0, :2] - obs[0, 4:])) < 0.05:
                action[0] = np.nan
            return action

    found = evaluate(ToyEnv(3), Gives(), np.arange(3))
    assert found.aborted == 1
    assert found.success_end[0] is False
    assert found.success_any[0] is False
    assert found.note.endswith("the policy gave an action that is not finite")


def test_round_trip_through_json_with_a_measure_missing() -> None:
    found = summarize_episodes([demonstrations(1)[0].slice(0, 0), *demonstrations(2)])
    assert np.isnan(found.style["path_length"][0])
    stored = json.dumps(found.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(stored))
    assert again.to_json() == found.to_json()
    assert again.measures()["path_length"] == found.measures()["path_length"]


def test_summary_is_a_json_object_with_units() -> None:
    summary = json.loads(json.dumps(evaluation([True, False]).summary()))
    assert summary["success"]["value"] == 0.5
    assert summary["style"]["path_length"] == {"value": 1.0, "low": 1.0, "high": 1.0, "unit": "m", "better": "lower"}


def test_no_episodes_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="an evaluation: expected at least one, got no episodes"):
        summarize_episodes([])


def test_comparison_counts_what_only_one_solved() -> None:
    old = evaluation([True] * 10 + [False] * 10, [2.0] * 20)
    new = evaluation([True] * 4 + [False] * 6 + [False] * 10, [1.5] * 20)
    found = compare(old, new)
    assert (found.only_old, found.only_new) == (6, 0)
    assert found.p_worse == pytest.approx(1 / 64)
    assert found.p_better == 1.0
    assert found.success.value == pytest.approx(-0.3)
    assert found.success.high < 0
    assert found.style["path_length"].value == -0.5
    assert found.shown_worse()
    assert not compare(new, old).shown_worse()


def test_equal_policies_are_not_shown_worse() -> None:
    one = evaluation([True, False] * 10)
    found = compare(one, one)
    assert (found.p_worse, found.p_better) == (1.0, 1.0)
    assert not found.shown_worse()


def test_comparison_wants_the_same_seeds() -> None:
    one = evaluation([True, False])
    with pytest.raises(InvalidValueError, match="expected two evaluations of one task on the same seeds"):
        compare(one, replace(one, seeds=(0, 2)))
