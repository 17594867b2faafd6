import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import DiskFullError
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from teleop.devices import DEVICES
from teleop.session.unattended import Session, SessionTick
from tests.data.making import check_equal
from tests.teleop.making import command, puppet_session, world


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "d", create=True)


def scripted(dataset: Dataset, task: str, **options: Any) -> Session:
    env = world(task)
    return Session(env, DEVICES["scripted"](env), dataset, operator="scripted", tags=("sample",), **options)


def test_at_pace_and_without_an_episode_is_the_same_bit_for_bit(dataset: Dataset) -> None:
    ticks: list[SessionTick] = []
    paced = scripted(dataset, "reach", pace=True, on_tick=ticks.append)
    began = time.monotonic()
    first = paced.record(11, "paced")
    lasted = time.monotonic() - began
    second = scripted(dataset, "reach", pace=False).record(11, "unpaced")

    check_equal(dataset.load("unpaced"), dataset.load("paced"))
    assert (first.outcome, first.ending, first.steps) == (second.outcome, second.ending, second.steps)
    # 20 Hz: what is missed is counted, nothing is hurried
    assert lasted >= (first.steps - 1) * 0.05
    wall = dataset.timing("paced").wall_time
    expected = (first.steps - 1 + paced.clock.missed) * 0.05
    assert wall[-1] - wall[0] == pytest.approx(expected, abs=0.3)
    assert np.quantile([tick.late for tick in ticks], 0.1) < 0.02  # also where others keep the machine busy
    assert [tick.number for tick in ticks] == list(range(first.steps))


def test_an_episode_does_not_depend_on_those_before(dataset: Dataset) -> None:
    session = scripted(dataset, "lift", pace=False)
    session.record(1, "before")
    session.record(2, "after")
    scripted(dataset, "lift", pace=False).record(2, "alone")
    check_equal(dataset.load("after"), dataset.load("alone"))


def test_success_must_last_for_half_a_second(dataset: Dataset) -> None:
    recorded = scripted(dataset, "lift", pace=False).record(5)
    success = dataset.load(recorded.id).success
    assert (recorded.outcome, recorded.ending) == ("success", "success")
    assert success[-10:].all()
    assert not success[-11]


def test_an_episode_says_where_it_comes_from(dataset: Dataset) -> None:
    session = scripted(dataset, "reach", pace=False)
    episode = dataset.load(session.record(3).id)
    meta = episode.meta
    assert (meta.task, meta.seed, meta.operator, meta.device, meta.tags) == (
        "reach",
        3,
        "scripted",
        "scripted",
        ("sample",),
    )
    assert meta.model_hash == session.env.model_hash
    assert meta.versions.keys() == {"robo_rlhf", "mujoco", "python", "platform", "processor"}
    assert meta.started <= meta.finished
    assert (episode.source == Source.SCRIPTED).all()


def test_the_limit_ends_an_episode_as_a_failure(dataset: Dataset) -> None:
    recorded = puppet_session(dataset, lambda t: command()).record(0)
    assert (recorded.outcome, recorded.ending, recorded.steps) == ("failure", "limit", 96)  # 1.6 × 60


def test_keep_ends_and_keeps_an_episode(dataset: Dataset) -> None:
    recorded = puppet_session(dataset, lambda t: command(*["keep"] * (t == 4))).record(0)
    assert (recorded.outcome, recorded.ending, recorded.steps) == ("failure", "keep", 5)
    assert dataset.load(recorded.id).meta.outcome == "failure"


def test_what_was_discarded_can_be_brought_back(dataset: Dataset) -> None:
    recorded = puppet_session(dataset, lambda t: command(*["keep", "discard"] * (t == 4))).record(0)
    assert (recorded.outcome, recorded.ending) == ("aborted", "discard")
    assert recorded.id not in dataset
    assert dataset.trash() == (recorded.id,)
    dataset.undelete(recorded.id)
    assert len(dataset.load(recorded.id)) == 5


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
    ticks: list[SessionTick] = []

    def say(t: int) -> Any:
        return command(
            **{"x": 0.5, "gripper": 1.0, **(silent if 3 <= t < 6 else {}), **({"age": 0.19} if t == 2 else {})}
        )

    session = puppet_session(dataset, say, on_tick=ticks.append)
    episode = dataset.load(session.record(0).id)
    moving = [0.5] * 3 + [0.0] * 3 + [0.5] * 3
    np.testing.assert_array_equal(episode.action[:9, 0], np.array(moving, np.float32))
    np.testing.assert_array_equal(episode.action[:9, -1], 1.0)  # the gripper stays as it was
    assert [tick.decision.holds for tick in ticks[:9]] == [False] * 3 + [True] * 3 + [False] * 3


def test_a_gripper_that_was_never_commanded_stays_open(dataset: Dataset) -> None:
    session = puppet_session(dataset, lambda t: command(gripper=1.0, active=t > 2))
    for _ in range(2):  # also when it was closed in the episode before
        episode = dataset.load(session.record(0).id)
        np.testing.assert_array_equal(episode.action[:4, -1], np.array([-1, -1, -1, 1], np.float32))


def test_every_step_has_its_time_and_the_age_of_the_input(dataset: Dataset) -> None:
    before = time.time()
    recorded = puppet_session(dataset, lambda t: command(age=0.001 * t)).record(0)
    timing = dataset.timing(recorded.id)
    np.testing.assert_allclose(timing.input_age, 0.001 * np.arange(recorded.steps), rtol=1e-6)
    assert before <= timing.wall_time[0] <= timing.wall_time[-1] <= time.time()
    assert (dataset.load(recorded.id).source == Source.HUMAN).all()


def test_ctrl_c_keeps_what_was_recorded(dataset: Dataset) -> None:
    def say(t: int) -> Any:
        if t == 7:
            raise KeyboardInterrupt
        return command()

    with pytest.raises(KeyboardInterrupt):
        puppet_session(dataset, say).record(0, "open")
    episode = dataset.load("open")
    assert (len(episode), episode.meta.outcome, episode.meta.note) == (7, "aborted", "stopped by the operator")


def test_a_full_disk_stops_the_world_until_there_is_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    full = DiskFullError(dataset.path, 100, 0)
    answers: list[DiskFullError | None] = []
    # append asks after each step, the session again until there is none
    monkeypatch.setattr(EpisodeWriter, "trouble", property(lambda self: answers.pop(0) if answers else None))
    told: list[Exception] = []

    def say(t: int) -> Any:
        if t == 3:
            answers.extend([full, full, full])
        return command(*["keep"] * (t == 5))

    began = time.monotonic()
    recorded = puppet_session(dataset, say, on_trouble=told.append).record(0)
    assert time.monotonic() - began >= 0.4
    assert told == [full]
    assert len(dataset.load(recorded.id)) == 6


def test_an_episode_that_cannot_be_closed_waits_for_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    close, told = EpisodeWriter.close, list[Exception]()

    def close_late(self: EpisodeWriter, *args: Any, **options: Any) -> str:
        if not told:
            raise DiskFullError(dataset.path, 100, 0)
        return close(self, *args, **options)

    monkeypatch.setattr(EpisodeWriter, "close", close_late)
    session = puppet_session(dataset, lambda t: command("keep"), on_trouble=told.append)
    assert session.record(0).id in dataset
    assert len(told) == 1
