from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.types import Array, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from teleop.devices import DEVICES
from teleop.devices.browser import Browser
from teleop.input.action_mapping import ActionMapping
from teleop.ipc.messages import Input
from teleop.session.shared_control import Driver
from tests.teleop.making import command, world
from tests.teleop.playing import Seat

POLICY, CORRECTION, HUMAN = Source.POLICY, Source.CORRECTION, Source.HUMAN


class Planner:
    """A policy that numbers its actions since it was reset, in the first column."""

    def __init__(self) -> None:
        self.planned = 0
        self.grip = -1.0

    def reset(self, num_envs: int) -> None:
        assert num_envs == 1
        self.planned = 0

    def act(self, obs: Array) -> Array:
        assert obs.shape == (1, 13)
        self.planned += 1
        return np.array([[0.01 * self.planned, 0, 0, 0, self.grip]], np.float32)


def seat_with_planner(home: Path) -> tuple[Seat, Planner]:
    seat, planner = Seat(home), Planner()
    seat.session.machine.driver.policy, seat.session.machine.policy_name = planner, "planner"
    seat.let_go()
    seat.must("start")
    return seat, planner


def test_every_frame_says_who_drove(home: Path) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.let_go(4)
        assert (seat.status.source, seat.status.holds) == ("policy", False)
        seat.move(3, takeover=True)
        assert seat.status.source == "correction"
        seat.move(1, 0.0, takeover=True)  # taken over and holding still
        seat.let_go(2)
        seat.must("keep")
        episode = seat.only()
        assert episode.source.tolist() == [POLICY] * 4 + [CORRECTION] * 4 + [POLICY] * 2
        assert episode.meta.tags == ("correction",)
        assert episode.meta.versions["policy"] == "planner"
        x = np.array([0.01, 0.02, 0.03, 0.04, 0.5, 0.5, 0.5, 0.0, 0.01, 0.02], np.float32)
        np.testing.assert_array_equal(episode.action[:, 0], x)  # given back, it plans anew


def test_moving_without_taking_over_does_not_disturb_the_policy(home: Path) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.move(3, gripper=1.0)
        seat.must("keep")
        assert (seat.only().source == POLICY).all()
        assert seat.only().meta.tags == ()
        np.testing.assert_array_equal(seat.only().action[:, -1], -1.0)


def test_nothing_drops_when_the_controls_change_hands(home: Path) -> None:
    seat, planner = seat_with_planner(home)
    with seat:
        planner.grip = 1.0
        seat.let_go(2)
        seat.move(2, takeover=True, gripper=-1.0)  # the page has it open
        assert seat.status.gripper == 1.0
        seat.move(1, takeover=True, gripper=1.0)
        seat.move(1, takeover=True, gripper=-1.0)  # now the operator opens it
        assert seat.status.gripper == -1.0


def test_a_lost_connection_during_a_takeover_leaves_the_robot_holding(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.move(2, takeover=True)
        monkeypatch.setattr("teleop.session.shared_control.SILENCE", -1.0)  # whatever was said last is too old
        for _ in range(3):
            seat.session.tick()
        assert (seat.status.source, seat.status.holds) == ("correction", True)
        seat.must("keep")
        np.testing.assert_array_equal(seat.only().action[2:, 0], 0.0)


def test_a_policy_that_says_nan_pauses_the_episode(home: Path) -> None:
    seat, planner = seat_with_planner(home)
    with seat:
        seat.let_go(3)
        planner.grip = np.nan
        seat.let_go(3)
        assert (seat.status.phase, seat.status.frames) == ("paused", 4)
        (text,) = seat.notices()
        assert text.startswith("The action of the policy is not finite (columns gripper).")
        seat.move(3, takeover=True)
        assert (seat.status.phase, seat.status.frames) == ("running", 7)
        seat.must("keep")
        assert len(seat.only()) == 6


def test_a_policy_that_never_ends_is_paused(home: Path) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.let_go(120)
        assert (seat.status.phase, seat.status.frames) == ("paused", 97)
        seat.must("start")
        seat.let_go(2)
        assert seat.status.frames == 99


def test_a_branch_off_a_policys_episode_is_a_correction_with_the_original_as_its_parent(home: Path) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.let_go(8)
        original = seat.status.episode
        seat.must("seek", 4)
        seat.let_go()
        seat.move(4, takeover=True)
        kept = seat.must("keep").episode
        meta = seat.dataset.info(kept).meta
        assert (meta.parent, meta.parent_step, meta.tags) == (original, 4, ("correction",))
        assert seat.dataset.info(original).meta.tags == ("branch",)


@pytest.fixture
def checkpoint(home: Path) -> str:
    """A policy for reach in the data home."""
    policy = new_policy("flow", 13, 5, {"width": 16, "layers": 1, "chunk": 4, "execution_horizon": 4})
    save_policy(policy, home / "runs" / "a" / "policy.safetensors", {"task": "reach"})
    return "runs/a/policy.safetensors"


def test_a_checkpoint_is_loaded_and_drives(home: Path, checkpoint: str) -> None:
    with Seat(home) as seat:
        seat.record(3)
        assert seat.must("policy", checkpoint).text.startswith("The policy drives")
        assert (seat.status.phase, seat.status.policy) == ("paused", checkpoint)  # loading did not disturb the episode
        seat.must("start")
        seat.let_go(5)
        seat.must("policy", None)
        assert (seat.status.phase, seat.status.policy) == ("paused", "")
        seat.let_go()
        seat.move(2)
        seat.must("keep")
        assert seat.only().source.tolist() == [HUMAN] * 3 + [POLICY] * 5 + [HUMAN] * 2


def test_a_policy_repeats_itself_from_the_same_seed(home: Path, checkpoint: str) -> None:
    with Seat(home, policy=checkpoint) as seat:
        actions = []
        for _ in range(2):
            seat.must("start")
            seat.let_go(9)
            seat.must("keep")
            actions.append(seat.dataset.load(seat.dataset.ids()[-1]).action)
            seat.must("again")
        assert actions[0].tobytes() == actions[1].tobytes()


def test_a_policy_that_cannot_be_loaded_says_why(home: Path, checkpoint: str) -> None:
    with Seat(home, "push") as seat:
        for value, text in (
            (checkpoint, "a policy for push"),
            ("nothing.safetensors", "No checkpoint"),
            ("../../etc/passwd", "in the data home"),
            (3, "a text"),
        ):
            reply = seat.ask("policy", value)
            assert not reply.ok
            assert text in reply.text
        assert seat.status.policy == ""
    with Seat(home, policy=checkpoint) as seat:
        seat.must("task", "push")
        assert seat.status.policy == ""


def test_a_device_without_a_takeover_key_takes_over_by_its_stick() -> None:
    env = world()

    class Stick(Browser):
        pass

    for device, taken in ((DEVICES["scripted"](env), True), (Stick(env), False)):
        driver = Driver(device, ActionMapping(env.usual_controls, env.control_dt))
        driver.policy = Planner()
        env.reset(np.array([1]))
        driver.begin(1, env.at())
        if isinstance(device, Browser):
            device.put(Input("input", 1, 1, (0.5, 0, 0, 0, 0, 0), -1.0, 0.0))
        assert driver.read().takes_over == taken


def test_what_is_no_number_does_not_count() -> None:
    env = world()
    driver = Driver(DEVICES["browser"](env), env.task.action_names)
    driver.device.read = lambda: command(x=np.nan, gripper=1.0)  # type: ignore[method-assign]
    heard = driver.read()
    assert (heard.silent, heard.moves, driver.gripper) == (True, False, -1.0)


def test_corrections_are_found_by_their_tag(home: Path) -> None:
    seat, _ = seat_with_planner(home)
    with seat:
        seat.let_go(3)
        seat.must("keep")
        seat.must("start")
        seat.move(3, takeover=True)
        kept = seat.must("keep").episode
    assert [info.meta.id for info in Dataset(home / "reach").list(tag="correction")] == [kept]
