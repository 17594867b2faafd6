from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.envs.task_env import TaskEnv, versions
from robo_rlhf.sim.physics.model_identity import compiled_hash
from robo_rlhf.sim.tasks import TASKS
from teleop.session.branch import RecordedEpisode
from tests.data.making import check_equal
from tests.teleop.making import world
from tests.teleop.playing import Seat, same_frames


def moves(seat: Seat, count: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for x in rng.uniform(-1, 1, count):
        seat.move(1, float(x), gripper=1.0 if x > 0 else -1.0)


def check_replays(episode: Episode) -> None:
    """Check that states can be entered, and actions repeated from the first one, bit for bit."""
    env = TaskEnv(TASKS[episode.meta.task](), 1, nthread=1)
    env.set_state(episode.state[:1])
    for t in range(len(episode)):
        step = env.step(episode.action[t : t + 1])
        assert env.get_state()[0].tobytes() == episode.state[t + 1].tobytes(), t
        assert step.obs[0].tobytes() == episode.obs[t + 1].tobytes(), t
    for t in range(0, len(episode) + 1, 3):
        obs = env.set_state(episode.state[t : t + 1])
        assert obs[0].tobytes() == episode.obs[t].tobytes()
        assert env.get_state()[0].tobytes() == episode.state[t].tobytes()


@pytest.mark.parametrize("task", ["pick_place", "drawer_open", "navigate_room"])
def test_stored_states_and_actions_replay_bit_for_bit(home: Path, task: str) -> None:
    with Seat(home, task) as seat:
        seat.let_go()
        moves(seat, 30)
        seat.must("rewind", 0.5)
        seat.let_go()
        moves(seat, 20, seed=1)
        seat.must("keep")
        for episode_id in seat.dataset:
            check_replays(seat.dataset.load(episode_id))


def test_every_frame_can_be_looked_at(home: Path) -> None:
    with Seat(home) as seat:
        seat.let_go()
        moves(seat, 12)
        states = []
        for frame in (12, 0, 5, 11):
            seat.must("seek", frame)
            assert (seat.status.phase, seat.status.frame, seat.status.frames) == ("paused", frame, 13)
            states.append((frame, seat.state.copy(), seat.status.gripper))
        assert "0 to 12" in seat.ask("seek", 13).text
        kept = seat.must("keep").episode  # looking loses nothing
        episode = seat.dataset.load(kept)
        assert len(episode) == 12
        for frame, state, gripper in states:
            assert state.tobytes() == episode.state[frame].tobytes()
            assert gripper == (episode.action[frame - 1, -1] if frame else -1.0)


def test_rewinding_goes_back_by_seconds(home: Path) -> None:
    with Seat(home) as seat:
        seat.record(30)
        seat.must("rewind", 1.0)
        assert (seat.status.phase, seat.status.frame) == ("paused", 10)
        seat.must("rewind", 0.01)
        assert seat.status.frame == 9
        seat.must("rewind", 100)
        assert seat.status.frame == 0
        for seconds in (0, -1, "far"):
            assert not seat.ask("rewind", seconds).ok


def test_going_on_from_an_earlier_frame_is_a_branch(home: Path) -> None:
    with Seat(home, tags=("study",)) as seat:
        seat.let_go()
        moves(seat, 12)
        first = seat.status.episode
        seat.must("note", "of the first")
        seat.must("success")
        seat.must("seek", 7)
        seat.let_go()
        moves(seat, 10, seed=3)  # with the first the branch is made
        assert (seat.status.phase, seat.status.frames, seat.status.parent) == ("running", 17, first)
        second = seat.must("keep").episode
        parent, branch = seat.dataset.load(first), seat.dataset.load(second)
        assert (parent.meta.outcome, parent.meta.tags, len(parent)) == ("success", ("study", "branch"), 12)
        assert (branch.meta.parent, branch.meta.parent_step, branch.meta.tags) == (first, 7, ("study",))
        assert branch.meta.outcome == "failure"  # the mark was of what was left
        assert same_frames(parent, branch, 8)
        assert (seat.status.kept, seat.status.seed) == (1, 6)


def test_branches_of_branches(home: Path) -> None:
    with Seat(home) as seat:
        seat.let_go()
        ids = []
        for number in range(4):
            moves(seat, 8, seed=number)
            ids.append(seat.status.episode)
            seat.must("rewind", 0.25)
            seat.let_go()
        seat.must("keep")
        metas = [seat.dataset.info(episode_id).meta for episode_id in ids]
        assert [meta.parent for meta in metas] == ["", *ids[:3]]
        assert [meta.parent_step for meta in metas] == [0, 3, 5, 7]
        lengths = [seat.dataset.info(episode_id).length for episode_id in ids]
        assert lengths == [8, 10, 12, 14]


def test_the_gripper_stays_as_it_was_commanded_at_the_frame(home: Path) -> None:
    with Seat(home, "lift") as seat:
        seat.record(4, gripper=-1.0)
        seat.move(4, gripper=1.0)
        seat.must("seek", 2)
        assert seat.status.gripper == -1.0
        seat.let_go(gripper=1.0)  # the page has it closed still
        seat.move(2, gripper=1.0)
        assert seat.status.gripper == -1.0
        seat.move(1, gripper=-1.0)
        seat.move(1, gripper=1.0)
        seat.must("keep")
        branch = seat.dataset.load(seat.dataset.ids()[-1])
        np.testing.assert_array_equal(branch.action[:, -1], np.array([-1] * 4 + [1], np.float32))


@pytest.fixture
def recorded(home: Path) -> Episode:
    """An episode of twelve steps of reach, from seed 5."""
    with Seat(home) as seat:
        seat.let_go()
        moves(seat, 12)
        seat.must("keep")
        return seat.only()


@pytest.mark.parametrize(
    ("mode", "source", "tags"), [("continue", Source.HUMAN, ()), ("takeover", Source.CORRECTION, ("correction",))]
)
def test_any_frame_of_any_episode_can_be_gone_on_from(
    home: Path, recorded: Episode, mode: str, source: Source, tags: tuple[str, ...]
) -> None:
    with Seat(home, "push", dataset="other", operator="Ben", seed=2) as seat:
        reply = seat.must("open", ["reach", recorded.meta.id, 7, mode])
        assert reply.text == f"Frame 7 of {recorded.meta.id}."
        status = seat.status
        assert (status.phase, status.frame, status.frames, status.seed) == ("paused", 7, 13, 5)
        assert status.parent == recorded.meta.id
        assert seat.state.tobytes() == recorded.state[7].tobytes()
        seat.must("seek", 6)
        seat.let_go()
        moves(seat, 4, seed=1)
        kept = seat.must("keep").episode
        branch = seat.dataset.load(kept)
        assert same_frames(recorded, branch, 7)
        check_replays(branch)
        assert (branch.source[6:] == source).all()
        meta = branch.meta
        assert (meta.parent, meta.parent_step, meta.tags, meta.operator) == (recorded.meta.id, 6, tags, "Ben")
        assert seat.status.seed == 2  # where the session was
    check_equal(Dataset(home / "reach").load(recorded.meta.id), recorded)


def test_a_discarded_correction_is_tried_again_from_the_same_frame(home: Path, recorded: Episode) -> None:
    with Seat(home, seed=9) as seat:
        seat.must("open", ["reach", recorded.meta.id, 7, "takeover"])
        for _ in range(2):
            seat.let_go()
            moves(seat, 3)
            seat.must("discard")
            assert (seat.status.phase, seat.status.frame, seat.status.seed) == ("paused", 7, 5)
        seat.let_go()
        moves(seat, 3)
        seat.must("keep")
        assert (seat.status.phase, seat.status.seed) == ("ready", 9)
        assert (seat.dataset.load(seat.dataset.ids()[-1]).source[7:] == Source.CORRECTION).all()


def test_a_session_can_begin_with_a_recorded_episode(home: Path, recorded: Episode) -> None:
    with Seat(home, open=("reach", recorded.meta.id, 3, "takeover")) as seat:
        assert (seat.status.phase, seat.status.frame) == ("paused", 3)
        seat.must("next")
        assert (seat.status.phase, seat.status.seed) == ("ready", 6)


def test_what_cannot_be_opened_says_why(home: Path, recorded: Episode) -> None:
    other = Dataset(home / "foreign", create=True)
    name = recorded.meta.id
    other.add(replace(recorded, meta=replace(recorded.meta, id="blind"), state=np.zeros((13, 0))))
    other.add(replace(recorded, meta=replace(recorded.meta, id="changed", model_hash="0123")))
    old = {"mujoco": "3.3.0"}
    other.add(replace(recorded, meta=replace(recorded.meta, id="old", versions=old)))
    other.add(replace(recorded, meta=replace(recorded.meta, id="unknown", task="juggle")))
    with Seat(home) as seat:
        for dataset, episode, frame, mode, text in (
            ("reech", name, 0, "continue", "Did you mean 'reach'"),
            ("../reach", name, 0, "continue", "No dataset"),
            ("reach", "nothing", 0, "continue", "No episode in dataset reach"),
            ("reach", "../x", 0, "continue", "episode id"),
            ("reach", name, 13, "continue", "0 to 12"),
            ("reach", name, 0, "watch", '"continue" or "takeover"'),
            ("foreign", "blind", 0, "continue", "no simulator states"),
            ("foreign", "unknown", 0, "continue", "Unknown task 'juggle'"),
        ):
            reply = seat.ask("open", [dataset, episode, frame, mode])
            assert not reply.ok
            assert text in reply.text
            assert seat.status.phase == "ready"
        assert "another version of the scene" in seat.must("open", ["foreign", "changed", 2, "continue"]).text
        assert "recorded with MuJoCo 3.3.0" in seat.must("open", ["foreign", "old", 2, "continue"]).text
        seat.let_go()
        moves(seat, 2)
        assert "keep or discard" in seat.ask("open", ["reach", name, 0, "continue"]).text
        seat.must("keep")
        meta = seat.dataset.info(seat.dataset.ids()[-1]).meta
        assert meta.model_hash == world().model_hash
        assert meta.versions["mujoco"] != "3.3.0"


def past_of(episode: Episode, **meta: object) -> RecordedEpisode:
    columns = {"state": episode.state, "obs": episode.obs, "action": episode.action}
    return RecordedEpisode(columns, replace(episode.meta, **meta), "reach")


def test_a_processor_makes_no_recording_foreign(recorded: Episode) -> None:
    env = world()
    assert past_of(recorded).differences(env) == ""
    old = compiled_hash(env.model)
    assert past_of(recorded, model_hash=old).differences(env) == ""
    elsewhere = {**versions(), "processor": "Some Xeon (avx512f)"}
    for meta in ({"model_hash": "0" * 16}, {"versions": elsewhere}):  # of bytes that no processor here makes
        assert past_of(recorded, **meta).differences(env) == ""  # measured: the same states
        state = recorded.state.copy()
        state[5, 2] += 1e-9  # as there its last bits grew
        said = past_of(replace(recorded, state=state), **meta).differences(env)
        assert said.startswith(" It was recorded on another machine: its first 10 steps lead here to positions that ")
        assert said.endswith("differ by up to 1e-09 m or rad.")
    state[5, 2] += 0.1
    foreign = past_of(replace(recorded, state=state), model_hash="0" * 16)
    assert "another version of the scene" in foreign.differences(env)
    narrow = replace(recorded, action=recorded.action[:, :2])
    assert "another version of the scene" in past_of(narrow, model_hash="0" * 16).differences(env)


def test_looking_at_a_recording_leaves_the_world_where_it_stood(recorded: Episode) -> None:
    env = world()
    env.reset(np.array([5]))
    before = env.get_state()
    assert past_of(recorded, model_hash="0" * 16).differences(env) == ""
    assert env.get_state().tobytes() == before.tobytes()
