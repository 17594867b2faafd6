"""Contract of every device, on a machine that has none of them."""

import inspect
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError
from robo_rlhf.core.types import Command, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from teleop.devices import DEVICES, Device
from teleop.devices.scripted import Scripted
from teleop.input.action_mapping import to_action
from teleop.session.unattended import UnattendedSession
from tests.teleop.devices.recorded import RecordedPad, RecordedReports
from tests.teleop.making import world
from tests.teleop.terminals import Screen, screen

NAMES = list(DEVICES)
HANDHELD = ("keyboard", "gamepad", "spacemouse")


@pytest.fixture(scope="module")
def env() -> TaskEnv:
    made = world()
    made.reset(np.array([3]))
    return made


@pytest.fixture
def device(request: pytest.FixtureRequest, env: TaskEnv, home: Path) -> Device:
    """A device of the kind named, with something that stands for its hardware."""
    kind = DEVICES[request.param]
    if request.param == "keyboard":
        person = request.getfixturevalue("person")
        return kind(env, path=person.path)  # type: ignore[call-arg]
    if request.param == "replay":
        dataset = Dataset(home / "reach", create=True)
        other = world()
        with UnattendedSession(other, Scripted(other), dataset, pace=False) as session:
            recorded = session.record(3)
        return kind(env, episode=f"reach/{recorded.id}")  # type: ignore[call-arg]
    stand_ins = {"gamepad": {"pad": RecordedPad()}, "spacemouse": {"raw": RecordedReports()}}
    return kind(env, **stand_ins.get(request.param, {}))


@pytest.fixture
def person() -> Iterator[Screen]:
    with screen(releases=False) as made:
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_a_device_says_what_it_is(name: str) -> None:
    device = DEVICES[name]
    assert device.name == name
    assert isinstance(device.source, Source)
    assert (inspect.getdoc(device) or "").endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_options_come_by_keyword_with_defaults(name: str) -> None:
    _, first, *rest = inspect.signature(DEVICES[name].__init__).parameters.values()
    assert first.name == "env"
    assert all(option.default is not inspect.Parameter.empty for option in rest)


@pytest.mark.parametrize("device", NAMES, indirect=True)
def test_reading_is_quick_finite_and_leaves_the_world_alone(device: Device, env: TaskEnv) -> None:
    before = env.get_state()
    with device as opened:
        opened.begin(3)
        slowest = 0.0
        for _ in range(20):
            began = time.perf_counter()
            said = opened.read()
            slowest = max(slowest, time.perf_counter() - began)
            check(said, env)
    assert slowest < 0.2  # milliseconds, on a machine that does nothing else
    assert env.get_state().tobytes() == before.tobytes()


def check(said: Command, env: TaskEnv) -> None:
    assert said.twist.shape == (6,)
    assert np.isfinite(said.twist).all()
    assert -1 <= said.gripper <= 1
    assert said.age >= 0
    assert np.abs(to_action(said, env.task.action_names)).max() <= 1


@pytest.mark.parametrize("device", HANDHELD, indirect=True)
def test_hands_that_rest_do_not_drive(device: Device) -> None:
    with device as opened:
        for _ in range(3):
            said = opened.read()
            assert (said.active, said.buttons, said.twist.any()) == (False, frozenset(), False)


@pytest.mark.parametrize("name", HANDHELD)
def test_without_hardware_it_says_what_is_missing_and_what_to_do(name: str, env: TaskEnv, tmp_path: Path) -> None:
    device = DEVICES[name](env, path=tmp_path / "nowhere")  # type: ignore[call-arg]
    with pytest.raises(MissingDependencyError, match=r"nowhere.* is missing; driving with .* needs it\. .* browser"):
        device.__enter__()


@pytest.mark.parametrize("name", HANDHELD)
@pytest.mark.parametrize("task", list(TASKS))
def test_it_drives_every_task(name: str, task: str) -> None:
    env = world(task)
    device = DEVICES[name](env, speed=5)  # type: ignore[call-arg]
    pushed = device.operator_state.command(np.ones(6))  # type: ignore[attr-defined]
    assert np.abs(to_action(pushed, env.task.action_names)).max() == 1


@pytest.mark.parametrize("name", HANDHELD)
def test_a_speed_that_there_is_not_is_refused(name: str, env: TaskEnv) -> None:
    with pytest.raises(InvalidValueError, match="speed: expected a level from 1 to 5, got 9"):
        DEVICES[name](env, speed=9)  # type: ignore[call-arg]
