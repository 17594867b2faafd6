"""The policy probe: actions, what-if rollouts and rewards, compared with the simulation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NotFoundError
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.sim.envs.partial_observation import ObservationMask
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from teleop.policy_probe.messages import (
    ActionQuery,
    ActionResult,
    CompareQuery,
    FrameRef,
    Request,
    Result,
    RewardQuery,
    RolloutQuery,
)
from teleop.policy_probe.probe import PolicyProbe
from tests.teleop.policy_probe.making import FLOW, PLAIN, REWARD, ask_home

DATASET = "samples/reach"


@pytest.fixture(scope="module")
def asked_home(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ask_home(reach_home, tmp_path_factory.mktemp("ask") / "home")


@pytest.fixture(scope="module")
def mind(asked_home: Path) -> PolicyProbe:
    return PolicyProbe(asked_home)


@pytest.fixture
def at(asked_home: Path) -> FrameRef:
    return FrameRef(DATASET, Dataset(asked_home / DATASET).ids()[0], 12)


def answer(mind: PolicyProbe, request: Request) -> Result:
    thinking = mind.answer(request)
    while True:
        try:
            next(thinking)
        except StopIteration as end:
            found: Result = end.value
            return found


def test_a_look_is_what_the_policy_does_in_that_state(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    seen = answer(mind, ActionQuery(at, PLAIN))
    assert isinstance(seen, ActionResult)
    episode = Dataset(asked_home / DATASET).load(at.episode)
    policy = load_policy(asked_home / PLAIN)
    policy.reset(1)
    np.testing.assert_allclose(seen.actions[0], policy.act(episode.obs[at.frame][None])[0], atol=1e-5)
    np.testing.assert_array_equal(seen.state, episode.state[at.frame])
    assert seen.recorded is not None
    np.testing.assert_array_equal(seen.recorded, episode.action[at.frame])
    np.testing.assert_allclose(seen.tool, episode.obs[at.frame][:3], atol=0.5)
    assert not seen.chance
    assert not seen.warning
    assert seen.names == ("x", "y", "z", "yaw", "gripper")


def test_a_policy_of_chance_gives_several_actions_and_the_same_ones_again(mind: PolicyProbe, at: FrameRef) -> None:
    first, again = (answer(mind, ActionQuery(at, FLOW)) for _ in range(2))
    assert isinstance(first, ActionResult)
    assert isinstance(again, ActionResult)
    assert first.chance
    assert np.ptp(first.reach, axis=0).max() > 1e-3
    np.testing.assert_array_equal(first.actions, again.actions)


def test_the_last_frame_has_no_recorded_action(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    last = len(Dataset(asked_home / DATASET).load(at.episode))
    seen = answer(mind, ActionQuery(replace(at, frame=last), PLAIN))
    assert isinstance(seen, ActionResult)
    assert seen.recorded is None


def test_a_future_is_the_world_stepped_by_the_policy(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    future = answer(mind, RolloutQuery(at, PLAIN, 1.0, REWARD))
    episode = Dataset(asked_home / DATASET).load(at.episode)
    env = TaskEnv(TASKS["reach"](), 1, nthread=1)
    obs, policy = env.set_state(episode.state[at.frame][None]), load_policy(asked_home / PLAIN)
    policy.reset(1)
    states, seen, actions = [env.get_state()[0]], [obs[0]], []
    for _ in range(20):
        step = env.step(policy.act(obs))
        obs = step.obs
        states.append(env.get_state()[0])
        seen.append(obs[0])
        actions.append(step.applied[0])
    np.testing.assert_array_equal(future.states, states)
    assert future.paths.shape == (1, 21, 3)
    assert future.success.shape == (1, 21)
    mean, spread = load_reward(asked_home / REWARD).predict(
        np.array(seen[:-1])[None], np.array(actions)[None], np.array(seen[1:])[None]
    )
    np.testing.assert_allclose(future.worth.mean, mean[0], atol=1e-5)
    np.testing.assert_allclose(future.worth.spread, spread[0], atol=1e-5)


def test_chance_makes_several_futures_that_begin_alike(mind: PolicyProbe, at: FrameRef) -> None:
    future = answer(mind, RolloutQuery(at, FLOW, 1.0, samples=4))
    assert future.paths.shape == (4, 21, 3)
    np.testing.assert_allclose(future.paths[:, 0], future.paths[:1, 0].repeat(4, axis=0))
    assert np.ptp(future.paths[:, -1], axis=0).max() > 1e-3
    assert future.worth is None


def test_a_reward_along_an_episode(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    judged = answer(mind, RewardQuery(at.dataset, at.episode, REWARD))
    episode = Dataset(asked_home / DATASET).load(at.episode)
    mean, spread = load_reward(asked_home / REWARD).predict(episode.obs[:-1], episode.action, episode.obs[1:])
    np.testing.assert_allclose(judged.worth.mean, mean, atol=1e-5)
    np.testing.assert_allclose(judged.worth.spread, spread, atol=1e-5)


def test_continuations_are_recorded_once_and_whole(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    asked = CompareQuery(at, (PLAIN, FLOW), 1.0, "comparisons/reach", "ada")
    first, again = answer(mind, asked), answer(mind, replace(asked, person="ben"))
    assert first == again
    dataset = Dataset(asked_home / "comparisons/reach")
    assert set(dataset.ids()) == set(first.episodes)
    parent = Dataset(asked_home / DATASET).load(at.episode)
    for name, made in zip((PLAIN, FLOW), first.episodes, strict=True):
        episode = dataset.load(made)
        assert len(episode) == at.frame + 20
        assert (episode.meta.parent, episode.meta.parent_step) == (at.episode, at.frame)
        np.testing.assert_array_equal(episode.state[: at.frame + 1], parent.state[: at.frame + 1])
        assert (episode.source[at.frame :] == Source.POLICY).all()
        assert episode.meta.operator == name
        assert "ada" in episode.meta.note
        assert name not in made
        assert "flow" not in made
    assert not np.array_equal(dataset.load(first.episodes[0]).state, dataset.load(first.episodes[1]).state)


def test_a_broken_continuation_is_made_anew(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    asked = CompareQuery(replace(at, frame=3), (PLAIN, FLOW), 0.5, "comparisons/broken", "ada")
    made = answer(mind, asked).episodes[0]
    dataset = Dataset(asked_home / "comparisons/broken")
    cut = dataset.load(made).slice(0, 5)
    dataset.delete(made)
    dataset.add(cut)
    assert answer(mind, asked).episodes[0] == made
    assert len(dataset.load(made)) == 13


def test_what_cannot_be_asked_is_said_in_words(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    with pytest.raises(InvalidValueError, match="frame of episode"):
        answer(mind, ActionQuery(replace(at, frame=999), PLAIN))
    with pytest.raises(NotFoundError, match="must lie in the data home"):
        answer(mind, ActionQuery(at, "../elsewhere.safetensors"))
    with pytest.raises(NotFoundError, match="checkpoint"):
        answer(mind, ActionQuery(at, "runs/none/checkpoints/policy.safetensors"))
    with pytest.raises(NotFoundError):
        answer(mind, ActionQuery(replace(at, episode="none"), PLAIN))
    with pytest.raises(CheckpointMismatchError, match="a policy"):
        answer(mind, ActionQuery(at, REWARD))
    save_policy(load_policy(asked_home / PLAIN), asked_home / "runs/other.safetensors", {"task": "push"})
    with pytest.raises(CheckpointMismatchError, match="push"):
        answer(mind, ActionQuery(at, "runs/other.safetensors"))
    with pytest.raises(InvalidValueError, match="two different ones"):
        CompareQuery(at, (PLAIN, PLAIN), 1.0, "comparisons/reach", "ada")
    with pytest.raises(InvalidValueError, match="seconds of the future"):
        RolloutQuery(at, PLAIN, 60.0)


def test_a_policy_that_was_trained_on_is_read_again(mind: PolicyProbe, asked_home: Path, at: FrameRef) -> None:
    name = "runs/grows/checkpoints/policy.safetensors"
    policy = load_policy(asked_home / FLOW)
    save_policy(policy, asked_home / name, {"task": "reach"})
    before = answer(mind, ActionQuery(at, name))
    policy.net[-1].bias.data.add_(0.5)
    save_policy(policy, asked_home / name, {"task": "reach"})
    after = answer(mind, ActionQuery(at, name))
    assert not np.allclose(before.actions, after.actions)


@pytest.mark.parametrize("frame", [0, 2, 12])
def test_a_policy_that_learned_behind_a_veil_is_shown_what_it_then_saw(
    mind: PolicyProbe, asked_home: Path, at: FrameRef, frame: int
) -> None:
    name = "runs/veiled/checkpoints/policy.safetensors"
    policy = load_policy(asked_home / FLOW)
    save_policy(policy, asked_home / name, {"task": "reach", "mask_delay": 3})
    seen, bare = (answer(mind, ActionQuery(replace(at, frame=frame), one)) for one in (name, FLOW))
    whole = Dataset(asked_home / DATASET).load(at.episode)
    shown = (
        ObservationMask(TASKS["reach"].obs_names, 3)
        .apply_to_episode(whole)
        .obs[: frame + 1]
        .repeat(len(seen.actions), axis=0)
    )
    shown = shown.reshape(frame + 1, len(seen.actions), -1)
    policy.seed(0)
    policy.reset(len(seen.actions))
    for obs in shown[max(frame - 1, 0) : frame]:
        policy.remember(obs)  # type: ignore[operator]
    np.testing.assert_allclose(seen.actions, policy.act(shown[frame]), atol=1e-5)
    assert np.allclose(seen.actions, bare.actions, atol=1e-3) == (frame == 0)  # nothing has moved there
    assert not answer(mind, RolloutQuery(replace(at, frame=frame), name, 0.5)).broken
