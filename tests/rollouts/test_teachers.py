"""The policy beside its teachers: what demonstrations and policies are compared by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.stats import bootstrap_difference, share_difference
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.rollouts.evaluation import Evaluation, summarize_episodes
from robo_rlhf.rollouts.teachers import BesideTeachers, evaluate_demonstrations
from tests.toy import demonstrations


def evaluation(solved: int, of: int, seconds: float) -> Evaluation:
    done = [i < solved for i in range(of)]
    spread = np.linspace(-0.2, 0.2, of)
    times = tuple(seconds + spread[i] if done[i] else np.nan for i in range(of))
    return Evaluation("t", tuple(range(of)), tuple(done), tuple(done), (0.0,) * of, {}, seconds=times)


def test_the_difference_of_two_shares_is_newcombes() -> None:
    """Method 10 in table II of Newcombe 1998: 56/70 less 48/80, and 9/10 less 3/10."""
    assert share_difference((48, 80), (56, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert share_difference((3, 10), (9, 10)) == pytest.approx((0.6, 0.1705, 0.8090), abs=1e-4)


def test_the_difference_of_two_means_holds_the_truth_in_95_of_100() -> None:
    rng = np.random.default_rng(0)
    held = [
        found.low <= 1.0 <= found.high
        for found in (bootstrap_difference(rng.normal(0, 1, 40), rng.normal(1, 2, 60)) for _ in range(200))
    ]
    assert 0.9 < np.mean(held) < 0.99
    assert np.isnan(bootstrap_difference(np.array([np.nan]), np.ones(3)).value)


@pytest.mark.parametrize(
    ("policy", "teachers", "words"),
    [
        ((190, 200, 5.0), (10, 24, 8.0), ("more often than", "faster")),
        ((60, 200, 9.0), (23, 24, 8.0), ("less often than", "slower")),
        ((180, 200, 8.0), (22, 24, 8.0), ("as often as, as far as can be told,", "neither faster nor slower")),
    ],
)
def test_as_good_as_the_people_who_showed_it_is_a_measured_sentence(
    policy: tuple[int, int, float], teachers: tuple[int, int, float], words: tuple[str, str]
) -> None:
    sentence = BesideTeachers(evaluation(*policy), evaluation(*teachers)).sentence()
    for word in words:
        assert word in sentence
    assert "of 24 demonstrations that were kept" in sentence


def test_without_times_there_is_no_sentence_about_them() -> None:
    old = replace(evaluation(5, 10, 1.0), seconds=())
    beside = BesideTeachers(old, evaluation(5, 10, 1.0))
    assert "s against" not in beside.sentence()
    assert beside.as_json()["seconds"] is None


def test_the_time_is_that_from_which_it_stays_solved() -> None:
    (episode,) = demonstrations(1)
    steps = np.arange(len(episode) + 1)
    dt = episode.meta.control_dt
    again = replace(episode, success=((steps > 2) & (steps != 5)))
    assert summarize_episodes([again]).seconds == pytest.approx((6 * dt,))
    assert np.isnan(summarize_episodes([replace(episode, success=steps < 4)]).seconds[0])
    stored = Evaluation.from_json(summarize_episodes([again]).to_json())
    assert stored.seconds == pytest.approx((6 * dt,))
    old = {name: value for name, value in stored.to_json().items() if name != "seconds"}
    assert Evaluation.from_json(old).seconds == ()


def test_what_a_policy_did_is_no_demonstration(tmp_path: Path) -> None:
    episodes = demonstrations(3)
    dataset = Dataset(tmp_path / "shown", create=True, task=episodes[0].meta.task)
    machine = replace(episodes[2], meta=replace(episodes[2].meta, device="policy"))
    dataset.add_many([*episodes[:2], machine])
    assert evaluate_demonstrations(dataset, episodes[0].meta.task).episodes == 2
    with pytest.raises(NotFoundError, match="demonstration of push in dataset"):
        evaluate_demonstrations(dataset, "push")
