"""People drive outside environments: the same session, entered by state or by a replay."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Source
from robo_rlhf.episodes.access import access_of
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from teleop.ipc.messages import Scene, Tick
from teleop.session import loop
from teleop.worlds.remembered_controls import controls_path
from tests.guesting import at_home
from tests.teleop.playing import Seat

XML = """<mujoco><option timestep="0.01"/><worldbody><light pos="0 0 3"/><body>
<joint name="rail" type="slide" axis="1 0 0" damping="1"/><geom type="box" size=".1 .1 .05"/></body></worldbody>
<actuator><motor name="push" joint="rail" gear="30" ctrlrange="-1 1"/></actuator></mujoco>"""


class Cart(gymnasium.Env[Any, Any]):
    """A cart on a rail: `hidden`, something is beside its states; ends past 1 m; after step 150 it `breaks`."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = Box(-99, 99, (2,), np.float64)
    action_space = Box(-1, 1, (1,), np.float64)

    def __init__(self, render_mode: str | None = None, hidden: bool = False, breaks: bool = False) -> None:
        self.render_mode, self.hidden, self.breaks = render_mode, hidden, breaks
        self.model = mujoco.MjModel.from_xml_string(XML)
        self.data = mujoco.MjData(self.model)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[0] = self.np_random.uniform(-0.5, 0.5)
        self.steps = 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.breaks and self.steps > 150:
            raise RuntimeError("the belt has come off")
        self.data.ctrl[:] = action * (1 + 0.1 * (self.steps % 3 if self.hidden else 0))
        mujoco.mj_step(self.model, self.data, nstep=5)
        return self._seen(), 0.0, abs(self.data.qpos[0]) > 1, False, {"success": abs(self.data.qpos[0]) < 0.05}

    def render(self) -> Any:
        return np.full((48, 64, 3), 10 + self.steps, np.uint8)

    def _seen(self) -> Any:
        return np.array([self.data.qpos[0], self.data.qvel[0]])


class Counter(gymnasium.Env[Any, Any]):
    """Counts up or down; not MuJoCo, and its picture shows the count."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = Box(-99, 99, (1,), np.float64)
    action_space = Discrete(2)

    def __init__(self, render_mode: str | None = None, trouble: str = "") -> None:
        self.render_mode, self.trouble, self.pictures = render_mode, trouble, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        if self.trouble == "start" and seed == 5:
            raise OSError("the drawer is stuck")
        self.count = int(self.np_random.integers(10))
        return np.array([float(self.count)]), {}

    def step(self, action: Any) -> Any:
        self.count += 1 if action else -1
        return np.array([float(self.count)]), 0.0, self.trouble == "ends", False, {}

    def close(self) -> None:
        if self.trouble == "start":
            raise OSError("the drawer is stuck")

    def render(self) -> Any:
        self.pictures += 1
        if self.pictures > 4 and self.trouble == "dark":
            return None
        if self.pictures > 4 and self.trouble == "raises":
            raise OSError("the lens is gone")
        return np.full((48, 64, 3), 100 + 2 * self.count, np.uint8)


gymnasium.register("DrivenCart-v0", entry_point=Cart, max_episode_steps=200)
gymnasium.register("DrivenCounter-v0", entry_point=Counter, max_episode_steps=200)


@pytest.fixture(autouse=True)
def proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["DrivenCart-v0", "DrivenCart-v0+hidden=true", "DrivenCounter-v0"])
def test_driven_rewound_and_continued_an_episode_is_one_that_a_replay_leads_to(home: Path, name: str) -> None:
    with Seat(home, name, dataset="driven") as seat:
        seat.let_go()
        seat.move(8, 1.0)
        seat.must("pause")
        seat.must("seek", 4)
        assert (seat.status.phase, seat.status.frame, seat.status.frames) == ("paused", 4, 9)
        seat.let_go()
        seat.move(5, -1.0)  # branches at frame 4
        seat.must("keep")
        seat.settle()
        kept = [seat.dataset.load(one) for one in seat.dataset.ids()]
        long = next(episode for episode in kept if episode.meta.parent)
        assert long.source.tolist() == [Source.HUMAN] * len(long)
        assert long.meta.parent_step == 4 < len(long)
        env = ExternalVecEnv(name, 1)
        again = _Again(long.action)
        (episode,) = rollout(env, again, np.array([long.meta.seed]), steps=len(long))
        env.close()
        assert episode.obs.tobytes() == long.obs.tobytes()
        assert episode.state.tobytes() == long.state.tobytes()
        assert access_of(long).enter == ("state" if name == "DrivenCart-v0" else "replay")


class _Again:
    def __init__(self, actions: Any) -> None:
        self.actions, self.t = actions, 0

    def reset(self, num_envs: int) -> None:
        self.t = 0

    def act(self, obs: Any) -> Any:
        self.t += 1
        return self.actions[[self.t - 1]]


def test_a_kept_episode_is_opened_again_at_a_frame_and_corrected(home: Path) -> None:
    name = "DrivenCart-v0+hidden=true"
    with Seat(home, name, dataset="driven") as seat:
        seat.let_go()
        seat.move(8, 1.0)
        seat.must("keep")
        seat.settle()
        (first,) = seat.dataset.ids()
        seat.must("open", ["driven", first, 3, "takeover"])
        seat.let_go()
        seat.move(4, -1.0)
        seat.must("keep")
        seat.settle()
        corrected = next(e for e in map(seat.dataset.load, seat.dataset.ids()) if e.meta.parent == first)
        more = len(corrected) - 3
        assert more > 2
        assert corrected.source.tolist()[3:] == [Source.CORRECTION] * more
        assert corrected.action[:, 0].tolist() == [1.0] * 3 + [-1.0] * more


def test_the_end_of_the_environment_pauses_and_nothing_is_lost(home: Path) -> None:
    with Seat(home, "DrivenCart-v0", dataset="driven") as seat:
        seat.let_go()
        seat.move(60, 1.0)
        assert seat.status.phase == "paused"
        assert "The environment ended the episode here" in seat.notices()[-1]
        steps = seat.status.frames
        seat.let_go()
        seat.move(3, 1.0)
        assert (seat.status.phase, seat.status.frames) == ("paused", steps)
        seat.must("keep")
        seat.settle()
        assert len(seat.only()) == steps - 1


def test_an_environment_that_raises_pauses_with_its_words_and_goes_on_after_a_rewind(home: Path) -> None:
    with Seat(home, "DrivenCart-v0+breaks=true", dataset="driven") as seat:
        seat.let_go()
        seat.move(160, 0.0, takeover=True)
        assert (seat.status.phase, seat.status.frames) == ("paused", 151)
        assert "the belt has come off" in seat.notices()[-1]
        seat.must("seek", 10)
        seat.let_go()
        seat.move(5, 0.2)
        assert seat.status.phase == "running"
        assert seat.status.frames > 11
        seat.must("keep")
        seat.settle()
        assert max(len(seat.dataset.load(one)) for one in seat.dataset.ids()) == 150


def test_its_own_pictures_are_shown_where_states_do_not_draw_it(home: Path) -> None:
    with Seat(home, "DrivenCounter-v0", dataset="driven") as seat:
        seat.let_go()
        first = seat.of(Tick)[-1]
        assert (first.scene, first.picture[:2]) == ("", b"\xff\xd8")
        seat.move(3, 0.0, twist=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
        seat.session.show()
        assert seat.of(Tick)[-1].picture != first.picture
        seat.must("pause")
        seat.must("seek", 0)
        seat.session.show()
        assert seat.of(Tick)[-1].picture == first.picture


@pytest.mark.parametrize(
    ("trouble", "said", "steps"),
    [
        ("dark", "gave a picture None, expected", 3),
        ("raises", "raised OSError in render (test_outside.py:", 3),
        ("ends", "The environment ended the episode here", 1),
    ],
)
def test_what_a_driven_environment_may_do_is_told_and_what_was_recorded_is_kept(
    home: Path, trouble: str, said: str, steps: int
) -> None:
    with Seat(home, f"DrivenCounter-v0+trouble={trouble}", dataset="driven") as seat:
        seat.let_go()
        seat.move(6, 0.0, twist=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
        assert seat.status.phase == "paused"
        assert said in seat.notices()[-1]
        seat.must("keep")
        seat.settle()
        assert len(seat.only()) >= steps


def test_an_episode_that_cannot_start_is_told_and_another_seed_works(home: Path) -> None:
    with Seat(home, "DrivenCounter-v0+trouble=start", dataset="driven") as seat:
        seat.move(2, 0.0, twist=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
        assert seat.status.phase == "ready"
        assert "raised OSError in reset (test_outside.py:" in seat.status.trouble
        assert seat.status.trouble.endswith("Another seed may work.")
        seat.must("seed", 6)
        seat.let_go()
        seat.move(3, 0.0, twist=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
        seat.must("keep")
        seat.settle()
        assert len(seat.only()) >= 3


def test_steps_that_take_seconds_are_told_once_and_recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=5.0)  # seconds that each look at it takes
    with Seat(home, "DrivenCart-v0", dataset="driven") as seat:
        seat.let_go()
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
            seat.move(4, 0.2)
        notices = [text for text in seat.notices() if "seen that late" in text]
        assert notices == [
            "A step of DrivenCart-v0 took 5.0 s, in place of 0.05 s. It goes on that slowly, and what you do is seen"
            " that late."
        ]
        seat.must("keep")
        seat.settle()
        assert len(seat.only()) >= 4


def test_controls_are_changed_remembered_and_refused_where_they_are_none(home: Path) -> None:
    name = "DrivenCart-v0"
    with Seat(home, name, dataset="driven") as seat:
        (usual,) = seat.of(Scene)[-1].controls
        assert (usual.column, usual.source, usual.kind) == ("push", "joint1", "rate")
        said = seat.ask("controls", json.dumps([{"column": "push", "source": "x", "sign": -1, "scale": 0.5}]))
        assert said.ok
        seat.let_go()
        seat.move(2, 1.0)
        assert seat.status.action == (-0.5,)
        refused = seat.ask("controls", json.dumps([{"column": "push", "source": "wing"}]))
        assert not refused.ok
        assert "'wing'" in refused.text
        seat.must("discard")
    with Seat(home, name, dataset="driven") as seat:
        assert seat.of(Scene)[-1].controls[0].sign == -1
        seat.must("controls")
        assert not controls_path(home, name).exists()


class Servo(Cart):
    """A cart that goes where it is told."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.model = mujoco.MjModel.from_xml_string(
            XML.replace('motor name="push" joint="rail" gear="30"', 'position name="push" joint="rail" kp="40"')
        )
        self.data = mujoco.MjData(self.model)


gymnasium.register("DrivenServo-v0", entry_point=Servo, max_episode_steps=200)


def test_a_leader_arm_says_where_joints_are_to_be(home: Path) -> None:
    with Seat(home, "DrivenServo-v0", dataset="driven") as seat:
        assert seat.of(Scene)[-1].controls[0].kind == "target"
        seat.let_go()
        for joint in (0.1, 0.2, 0.3):
            seat.move(1, 0.0, joints=[joint], takeover=True)
        assert seat.status.action == (0.3,)
        seat.move(2, 0.0, takeover=True)
        assert seat.status.action == (0.3,), "a position stays where it was moved to"


def test_a_leader_arm_is_refused_where_an_action_moves_the_hand(home: Path, tmp_path: Path) -> None:
    moves = "expected a task with columns that are positions of joints; reach has x, y, z, yaw, gripper"
    with at_home(tmp_path / "code", ["my_devices"]), pytest.raises(InvalidValueError, match=moves):
        Seat(home, "reach", device="my_devices:Leader")
    assert not list(home.rglob("*.parquet"))
