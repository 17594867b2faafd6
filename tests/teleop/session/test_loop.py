import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from teleop.ipc.messages import Begin, Scene, Tick
from teleop.session.loop import LiveSession
from tests.teleop.making import world
from tests.teleop.playing import Seat
from tests.teleop.session.test_branch import check_replays


def test_the_world_stands_at_the_start_and_nothing_is_recorded(home: Path) -> None:
    with Seat(home) as seat:
        for _ in range(5):
            seat.session.tick()
        status = seat.status
        assert (status.phase, status.seed, status.frame, status.frames, status.episode) == ("ready", 5, 0, 1, "")
        env = world()
        env.reset(np.array([5]))
        assert seat.state.tobytes() == env.get_state()[0].tobytes()
        scene = seat.of(Scene)[0]
        assert (scene.task, scene.dataset, scene.control_dt) == ("reach", "reach", 0.05)
        assert [camera.name for camera in scene.cameras] == ["front", "side", "top", "wrist"]
    assert len(Dataset(home / "reach")) == 0
    assert not list((home / "reach" / "journal").iterdir())


@pytest.mark.parametrize("how", ["movement", "start", "gripper"])
def test_a_movement_or_start_begins(home: Path, how: str) -> None:
    with Seat(home) as seat:
        seat.let_go()
        if how == "start":
            seat.must("start")
            seat.let_go(3)
        elif how == "gripper":
            seat.let_go(3, gripper=1.0)
        else:
            seat.move(3)
        status = seat.status
        assert (status.phase, status.frame, status.frames, status.tick) == ("running", 3, 4, 3)
        assert status.episode
        seat.must("keep")
        assert len(seat.only()) == 3


def test_what_is_still_held_does_not_begin_the_next_episode(home: Path) -> None:
    with Seat(home) as seat:
        seat.record()
        seat.must("keep")
        seat.move(3)
        assert seat.status.phase == "ready"
        seat.let_go()
        seat.move(2)
        assert (seat.status.phase, seat.status.frame) == ("running", 2)


def test_keep_closes_and_puts_up_the_next_seed(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(6)
        open_id = seat.status.episode
        reply = seat.must("keep")
        assert (reply.episode, reply.text) == (open_id, "Kept: failure after 0.3 s.")
        status = seat.status
        assert (status.phase, status.seed, status.kept, status.successes, status.frame) == ("ready", 6, 1, 0, 0)
        meta = seat.only().meta
        assert (meta.id, meta.seed, meta.outcome, meta.operator, meta.device) == (
            open_id,
            5,
            "failure",
            "Ada",
            "browser",
        )
        assert (seat.only().source == Source.HUMAN).all()


def test_nothing_to_keep_or_discard_or_mark(home: Path) -> None:
    with Seat(home) as seat:
        for act in ("keep", "discard", "undo", "success", "note"):
            reply = seat.ask(act, "x" if act == "note" else None)
            assert not reply.ok
            assert reply.text.startswith(("No episode is open.", "There is nothing to undo."))


def test_a_discard_is_undone_and_the_episode_goes_on(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(4)
        seat.must("note", "nearly")
        reply = seat.must("discard")
        assert reply.text == "Discarded 0.2 s; it can be brought back."
        status = seat.status
        assert (status.phase, status.seed, status.discarded, status.kept, status.undo) == ("ready", 5, 1, 0, "discard")
        assert seat.dataset.trash() == (reply.episode,)
        assert len(seat.dataset) == 0
        text = seat.must("undo").text
        assert text == "The episode of 0.2 s is open again: continue it, keep or discard it."
        status = seat.status
        assert (status.phase, status.seed, status.discarded, status.frame, status.undo) == ("paused", 5, 0, 4, "")
        assert not seat.ask("undo").ok
        seat.record(3)
        steps = seat.status.frame
        assert steps > 4
        seat.must("keep")
        episode = seat.only()
        assert (len(episode), episode.meta.parent, episode.meta.note) == (steps, "", "nearly")
        assert (seat.status.seed, seat.status.kept) == (6, 1)
        check_replays(episode)


def test_undo_takes_back_the_newest_and_nothing_else(home: Path) -> None:
    """A discarded, B kept: one undo opens B; only when B is closed again, and that undone, comes A."""
    with Seat(home) as seat:
        seat.record(3)
        first = seat.must("discard").episode
        seat.record(5)
        seat.must("success")
        second = seat.must("keep").episode
        assert seat.status.undo == "keep"
        seat.must("undo")
        status = seat.status
        assert (status.frames, status.kept, status.discarded, status.mark) == (6, 0, 1, "success")
        assert set(seat.dataset.trash()) == {first, second}
        assert len(seat.dataset) == 0
        seat.must("undo")  # the mark, which came before the keep
        assert (seat.status.mark, seat.status.undo) == ("", "discard")
        refused = seat.ask("undo")
        assert "the last discard: an episode is open; keep or discard it first" in refused.text
        third = seat.must("keep").episode
        assert seat.dataset.info(third).meta.outcome == "failure"
        seat.must("undo")
        seat.must("discard")
        seat.must("undo")
        seat.must("discard")
        assert seat.status.discarded == 2


def test_a_rewind_is_undone_until_a_branch_goes_on(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(20)
        seat.must("pause")
        seat.must("rewind", 0.2)
        seat.must("rewind", 0.3)
        assert (seat.status.frame, seat.status.undo) == (10, "rewind")
        seat.must("undo")
        assert seat.status.frame == 16
        seat.must("undo")
        assert (seat.status.frame, seat.status.undo) == (20, "")
        seat.must("rewind", 0.5)
        seat.record(3)
        assert (seat.status.undo, seat.status.branches) == ("", 1)


def test_what_is_rewound_keeps_its_outcome_and_is_counted_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Seat(home) as seat:
        seat.record(8)
        first = seat.status.episode
        monkeypatch.setattr(type(seat.session.machine.world.env.task), "success", lambda self, sim: np.array([True]))
        seat.record(4)
        monkeypatch.undo()
        seat.must("pause")
        seat.must("rewind", 0.3)
        seat.record(2)
        seat.must("keep")
        meta = seat.dataset.info(first).meta
        assert (meta.outcome, meta.tags) == ("success", ("branch",))
        assert (seat.status.kept, seat.status.successes, seat.status.branches) == (1, 0, 1)
        assert any(text.startswith("What was rewound is kept as a branch: success after") for text in seat.notices())


def test_the_operator_marks_what_the_task_cannot_see(home: Path) -> None:
    with Seat(home) as seat:
        outcomes = []
        for marks in (["success"], ["failure"], ["success", "unmark"]):
            seat.record()
            for mark in marks:
                seat.must(mark)
            assert seat.status.mark == ("" if marks[-1] == "unmark" else marks[-1])
            kept = seat.must("keep").episode
            assert seat.status.mark == ""
            outcomes.append(seat.dataset.info(kept).meta.outcome)
        assert outcomes == ["success", "failure", "failure"]
        assert seat.must("success").episode == kept  # the last one, now that none is open
        assert seat.dataset.info(kept).meta.outcome == "success"
        assert seat.status.successes == 2
        seat.must("unmark")
        assert seat.dataset.info(kept).meta.outcome == "failure"


def test_a_note_is_of_the_open_episode_or_of_the_last(home: Path) -> None:
    with Seat(home) as seat:
        seat.record()
        seat.must("note", "first")
        kept = seat.must("keep").episode
        assert seat.dataset.info(kept).meta.note == "first"
        seat.must("note", "better")
        assert seat.dataset.info(kept).meta.note == "better"
        assert "a text" in seat.ask("note", 3).text


def test_seeds_are_chosen_while_no_episode_is_open(home: Path) -> None:
    with Seat(home) as seat:
        seat.must("next")
        assert seat.status.seed == 6
        seat.must("seed", 40)
        assert seat.status.seed == 40
        seat.record()
        for act, value in (("next", None), ("again", None), ("seed", 3), ("task", "push"), ("goal", ["goal", 0, 0, 0])):
            reply = seat.ask(act, value)
            assert not reply.ok
            assert "keep or discard" in reply.text
        seat.must("keep")
        assert seat.status.seed == 41
        seat.must("again")
        assert seat.status.seed == 40
        for value in (-1, 1.5, "three", None):
            assert " number" in seat.ask("seed", value).text
    with Seat(home, seed=None) as seat:
        assert seat.status.seed == 41  # after the highest


def test_another_task_has_its_own_dataset_where_the_present_one_is_for_one_task(home: Path) -> None:
    with Seat(home) as seat:
        seat.must("task", "push")
        scene = seat.of(Scene)[-1]
        assert (scene.task, scene.dataset, seat.status.phase) == ("push", "push", "ready")
        seat.record()
        seat.must("keep")
        assert seat.only().meta.task == "push"
        assert "Did you mean 'reach'" in seat.ask("task", "reech").text
    with Seat(home, dataset="all") as seat:
        seat.must("task", "push")
        assert seat.of(Scene)[-1].dataset == "all"


def test_a_goal_is_moved_before_the_episode_begins(home: Path) -> None:
    with Seat(home) as seat:
        seat.must("goal", ["goal", 0.1, -0.2, 0.3])
        assert seat.status.goals[0].position == (0.1, -0.2, 0.3)
        assert "Unknown goal 'target'" in seat.ask("goal", ["target", 0, 0, 0]).text
        assert "within 5 m" in seat.ask("goal", ["goal", 0, 0, 9]).text
        assert "[name, x, y, z]" in seat.ask("goal", "goal").text
        seat.record()
        assert seat.status.goals == ()
        seat.must("discard")
        assert seat.status.goals[0].position == (0.1, -0.2, 0.3)  # the same start again
        seat.record()
        seat.must("keep")
        episode = seat.only()
        assert episode.meta.tags == ("goal",)
        env = world()
        env.set_state(episode.state[:1])
        np.testing.assert_array_equal(env.sim.mocap_pos("goal")[0], [0.1, -0.2, 0.3])


def test_the_robot_holds_while_nothing_is_heard(home: Path) -> None:
    with Seat(home, "lift") as seat:
        seat.record(3, gripper=1.0)
        time.sleep(0.22)
        seat.session.tick()
        assert seat.status.holds
        seat.let_go(2, gripper=1.0)
        assert seat.status.holds
        seat.move(1, gripper=1.0)
        assert not seat.status.holds
        seat.must("keep")
        action = seat.only().action
        np.testing.assert_array_equal(action[:, 0], np.array([0.5] * 3 + [0.0] * 3 + [0.5], np.float32))
        np.testing.assert_array_equal(action[:, -1], 1.0)
        ages = seat.dataset.timing(seat.only().meta.id).input_age
        assert ages[3] > 0.2
        assert (ages[[0, 1, 2, 4, 5, 6]] < 0.2).all()


def test_after_a_long_rest_the_episode_pauses_and_a_movement_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teleop.session.state_machine.REST", 0.5)
    with Seat(home) as seat:
        seat.record(3)
        seat.let_go(15)
        assert (seat.status.phase, seat.status.frames) == ("paused", 14)
        assert "Move to go on." in seat.notices()[-1]
        seat.move(2)
        assert (seat.status.phase, seat.status.frames) == ("running", 16)
        seat.must("keep")
        assert len(seat.only()) == 15


def test_an_episode_cannot_outgrow_the_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleop.session.state_machine.LONGEST", 10)
    with Seat(home) as seat:
        seat.record(20)
        assert (seat.status.phase, seat.status.frames) == ("paused", 11)
        assert seat.notices()[-1] == "Paused: the episode has 10 steps. Keep or discard it."


def test_success_is_told_once_it_has_lasted(home: Path) -> None:
    with Seat(home) as seat:
        env = seat.session.machine.world.env
        hand = env.sim.site_pos("ee")[0]
        seat.must("goal", ["goal", *map(float, hand)])
        seat.must("start")
        seat.let_go(15)
        assert seat.notices() == ["The task is done."]
        assert seat.status.success
        seat.must("keep")
        assert seat.only().meta.outcome == "success"


def test_pause_and_going_on_leave_no_trace(home: Path) -> None:
    for pauses in (False, True):
        with Seat(home, "lift", dataset=f"d{pauses}") as seat:
            seat.let_go()
            for k in range(12):
                seat.move(1, 0.3)
                if pauses and k in (3, 7):
                    seat.must("pause")
                    assert seat.status.phase == "paused"
                    seat.must("seek", 2)
                    seat.must("seek", k + 1)
                    seat.must("start")
            seat.must("keep")
    one, other = (Seat(home, "lift", dataset=f"d{pauses}").only() for pauses in (False, True))
    assert one.state.tobytes() == other.state.tobytes()
    assert one.obs.tobytes() == other.obs.tobytes()


def test_a_pause_asks_for_everything_to_be_let_go_before_a_movement_goes_on(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(3)
        seat.must("pause")
        seat.move(3)
        assert (seat.status.phase, seat.status.frames) == ("paused", 4)
        seat.let_go()
        seat.move(1)
        assert (seat.status.phase, seat.status.frames) == ("running", 5)


def test_requests_under_an_older_lease_are_refused(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(2)
        seat.fence = 2
        seat.move()
        seat.fence = 1
        assert not seat.say(0.9)
        assert "do not hold the controls" in seat.ask("keep").text
        assert seat.status.phase == "running"


def test_a_picture_names_the_newest_input_that_it_shows(home: Path) -> None:
    with Seat(home) as seat:
        seat.let_go()
        for _ in range(3):
            seat.move()
            newest = seat.of(Tick)[-1]
            assert newest.at == newest.sequence == seat.session.machine.device.sequence  # type: ignore[attr-defined]


def test_an_ended_session_keeps_the_open_episode_and_the_next_one_offers_it(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(6)
        cut_short = seat.status.episode
    dataset = Dataset(home / "reach")
    meta = dataset.info(cut_short).meta
    assert (meta.outcome, meta.tags) == ("aborted", ("interrupted",))
    with Seat(home, operator="Ben") as seat:
        assert seat.notices() == []  # it was not theirs
    with Seat(home, seed=None) as seat:
        (notice,) = [message for message in seat.heard if getattr(message, "offer", None)]
        assert notice.text == "Your last episode was cut short after 0.3 s. You can resume from there."
        assert notice.offer == ("reach", cut_short, 6)
        seat.must("open", [*notice.offer, "continue"])
        seat.let_go()
        seat.move(2)
        seat.must("keep")
        assert seat.status.seed == 6
    with Seat(home) as seat:
        assert seat.notices() == []


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"rate": 5.0}, InvalidValueError, "10 to 50 Hz"),
        ({"rate": 60.0}, InvalidValueError, "10 to 50 Hz"),
        ({"task": "reech"}, UnknownNameError, "Did you mean 'reach'"),
        ({"device": "wand"}, UnknownNameError, "Unknown device 'wand'"),
    ],
)
def test_what_cannot_begin_says_why(home: Path, fields: dict[str, Any], error: type[Exception], text: str) -> None:
    known = {"home": home, "dataset": "d", "task": "reach", "operator": "Ada", **fields}
    with pytest.raises(error, match=text):
        LiveSession(Begin(**known), lambda message: None)


def test_a_slower_rate_is_slow_motion_not_another_robot(home: Path) -> None:
    with Seat(home, rate=10.0, pace=True) as slow:
        slow.record(5)
        slow.must("keep")
        wall = np.diff(slow.dataset.timing(slow.only().meta.id).wall_time)
        assert np.median(wall) > 0.08
        assert slow.only().meta.control_dt == 0.05


def test_a_device_at_the_robot_has_buttons(home: Path) -> None:
    with Seat(home, device="scripted") as seat:
        seat.must("start")
        for _ in range(80):
            seat.session.tick()
        seat.must("keep")
        assert (seat.only().source == Source.SCRIPTED).all()
        assert seat.only().meta.device == "scripted"
        assert "was opened for another one" in seat.ask("task", "push").text
