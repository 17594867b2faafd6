"""States of outside environments: found, recorded, and proven exact or not; made-up environments for the corners."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box

from robo_rlhf.core.errors import EnvironmentFaultError
from robo_rlhf.core.types import Array
from robo_rlhf.episodes.access import access_of
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external import proof
from robo_rlhf.sim.external.ids import find, scene_name
from robo_rlhf.sim.external.physics import physics_of
from robo_rlhf.sim.external.proof import Proof, about, proof_of, proof_path, prove, provenance_of
from robo_rlhf.sim.external.replay import replay_frames
from robo_rlhf.sim.external.scene import outside_scene
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.external.versions import is_installed, listed, versions_of
from robo_rlhf.sim.rendering.pool import RenderRequest
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.worker import RenderContexts

PENDULUM = """<mujoco><worldbody><site name="mark" pos="0 0 1"/><body name="arm" pos="0 0 1">
<joint name="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.05" mass="1"/></body></worldbody>
<actuator><motor joint="hinge" ctrlrange="-1 1"/></actuator></mujoco>"""


class Swing(gymnasium.Env[Array, Array]):
    """A pendulum; its simulation is found under a method of its own."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(-1, 1, (1,), np.float64)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.sim = mujoco.MjModel.from_xml_string(PENDULUM)
        self.now = mujoco.MjData(self.sim)

    def mujoco_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        return self.sim, self.now

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.sim, self.now)
        self.now.qpos[0] = self.np_random.uniform(-1, 1)
        mujoco.mj_forward(self.sim, self.now)
        return self.observe(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self.now.ctrl[:] = self.push(action)
        for _ in range(10):
            mujoco.mj_step(self.sim, self.now)
        return self.observe(), 0.0, False, False, {}

    def push(self, action: Array) -> Array:
        return action

    def observe(self) -> Array:
        return np.array([self.now.qpos[0], self.now.qvel[0]])

    def render(self) -> Any:
        return np.zeros((4, 6, 3), np.uint8)


class Lagging(Swing):
    """Applies the action before: a state that its simulation does not hold."""

    before: Array = np.zeros(1)

    def reset(self, **options: Any) -> tuple[Array, dict[str, Any]]:
        self.before = np.zeros(1)
        return super().reset(**options)

    def push(self, action: Array) -> Array:
        pushed, self.before = self.before, action
        return pushed


class Drifting(Swing):
    """Depends on how often it was ever started: nothing enters a frame of it."""

    starts = 0

    def reset(self, **options: Any) -> tuple[Array, dict[str, Any]]:
        Drifting.starts += 1
        return super().reset(**options)

    def push(self, action: Array) -> Array:
        return action * (1 + 0.01 * Drifting.starts)


class Remade(Swing):
    """Changes its model in every reset."""

    def reset(self, **options: Any) -> tuple[Array, dict[str, Any]]:
        found = super().reset(**options)
        self.sim.site_pos[0, 0] = self.np_random.uniform()
        return found


class Marking(Swing):
    """Moves a marker in its model when it renders."""

    def render(self) -> Any:
        self.sim.site_pos[0, 0] += 0.1
        return super().render()


class Forwarding(Swing):
    """Computes what follows from the state when it renders, from which its next step goes on."""

    def push(self, action: Array) -> Array:
        tip = float(self.now.geom_xpos[0, 0])  # of before the last integration, unless it was rendered
        return action * (1 + tip)

    def render(self) -> Any:
        mujoco.mj_forward(self.sim, self.now)
        return super().render()


class Raising(Swing):
    def step(self, action: Array) -> Any:
        raise ValueError("no torque")


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    for made in (Swing, Lagging, Drifting, Remade, Marking, Forwarding, Raising):
        gymnasium.register(f"Proof{made.__name__}-v0", entry_point=f"{__name__}:{made.__name__}", max_episode_steps=60)


def proven(name: str) -> Proof:
    return prove(find(f"Proof{name}-v0"))


def test_a_simulation_is_all_of_the_state() -> None:
    swing = proven("Swing")
    assert (swing.enter, swing.drawn) == ("state", True)
    assert swing.state_deviation == swing.replay_deviation == 0.0
    assert swing.state_size > 0
    assert "entered by its state: 10 of 10 frames exact" in swing.sentence("Swing")


def test_what_python_objects_hold_is_measured_and_replayed() -> None:
    lagging = proven("Lagging")
    assert lagging.enter == "replay"
    assert lagging.state_deviation is not None
    assert lagging.state_deviation > 1e-3
    assert "steps after its states deviate by up to" in lagging.sentence("Lagging")


def test_what_cannot_be_entered_says_by_how_much() -> None:
    drifting = proven("Drifting")
    assert drifting.enter is None
    assert drifting.replay_deviation is not None
    assert drifting.replay_deviation > 1e-4
    assert drifting.sentence("D").startswith("No frame of D can be entered: steps after its states deviate by up to ")


def test_a_model_that_rendering_changes_is_not_drawn_from_states() -> None:
    assert not proven("Marking").drawn
    assert provenance_of(find("ProofMarking-v0"))["show"] == "replay"


@pytest.mark.parametrize("copies", [True, False], ids=["mj_copyData", "before MuJoCo had it"])
def test_a_replay_that_is_drawn_leads_where_one_leads_that_is_not(
    copies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not copies:
        monkeypatch.delattr("mujoco.mj_copyData")
    env = ExternalVecEnv("ProofForwarding-v0", 1)
    (episode,) = rollout(env, Wave(1), np.array([3]), steps=20)
    env.close()
    assert replay_frames(episode, range(21)).deviation == 0.0


def test_a_model_of_the_seed_is_drawn_and_entered_with_it() -> None:
    remade = proven("Remade")
    assert (remade.enter, remade.drawn, remade.seeded) == ("state", True, True)
    assert provenance_of(find("ProofRemade-v0"))["model"] == "seed"
    marks = [outside_scene(scene_name("ProofRemade-v0", seed))[0].site_pos[0, 0] for seed in (5, 6, 5)]
    assert marks[0] == marks[2] != marks[1]
    contexts = RenderContexts()
    state = outside_scene("ProofRemade-v0")[1][None]
    drawn = [contexts.draw(request_of(scene_name("ProofRemade-v0", seed), state)) for seed in (5, 6, 5)]
    assert np.array_equal(drawn[0], drawn[2])  # in one context
    assert not np.array_equal(drawn[0], drawn[1])
    contexts.close()
    with FrameRenderer(load_model("ProofRemade-v0#6"), 160, 120) as fresh:
        assert np.array_equal(drawn[1], fresh.frames(state))
    env = ExternalVecEnv("ProofRemade-v0", 1)
    (episode,) = rollout(env, Wave(1), np.array([5]), steps=4)
    assert access_of(episode).scene == "ProofRemade-v0#5"
    obs = env.enter(np.array([5]), episode.state[2][None], episode.obs[2][None])
    assert np.array_equal(obs[0], episode.obs[2])
    assert np.array_equal(env.step(episode.action[2][None]).obs[0], episode.obs[3])
    assert env.copies[0].unwrapped.sim.site_pos[0, 0] == marks[0]  # type: ignore[attr-defined]


def request_of(model: str, states: Array) -> RenderRequest:
    return RenderRequest("frames", model, states, ("front",), 160, 120, "fast")


def test_without_mujoco_there_is_a_replay_alone() -> None:
    pendulum = prove(find("Pendulum-v1"))
    assert (pendulum.enter, pendulum.drawn, pendulum.state_size) == ("replay", False, 0)
    assert "it has no MuJoCo states" in pendulum.sentence("Pendulum-v1")
    assert physics_of(gymnasium.make("Pendulum-v1")) is None


def test_a_slow_environment_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "BUDGET", 0.0)
    found = proven("Swing")
    assert (found.enter, found.replay_deviation) == (None, None)
    assert "could not be measured within 0 s" in found.sentence("Swing")


def test_a_processor_that_others_use_costs_no_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = itertools.count()
    monkeypatch.setattr(proof, "SCHEDULED", tmp_path / "schedstat")
    monkeypatch.setattr(proof, "time", SimpleNamespace(monotonic=lambda: waited(next(clock))))

    def waited(seconds: int) -> int:
        """Have the thread wait all of the time that has passed, once `busy`."""
        (tmp_path / "schedstat").write_text(f"1 {seconds * 10**9 if busy else 0} 1")
        return seconds

    busy = True
    assert proven("Swing").measured
    busy = False
    assert not proven("Swing").measured


def test_one_that_was_given_up_is_tried_again_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = find("ProofSwing-v0")
    with monkeypatch.context() as patched:
        patched.setattr(proof, "BUDGET", 0.0)
        assert not proof_of(recipe).measured
    assert not proof_of(recipe).measured
    assert proof_of(recipe, again=True).measured
    assert proof_of(recipe).measured


def test_an_environment_that_raises_is_named() -> None:
    with pytest.raises(EnvironmentFaultError, match=r"ProofRaising-v0 raised ValueError in the proof .*no torque"):
        proven("Raising")


def test_a_proof_is_kept_by_environment_arguments_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = find("ProofDrifting-v0")
    path = proof_path(recipe)
    assert not path.exists()
    made = proof_of(recipe)
    assert path.exists()
    monkeypatch.setattr(proof, "prove", lambda _: pytest.fail("it is proven already"))
    assert proof_of(recipe) == made
    assert proof_path(find("ProofDrifting-v0@7")) == path, "the length of an episode changes nothing"
    assert proof_path(find("ProofSwing-v0")) != path
    assert proof_path(recipe._replace(arguments={"mass": 2})) != path
    assert set(about(recipe)["versions"]) >= {"mujoco", "gymnasium", "platform", "processor"}
    path.write_text("{")
    monkeypatch.setattr(proof, "prove", lambda _: made)
    assert proof_of(recipe) == made


def test_versions_tell_whether_a_proof_holds_here() -> None:
    here = listed(versions_of(find("Pusher-v5").spec))
    assert f"mujoco {mujoco.__version__}" in here
    assert is_installed(here)
    assert not is_installed(here.replace(mujoco.__version__, "3.0.0"))
    assert not is_installed("")
    assert not is_installed("nothing-like-this 1.0")


class Wave:
    def __init__(self, act_dim: int = 7) -> None:
        self.act_dim = act_dim

    def reset(self, num_envs: int) -> None:
        self.rng = np.random.default_rng(0)

    def act(self, obs: Array) -> Array:
        return self.rng.uniform(-1, 1, (len(obs), self.act_dim)).astype(np.float32)


@pytest.mark.parametrize("workers", [0, 1])
def test_states_are_recorded_each_step_and_lead_where_they_led(workers: int, tmp_path: Path) -> None:
    env = ExternalVecEnv("Pusher-v5", 3, workers=workers)
    episodes = rollout(env, Wave(), np.arange(3), steps=30)
    env.close()
    assert episodes[0].meta.model_hash == env.model_hash != ""
    assert episodes[0].meta.versions["enter"] == episodes[0].meta.versions["show"] == "state"
    inner = gymnasium.make("Pusher-v5")
    inner.reset(seed=77)
    for episode in episodes:
        physics = physics_of(inner)
        assert physics is not None
        assert episode.state.shape == (31, physics.size)
        physics.enter(episode.state[10])
        for t in range(10, 30):
            obs = inner.step(2 * episode.action[t].astype(np.float64))[0]
            physics.read(state := np.zeros(physics.size))
            assert np.array_equal(state, episode.state[t + 1])
            assert np.array_equal(obs.astype(np.float32), episode.obs[t + 1])
