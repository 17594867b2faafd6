from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Source
from robo_rlhf.data.training_arrays.correction_weights import Weighting
from robo_rlhf.data.training_arrays.examples import chunk_examples
from tests.toy import demonstrations

POLICY, CORRECTION = int(Source.POLICY), int(Source.CORRECTION)
SHOWN, DRIVEN = demonstrations(2)


def driven(start: int = 20, stop: int = 30, **meta: Any) -> Episode:
    """Return an episode of 40 steps that a policy drove, corrected from `start` to `stop`."""
    source = np.full(40, POLICY, np.uint8)
    source[start:stop] = CORRECTION
    return replace(DRIVEN, source=source, meta=replace(DRIVEN.meta, **meta))


def weigh(weighting: Weighting, *episodes: Episode) -> list[Array]:
    every = weighting.weigh(episodes, [np.arange(len(e)) for e in episodes])
    return np.split(every, np.cumsum([len(e) for e in episodes])[:-1])


@given(share=st.floats(0.05, 0.95), policy=st.sampled_from([0.0, 0.3, 1.0]), start=st.integers(0, 30))
def test_corrected_steps_have_their_share(share: float, policy: float, start: int) -> None:
    shown, corrected = weigh(Weighting(share, policy), SHOWN, driven(start, start + 5))
    new = corrected[start : start + 5].sum()
    assert new / (shown.sum() + corrected.sum()) == pytest.approx(share, rel=1e-4)
    assert set(shown) == {1.0}


def test_what_led_to_a_takeover_is_weighted_down() -> None:
    _, weight = weigh(Weighting(policy=1.0, before=6, before_weight=0.25), SHOWN, driven())
    assert set(weight[:14]) == set(weight[30:]) == {1.0}
    assert set(weight[14:20]) == {0.25}


def test_without_the_policy_only_people_are_imitated_and_no_chunk_runs_on_into_it() -> None:
    examples = chunk_examples([SHOWN, driven()], 4, weighting=Weighting(policy=0.0))
    assert len(examples.obs) == 50
    np.testing.assert_array_equal(examples.mask[40:].sum(1), [4.0] * 7 + [3.0, 2.0, 1.0])
    kept = chunk_examples([SHOWN, driven()], 4, weighting=Weighting(policy=0.5))
    assert len(kept.obs) == 70
    assert kept.mask[:39].sum() == 39 * 4 - 3


def test_steps_in_common_with_an_episode_that_is_there_too_count_once() -> None:
    branch = {"parent": SHOWN.meta.id, "parent_step": 12}
    every = Weighting(policy=1.0, before=0)
    assert not weigh(every, SHOWN, driven(**branch))[1][:12].any()
    assert weigh(every, SHOWN, driven(**branch))[1][12:].all()
    assert weigh(every, SHOWN, driven(**{**branch, "trimmed": True}))[1].all()
    assert weigh(every, SHOWN, driven(**{**branch, "parent": "elsewhere"}))[1].all()


def test_corrections_alone_weigh_one() -> None:
    (weight,) = weigh(Weighting(share=0.3), driven(0, 40))
    assert set(weight) == {1.0}


def test_bad_weights_and_nothing_corrected_are_named() -> None:
    with pytest.raises(InvalidValueError, match="expected at least one step in which a person corrected a policy"):
        weigh(Weighting(), SHOWN)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidValueError, match="share of corrected steps: expected a number between 0 and 1"):
            Weighting(share=share)
    with pytest.raises(InvalidValueError, match="before_weight of corrected steps: expected 0 or more, got -1"):
        Weighting(before_weight=-1.0)
