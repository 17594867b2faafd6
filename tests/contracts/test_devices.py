"""Contract of every device, on a machine that has none of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.contracts.device import CONTRACT, DeviceTrial
from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError
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
HANDHELD = [name for name in NAMES if DEVICES[name].handheld]


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


@pytest.mark.parametrize("device", NAMES, indirect=True)
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(device: Device, clause: Any) -> None:
    assert DEVICES[device.name] is type(device)
    clause(DeviceTrial(type(device), lambda env: device))


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
