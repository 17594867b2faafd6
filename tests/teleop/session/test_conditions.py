"""Sessions under conditions: recorded, rewound, taken over and opened again, every frame is entered to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotNowError
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.schema import Timing, to_columns
from robo_rlhf.sim.envs.conditioned_env import SENT
from robo_rlhf.sim.envs.conditions import Conditions, read_conditions
from teleop.ipc.messages import Scene
from teleop.session.branch import RecordedEpisode
from teleop.worlds.conditioned import ConditionedWorld
from teleop.worlds.opening import conditions_of, open_driven
from tests.teleop.playing import Seat

ALL = Conditions(0.3, 2, 3, 0.01, 0.5, 5.0)


def moves(seat: Seat, count: int, seed: int) -> None:
    for x in np.random.default_rng(seed).uniform(-1, 1, count):
        seat.move(1, float(x), gripper=1.0 if x > 0 else -1.0)


def recorded(episode: Episode) -> RecordedEpisode:
    return RecordedEpisode(to_columns(episode, Timing.unknown(len(episode))), episode.meta, "mine")


def check_entered(episode: Episode) -> None:
    """Check that each frame is entered to the bit, with all that was on the way: what follows is the same."""
    assert read_conditions(episode.meta.versions) == ALL
    world = open_driven(episode.meta.task, ALL)
    assert isinstance(world, ConditionedWorld)
    past = recorded(episode)
    for k in range(len(episode) + 1):
        obs, state = world.show(episode.meta.seed, past.row, k)
        assert obs.tobytes() == episode.obs[k].tobytes(), k
        assert state.tobytes() == episode.state[k].tobytes(), k
        for t in range(k, min(k + 6, len(episode))):
            step = world.step(episode.signals[SENT][t][None])
            assert step.obs[0].tobytes() == episode.obs[t + 1].tobytes(), (k, t)
            assert step.applied[0].tobytes() == episode.action[t].tobytes(), (k, t)
            assert world.get_state()[0].tobytes() == episode.state[t + 1].tobytes(), (k, t)


@pytest.mark.parametrize("task", ["pick_place", "navigate_room"])
def test_every_frame_of_a_session_is_entered_to_the_bit_with_every_condition_on(home: Path, task: str) -> None:
    with Seat(home, task, conditions=ALL) as seat:
        seat.let_go()
        moves(seat, 25, 0)
        seat.must("rewind", 0.5)
        seat.let_go()
        moves(seat, 12, 1)  # a branch goes on under the same conditions
        seat.must("keep")
        seat.settle()
        episodes = [seat.dataset.load(name) for name in seat.dataset]
    assert len(episodes) == 2
    for episode in episodes:
        check_entered(episode)


def test_an_episode_is_taken_over_under_its_own_conditions_and_the_next_is_as_the_session_was_begun(home: Path) -> None:
    with Seat(home, "reach", conditions=ALL) as seat:
        seat.let_go()
        moves(seat, 15, 0)
        seat.must("keep")
        seat.settle()
        (first,) = seat.dataset
    with Seat(home, "reach", seed=9) as seat:
        assert not conditions_of(seat.session.machine.world.env)
        seat.must("open", ["reach", first, 8, "takeover"])
        assert conditions_of(seat.session.machine.world.env) == ALL
        assert seat.of(Scene)[-1].conditions == str(ALL)
        seat.let_go()
        moves(seat, 6, 1)
        seat.must("keep")
        assert not conditions_of(seat.session.machine.world.env)
        seat.let_go()
        moves(seat, 4, 2)
        seat.must("keep")
        seat.settle()
        correction, plain = (seat.dataset.load(name) for name in seat.dataset if name != first)
    if correction.meta.parent != first:
        correction, plain = plain, correction
    assert correction.meta.parent == first
    check_entered(correction)
    assert "conditions" not in plain.meta.versions


def test_the_operator_is_shown_what_a_policy_would_be(home: Path) -> None:
    with Seat(home, "reach", conditions=Conditions(delay_frames=2)) as seat:
        seat.let_go()
        seat.move(6, 1.0)
        seat.must("pause")
        shown, steps = seat.state, seat.status.frame
        seat.must("keep")
        seat.settle()
        episode = seat.dataset.load(seat.dataset.ids()[0])
    assert shown.tobytes() == episode.state[steps - 2].tobytes()
    assert episode.obs[steps].tobytes() == open_driven("reach").set_state(episode.state[steps - 2][None])[0].tobytes()


def test_what_cannot_be_under_conditions_is_refused(reach_home: Path) -> None:
    with pytest.raises(InvalidValueError, match="a native task"):
        open_driven("Pusher-v5", ALL)
    episode = next(iter(Dataset(reach_home / "samples" / "reach").load_all()))
    meta = replace(episode.meta, versions={**episode.meta.versions, **ALL.provenance()})
    with pytest.raises(InvalidValueError, match="no actions as they were sent"):
        recorded(replace(episode, meta=meta)).check(open_driven("reach", ALL))
    cut = replace(
        episode, signals={**episode.signals, SENT: episode.action}, meta=replace(meta, trimmed=True, parent_step=3)
    )
    with pytest.raises(NotNowError, match="was cut off with its start"):
        recorded(cut).check(open_driven("reach", ALL))
    strange = replace(episode.meta, versions={"conditions": '{"fog": 1}'})
    with pytest.raises(InvalidValueError, match="those that this version knows"):
        _ = recorded(replace(episode, meta=strange)).conditions
