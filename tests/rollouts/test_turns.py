"""Batches of episodes as a cluster plays them, sent and brought back without one: the bits are those of here."""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields

import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Episode, Policy, VecEnv
from robo_rlhf.executor import cluster
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.masked import MaskedPolicy
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.rollouts.turns import random_states
from robo_rlhf.sim.envs.conditioned_env import under
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.envs.partial_observation import ObservationMask, mask_observations
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training_tools.experience import collect

SEEDS = np.arange(5)
OBS, ACT = (make_env("reach").obs_dim, make_env("reach").act_dim)


class Node:
    """A cluster that does each call when its result is asked for, the newest first."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self, function: str, given: bytes) -> Callable[[], bytes]:
        self.calls.append(function)
        module, _, name = function.partition(":")

        def call() -> bytes:
            with cluster.alone():
                found: bytes = getattr(importlib.import_module(module), name)(given)
            return found

        return call

    def result(self, call: Callable[[], bytes]) -> bytes:
        return call()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(cluster, "_joined", [made])
    return made


def flow(noise: float) -> FlowPolicy:
    with seeded(0):
        return FlowPolicy(OBS, ACT, width=16, chunk=4, noise=noise)


def gaussian() -> GaussianPolicy:
    with seeded(2):
        return GaussianPolicy(OBS, ACT, width=16)


def residual() -> ResidualPolicy:
    with seeded(1):
        return ResidualPolicy(OBS, ACT, width=16, base_kind="flow", base_settings={"width": 16, "noise": 0.5})


POLICIES: dict[str, Callable[[], Policy]] = {
    "gaussian": gaussian,
    "a flow from the mean": lambda: flow(0.0),
    "a flow from noise": lambda: flow(1.0),
    "one that explores": lambda: ExploringPolicy(gaussian(), 3),
    "a mask": lambda: MaskedPolicy(flow(1.0), ObservationMask(make_env("reach").task.obs_names, 2)),  # type: ignore[attr-defined]
}
WORLDS: dict[str, Callable[[], VecEnv]] = {
    "as it is": lambda: make_env("reach", 2),
    "late": lambda: under(make_env("reach", 2), Conditions(delay_frames=1, sensor_noise=0.01)),
    "masked": lambda: mask_observations(make_env("reach", 2), 1),
}


def assert_same(found: list[Episode], expected: list[Episode]) -> None:
    assert [one.meta for one in found] == [one.meta for one in expected]
    for one, other in zip(found, expected, strict=True):
        for field in fields(Episode):
            if isinstance(getattr(one, field.name), np.ndarray):
                np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def in_three_turns(world: str, policy: Policy, **options: object) -> tuple[list[Episode], list[int]]:
    told: list[int] = []
    meta = lambda seed: {"id": f"x-{seed}", "versions": {"robo_rlhf": "1"}}  # noqa: E731
    episodes = rollout(
        WORLDS[world](),
        policy,
        SEEDS,
        meta=meta,
        on_ended=lambda ended: told.extend(one.meta.seed for one in ended),
        **options,  # type: ignore[arg-type]
    )
    return episodes, told


@pytest.mark.parametrize("name", POLICIES)
def test_episodes_played_elsewhere_are_those_played_here(name: str, node: Node) -> None:
    with cluster.alone():
        here = POLICIES[name]()
        expected, _ = in_three_turns("as it is", here)
    policy = POLICIES[name]()
    found, told = in_three_turns("as it is", policy)
    assert len(node.calls) == 3
    assert_same(found, expected)
    assert told == SEEDS.tolist()
    again = in_three_turns("as it is", policy)[0]
    with cluster.alone():
        assert_same(again, in_three_turns("as it is", here)[0])  # random numbers go on as they would have here


@pytest.mark.parametrize("world", ["late", "masked"])
def test_the_world_is_the_same_there(world: str, node: Node) -> None:
    with cluster.alone():
        expected, _ = in_three_turns(world, flow(0.0), record_state=False)
    assert_same(in_three_turns(world, flow(0.0), record_state=False)[0], expected)
    assert len(node.calls) == 3


def test_code_is_sent_where_it_draws_anew_for_each_batch(node: Node) -> None:
    def noisy() -> BuiltInPolicy:
        return BuiltInPolicy("random", ACT, 0.1, seed=4)

    with cluster.alone():
        expected, _ = in_three_turns("as it is", noisy(), seed_turns=True)
    assert_same(in_three_turns("as it is", noisy(), seed_turns=True)[0], expected)
    assert len(node.calls) == 3
    in_three_turns("as it is", noisy())
    assert len(node.calls) == 3, "else it is run here"


def test_experience_collected_elsewhere_is_that_of_this_process(node: Node) -> None:
    def gathered() -> tuple[list[Array], list[float], object]:
        actor, rng, rewards = residual(), np.random.default_rng(5), list[float]()
        env = make_env("reach", 2)
        found = collect(env, actor, actor.draw, rng, "there", lambda t, step: rewards.append(float(step.reward.sum())))
        arrays = [found.obs, found.features.numpy(), found.sampled, found.applied, found.active]
        return arrays, rewards, (rng.integers(2**31), random_states(actor))

    with cluster.alone():
        expected = gathered()
    found = gathered()
    assert node.calls == ["robo_rlhf.training_tools.experience:collect_there"]
    for mine, theirs in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert found[1:] == expected[1:]


@pytest.mark.slow
def test_what_cameras_see_is_drawn_where_the_episode_is_played(node: Node) -> None:
    def seeing() -> VisualPolicy:
        with seeded(3):
            return VisualPolicy(OBS, ACT, policy="gaussian", settings={"width": 16}, cameras=("front",), size=32)

    found = {}
    for where in ("here", "there"):
        env, policy = make_env("reach", 2), seeing()
        policy.look_at(env)
        with cluster.alone() if where == "here" else nullcontext():
            found[where] = rollout(env, policy, SEEDS[:2])
    assert len(node.calls) == 1
    assert_same(found["there"], found["here"])
