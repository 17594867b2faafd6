from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from teleop.devices.replay import Replay
from teleop.devices.scripted import Scripted
from teleop.session.unattended import UnattendedSession
from tests.teleop.making import world


@pytest.fixture
def dataset(home: Path) -> Dataset:
    made = Dataset(home / "reach", create=True, task="reach")
    env = world()
    with UnattendedSession(env, Scripted(env), made, pace=False) as session:
        session.record(3)
    return made


def first(dataset: Dataset) -> Episode:
    """The episode that there is to replay."""
    return dataset.load(dataset.ids()[0])


def test_a_replay_is_the_same_bit_for_bit(dataset: Dataset) -> None:
    env, original = world(), first(dataset)
    with (
        Replay(env, episode=f"reach/{original.meta.id}") as device,
        UnattendedSession(env, device, dataset, pace=False) as session,
    ):
        recorded = session.record(device.episode.meta.seed)
        assert device.measure() == 0.0
    again = dataset.load(recorded.id)
    assert original.state.tobytes() == again.state.tobytes()
    assert original.action.tobytes() == again.action.tobytes()
    assert recorded.steps == len(original)
    assert again.meta.device == "replay"


def test_the_deviation_is_measured(dataset: Dataset) -> None:
    original = first(dataset)
    state = original.state.copy()
    state[5:] += 1e-3  # as another version of the simulator would have it
    env = world()
    env.reset(np.array([3]))
    with Replay(env, episode=replace(original, state=state)) as device:
        device.begin(3)
        for _ in range(4):
            env.step(device.read() and original.action[device.step - 1][None])
        assert device.measure() == 0.0
        env.step(original.action[4][None])
        device.step += 1
        assert device.measure() == pytest.approx(1e-3)


def test_after_the_last_action_it_says_nothing(dataset: Dataset) -> None:
    env = world()
    env.reset(np.array([3]))
    with Replay(env, episode=first(dataset).slice(0, 2)) as device:
        device.begin(3)
        said = [device.read() for _ in range(4)]
    assert [(c.active, c.buttons) for c in said] == [
        (True, frozenset()),
        (True, frozenset({"keep"})),
        (False, frozenset()),
        (False, frozenset()),
    ]


def test_an_episode_that_does_not_begin_where_its_seed_does_is_refused(dataset: Dataset) -> None:
    whole = first(dataset).meta.id
    trimmed = dataset.trim(whole, 3, 9)
    env = world()
    env.reset(np.array([3]))
    with Replay(env, episode=f"reach/{trimmed}") as device, pytest.raises(InvalidValueError) as caught:
        device.begin(3)
    assert f"replaying episode {whole}.3-9: expected its first state, of seed 3 (it was trimmed" in str(caught.value)


def test_what_is_wrong_is_said(dataset: Dataset) -> None:
    with pytest.raises(InvalidValueError, match=r"episode to replay: expected DATASET/ID, with a dataset of .*: reach"):
        Replay(world())
    whole = first(dataset).meta.id
    with pytest.raises(NotFoundError, match=f"Did you mean '{whole}'"):
        Replay(world(), episode=f"reach/{whole[:-1]}")
    with pytest.raises(InvalidValueError, match="expected task 'reach', got task 'push'"):
        Replay(world("push"), episode=f"reach/{whole}")
