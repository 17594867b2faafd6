import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import DiskFullError, NonFiniteError
from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from teleop.devices import DEVICES
from teleop.session.branch import INTERRUPTED
from teleop.session.unattended import RecordedSummary, UnattendedSession
from tests.data.making import check_equal
from tests.teleop.making import command, puppet_session, world


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "d", create=True)


def scripted(dataset: Dataset, task: str, **options: Any) -> UnattendedSession:
    env = world(task)
    return UnattendedSession(env, DEVICES["scripted"](env), dataset, operator="scripted", tags=("sample",), **options)


def record(dataset: Dataset, task: str, seed: int, **options: Any) -> RecordedSummary:
    with scripted(dataset, task, **{"pace": False, **options}) as session:
        return session.record(seed)


def puppet_records(dataset: Dataset, say: Callable[[int], Any], **options: Any) -> tuple[RecordedSummary, Episode]:
    with puppet_session(dataset, say, **options) as session:
        recorded = session.record(0)
    return recorded, dataset.load(recorded.id)


def test_at_pace_and_without_an_episode_is_the_same_bit_for_bit(dataset: Dataset) -> None:
    with scripted(dataset, "reach", pace=True) as paced:
        began = time.monotonic()
        first = paced.record(11)
        lasted = time.monotonic() - began
    second = record(dataset, "reach", 11)

    check_equal(dataset.load(second.id), dataset.load(first.id))
    assert (first.seed, first.outcome, first.steps) == (second.seed, second.outcome, second.steps)
    # 20 Hz: what is missed is counted, nothing is hurried
    assert lasted >= (first.steps - 1) * 0.05
    wall = dataset.timing(first.id).wall_time
    expected = (first.steps - 1 + paced.clock.missed) * 0.05
    assert wall[-1] - wall[0] == pytest.approx(expected, abs=0.3)


def test_an_episode_does_not_depend_on_those_before(dataset: Dataset) -> None:
    with scripted(dataset, "lift", pace=False) as session:
        session.record(1)
        after = session.record(2)
    check_equal(dataset.load(after.id), dataset.load(record(dataset, "lift", 2).id))


def test_success_must_last_for_half_a_second(dataset: Dataset) -> None:
    recorded = record(dataset, "lift", 5)
    success = dataset.load(recorded.id).success
    assert recorded.outcome == "success"
    assert success[-10:].all()
    assert not success[-11]


def test_an_episode_says_where_it_comes_from(dataset: Dataset) -> None:
    with scripted(dataset, "reach", pace=False) as session:
        episode = dataset.load(session.record(3).id)
        assert episode.meta.model_hash == session.machine.world.env.model_hash
    meta = episode.meta
    found = (meta.task, meta.seed, meta.operator, meta.device, meta.tags)
    assert found == ("reach", 3, "scripted", "scripted", ("sample",))
    assert meta.versions.keys() == {"robo_rlhf", "mujoco", "python", "platform", "processor"}
    assert meta.started <= meta.finished
    assert (episode.source == Source.SCRIPTED).all()


def test_the_limit_ends_an_episode_as_a_failure(dataset: Dataset) -> None:
    recorded, _ = puppet_records(dataset, lambda t: command())
    assert (recorded.outcome, recorded.steps) == ("failure", 96)  # 1.6 × 60


def test_keep_ends_and_keeps_an_episode(dataset: Dataset) -> None:
    recorded, episode = puppet_records(dataset, lambda t: command(*["keep"] * (t == 4)))
    assert (recorded.outcome, recorded.steps) == ("failure", 5)
    assert (episode.meta.outcome, len(episode)) == ("failure", 5)


@pytest.mark.parametrize(
    "silent",
    [
        {"active": False},
        {"age": 0.21},
        {"x": math.nan},
        {"gripper": math.inf},
    ],
)
def test_the_robot_holds_while_nothing_is_heard(dataset: Dataset, silent: dict[str, Any]) -> None:
    def say(t: int) -> Any:
        return command(
            **{"x": 0.5, "gripper": 1.0, **(silent if 3 <= t < 6 else {}), **({"age": 0.19} if t == 2 else {})}
        )

    _, episode = puppet_records(dataset, say)
    moving = [0.5] * 3 + [0.0] * 3 + [0.5] * 3
    np.testing.assert_array_equal(episode.action[:9, 0], np.array(moving, np.float32))
    np.testing.assert_array_equal(episode.action[:9, -1], 1.0)  # the gripper stays as it was


def test_a_gripper_that_was_never_commanded_stays_open(dataset: Dataset) -> None:
    with puppet_session(dataset, lambda t: command(gripper=1.0, active=t > 2)) as session:
        for _ in range(2):  # also when it was closed in the episode before
            episode = dataset.load(session.record(0).id)
            np.testing.assert_array_equal(episode.action[:4, -1], np.array([-1, -1, -1, 1], np.float32))


def test_every_step_has_its_time_and_the_age_of_the_input(dataset: Dataset) -> None:
    before = time.time()
    recorded, _ = puppet_records(dataset, lambda t: command(age=0.001 * t))
    timing = dataset.timing(recorded.id)
    np.testing.assert_allclose(timing.input_age, 0.001 * np.arange(recorded.steps), rtol=1e-6)
    assert before <= timing.wall_time[0] <= timing.wall_time[-1] <= time.time()


def test_ctrl_c_keeps_what_was_recorded(dataset: Dataset) -> None:
    def say(t: int) -> Any:
        if t == 7:
            raise KeyboardInterrupt
        return command()

    with pytest.raises(KeyboardInterrupt):
        puppet_records(dataset, say)
    (episode,) = dataset.load_all()
    assert (len(episode), episode.meta.outcome, episode.meta.tags) == (7, "aborted", (INTERRUPTED,))


def test_nothing_is_left_of_an_episode_that_never_began(dataset: Dataset) -> None:
    class UnwillingError(Exception):
        pass

    session = puppet_session(dataset, lambda t: command())

    def begin(seed: int) -> None:
        raise UnwillingError

    session.machine.device.begin = begin  # type: ignore[method-assign]
    with pytest.raises(UnwillingError), session:
        session.record(0)
    assert len(dataset) == 0
    assert not list((dataset.path / "journal").iterdir())


def test_a_simulation_that_breaks_down_is_told_and_what_came_before_is_kept(dataset: Dataset) -> None:
    session = puppet_session(dataset, lambda t: command())
    env, steps = session.machine.world.env, iter(range(100))
    step = env.step
    broken = lambda action: (  # noqa: E731 - the fourth observation is no number
        step(action)._replace(obs=np.full((1, env.obs_dim), np.nan, np.float32)) if next(steps) == 3 else step(action)
    )
    env.step = broken  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match=r"The simulation is not finite \(step 3 of episode"), session:
        session.record(0)
    (episode,) = dataset.load_all()
    assert (len(episode), episode.meta.outcome) == (3, "aborted")


def test_a_full_disk_stops_the_world_until_there_is_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    full, until = DiskFullError(dataset.path, 100, 0), 0.0
    monkeypatch.setattr(EpisodeWriter, "trouble", property(lambda self: full if time.monotonic() < until else None))
    told: list[str] = []

    def say(t: int) -> Any:
        nonlocal until
        if t == 3:
            until = time.monotonic() + 0.5
        return command(*["keep"] * (t == 5))

    recorded, episode = puppet_records(dataset, say, on_trouble=told.append)
    (reason,) = told
    assert str(full.what) in reason
    assert "Nothing is lost" in reason
    assert len(episode) == recorded.steps == 6
    wall = dataset.timing(recorded.id).wall_time
    assert wall[4] - wall[3] >= 0.45


def test_an_episode_begins_when_there_is_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    open_journal, told = Dataset.record, list[str]()

    def open_late(self: Dataset, *args: Any, **options: Any) -> EpisodeWriter:
        if not told:
            raise DiskFullError(dataset.path, 100, 0)
        return open_journal(self, *args, **options)

    monkeypatch.setattr(Dataset, "record", open_late)
    recorded, episode = puppet_records(dataset, lambda t: command("keep"), on_trouble=told.append)
    assert (len(told), recorded.steps, len(episode)) == (1, 1, 1)


def test_an_episode_that_cannot_be_closed_waits_for_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    close, told = EpisodeWriter.close, list[str]()

    def close_late(self: EpisodeWriter, *args: Any, **options: Any) -> str:
        if not told:
            raise DiskFullError(dataset.path, 100, 0)
        return close(self, *args, **options)

    monkeypatch.setattr(EpisodeWriter, "close", close_late)
    with puppet_session(dataset, lambda t: command("keep"), on_trouble=told.append) as session:
        assert session.record(0).id in dataset
    assert len(told) == 1
