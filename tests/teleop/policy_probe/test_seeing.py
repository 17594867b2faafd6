"""Policies with cameras in the probe and in a session: they look at the frame that is asked about."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Observation
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.conditioned_env import ConditionedEnv
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.sight import Sight
from teleop.policy_probe.messages import (
    ActionQuery,
    ActionResult,
    FrameRef,
    Request,
    Result,
    RolloutQuery,
    RolloutResult,
)
from teleop.policy_probe.probe import PolicyProbe
from teleop.session.branch import read_episode
from teleop.session.commands import _load_policy
from teleop.worlds.opening import conditions_of

NAME, SIGHT = "runs/seen/checkpoints/policy.safetensors", Sight(("front",), 16)
FLOW = {"width": 8, "chunk": 4, "execution_horizon": 2, "noise": 0.0, "history": 2}


@pytest.fixture(scope="module")
def seen_home(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with a demonstration of reach, and an untrained flow with one camera and a history of two."""
    home = tmp_path_factory.mktemp("seen") / "home"
    shown = next(iter(Dataset(reach_home / "samples" / "reach").load_all()))
    Dataset(home / "samples" / "reach", create=True).add(shown)
    size = shown.obs.shape[1], shown.action.shape[1]
    with seeded(0):
        policy = VisualPolicy(*size, settings=FLOW, cameras=["front"], size=16, columns=[0, 1, 2])
    save_policy(policy, home / NAME, {"task": "reach"})
    return home


def answer(home: Path, request: Request) -> Result:
    thinking = PolicyProbe(home).answer(request)
    while True:
        try:
            next(thinking)
        except StopIteration as end:
            found: Result = end.value
            return found


def test_what_if_rollouts_look_at_the_world_that_moves(seen_home: Path) -> None:
    episode = next(iter(Dataset(seen_home / "samples" / "reach").load_all()))
    at = FrameRef("samples/reach", episode.meta.id, 0)
    found = answer(seen_home, RolloutQuery(at, NAME, seconds=0.5))
    assert isinstance(found, RolloutResult)
    env, policy = TaskEnv(TASKS["reach"](), 1, nthread=1), load_policy(seen_home / NAME)
    obs = env.set_state(episode.state[:1])
    policy.look_at(env)
    policy.reset(1)
    states = [env.get_state()[0]]
    for _ in range(10):
        obs = env.step(policy.act(obs)).obs
        states.append(env.get_state()[0])
    np.testing.assert_allclose(np.asarray(found.states), np.stack(states), atol=1e-9)


def test_the_probe_shows_it_the_frame_and_those_before(seen_home: Path) -> None:
    episode = next(iter(Dataset(seen_home / "samples" / "reach").load_all()))
    found = answer(seen_home, ActionQuery(FrameRef("samples/reach", episode.meta.id, 6), NAME))
    assert isinstance(found, ActionResult)
    policy, drawer = load_policy(seen_home / NAME), Drawer("reach", SIGHT)
    assert isinstance(policy, VisualPolicy)
    pictures = drawer.draw(episode.state[5:7])["front"]
    drawer.close()
    policy.reset(1)
    before, now = (Observation(episode.obs[k][None], {"front": pictures[k - 5][None]}) for k in (5, 6))
    policy.inner.remember(policy.encoded(before))  # type: ignore[operator]
    np.testing.assert_allclose(found.actions[0], policy.act(now)[0], atol=1e-5)
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(found.seen, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert found.cameras == ("front",)
    assert np.array_equal(shown, pictures[1])


def test_a_session_lets_it_drive(seen_home: Path) -> None:
    env = TaskEnv(TASKS["reach"](), 1, nthread=1)
    obs = env.reset(np.array([3]))
    policy = _load_policy(seen_home / NAME, env)
    action = policy.act(obs)
    assert action.shape == (1, env.act_dim)
    assert np.isfinite(action).all()


def test_an_episode_under_conditions_goes_on_under_them(seen_home: Path) -> None:
    """What is recorded of an episode's own policy is what the probe foresees from any of its frames."""
    conditions = Conditions(0.2, 1, 2, 0.0, 0.8)
    env = ConditionedEnv(TaskEnv(TASKS["reach"](), 1, nthread=1), conditions)
    policy = load_policy(seen_home / NAME)
    policy.look_at(env)
    policy.seed(0)
    (episode,) = rollout(env, policy, np.array([4]), steps=16)
    late = replace(episode, meta=replace(episode.meta, id="late"))
    Dataset(seen_home / "late", create=True, task="reach").add(late)
    found = answer(seen_home, RolloutQuery(FrameRef("late", "late", 0), NAME, seconds=0.8))
    assert isinstance(found, RolloutResult)
    assert np.array_equal(np.asarray(found.states), episode.state)
    world = PolicyProbe(seen_home).kept.world(read_episode(seen_home, "late", "late"), 2, "predict")
    assert conditions_of(world) == conditions
