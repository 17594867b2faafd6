"""When each task counts as solved, and when it nearly is but does not."""

from collections.abc import Callable

import numpy as np
import pytest

from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.robots.arm import FINGERS
from robo_rlhf.sim.scenes import props
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.sim.tasks.carry_upright import CarryUpright
from tests.benchmarks.careless import Careless

Change = Callable[[BatchSim], None]
UPRIGHT = (1.0, 0.0, 0.0, 0.0)
ON_ITS_SIDE = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)


def solved(name: str, *changes: Change) -> bool:
    """Whether a fresh start counts as solved after `changes` to its state."""
    env = TaskEnv(TASKS[name](), 1)
    env.reset(np.array([0]))
    for change in changes:
        change(env.sim)
    env.sim.forward()
    return bool(env.task.success(env.sim)[0])


def put(body: str, at: str, offset: tuple[float, float, float], quat: tuple[float, ...] = UPRIGHT) -> Change:
    """Put a free body `offset` [m] from where body `at` is."""

    def change(sim: BatchSim) -> None:
        sim.forward()
        sim.qpos(body)[0] = *(sim.body_pos(at)[0] + offset), *quat

    return change


def grip(opening: float) -> Change:
    """Set the fingers `opening` [m] apart, told to press."""

    def change(sim: BatchSim) -> None:
        for finger in FINGERS:
            sim.qpos(finger)[0] = opening / 2
        _, _, columns = sim.joint_columns(FINGERS)
        sim.ctrl[0, columns] = opening / 2 - 0.005

    return change


def slide(value: float) -> Change:
    def change(sim: BatchSim) -> None:
        sim.qpos("drawer")[0] = value

    return change


def goal_at_hand(offset: tuple[float, float, float]) -> Change:
    def change(sim: BatchSim) -> None:
        sim.mocap_pos("goal")[0] = sim.site_pos("ee")[0] + offset

    return change


def rover_at_goal(offset: float) -> Change:
    def change(sim: BatchSim) -> None:
        sim.qpos("base_x")[0, 0] = sim.mocap_pos("goal")[0, 0] + offset
        sim.qpos("base_y")[0, 0] = sim.mocap_pos("goal")[0, 1]

    return change


cup, half_peg = props.CUP_HEIGHT / 2, (props.PEG_SHAFT + props.PEG_HEAD) / 2
SOLVED: dict[str, list[list[Change]]] = {
    "reach": [[goal_at_hand((0.0, 0.0, 0.015))]],
    "push": [[put("puck", "goal", (0.02, 0.02, 0.015))]],
    "lift": [[put("cube", "hand", (0.0, 0.0, -0.1034)), grip(0.04)]],
    "pick_place": [[put("cube", "bin", (0.03, 0.0, 0.025))], [put("cube", "bin", (0.0, -0.03, 0.03), ON_ITS_SIDE)]],
    "stack": [[put("cube", "base", (0.01, -0.01, 0.045))]],
    "drawer_open": [[slide(0.13)]],
    "peg_insert": [[put("peg", "board", (0.001, 0.0, half_peg + 0.01))]],
    "carry_upright": [[put("cup", "mat", (0.01, 0.0, cup))]],
    "navigate_room": [[rover_at_goal(0.15)]],
}
NOT_YET: dict[str, list[list[Change]]] = {
    "reach": [[goal_at_hand((0.0, 0.02, 0.02))]],
    "push": [[put("puck", "goal", (0.04, 0.0, 0.015))]],
    "lift": [
        [put("cube", "hand", (0.0, 0.0, -0.1034))],  # the fingers are open
        [put("cube", "hand", (0.0, 0.05, -0.1034)), grip(0.04)],
    ],
    "pick_place": [
        [put("cube", "bin", (0.0, 0.0, 0.08))],  # above the walls
        [put("cube", "bin", (0.08, 0.0, 0.025))],  # beside
        [put("cube", "hand", (0.0, 0.0, -0.1034)), grip(0.04)],
    ],
    "stack": [[put("cube", "base", (0.0, 0.03, 0.045))], [put("cube", "base", (0.0, 0.0, 0.06))]],
    "drawer_open": [[slide(0.11)]],
    "peg_insert": [
        [put("peg", "board", (0.0, 0.0, half_peg + 0.04))],  # only begun
        [put("peg", "board", (0.02, 0.0, half_peg + 0.01))],
    ],
    "carry_upright": [
        [put("cup", "mat", (0.04, 0.0, cup))],  # half off the mat
        [put("cup", "mat", (0.0, 0.0, 0.1))],  # in the air
        [put("cup", "mat", (0.0, 0.0, 0.03), ON_ITS_SIDE)],
        [put("cup", "mat", (0.0, 0.0, cup)), grip(2 * props.CUP_RADIUS)],  # not let go
        [put("cup", "mat", (0.0, 0.0, cup)), put("glass", "glass", (0.0, 0.0, -0.03), ON_ITS_SIDE)],
    ],
    "navigate_room": [[rover_at_goal(0.25)]],
}


def test_every_task_is_here() -> None:
    assert set(SOLVED) == set(NOT_YET) == set(TASKS)


@pytest.mark.parametrize(("name", "changes"), [(name, case) for name, cases in SOLVED.items() for case in cases])
def test_solved(name: str, changes: list[Change]) -> None:
    assert solved(name, *changes)


@pytest.mark.parametrize(("name", "changes"), [(name, case) for name, cases in NOT_YET.items() for case in cases])
def test_not_yet(name: str, changes: list[Change]) -> None:
    assert not solved(name)
    assert not solved(name, *changes)


def test_a_careless_operator_tilts_the_cup_and_passes_near_the_glass() -> None:
    shown = {}
    for task in (CarryUpright, Careless):
        env = TaskEnv(task(), 4)
        shown[task] = rollout(env, ScriptedOperator(env, PERFECT), np.arange(4), record_state=False)
        assert all(episode.success[-1] for episode in shown[task])
    careful, careless = (
        [(float(e.signals["tilt"].max()), float(e.signals["clearance"].min())) for e in episodes]
        for episodes in shown.values()
    )
    assert max(tilt for tilt, _ in careful) < 0.05 < 0.15 < min(tilt for tilt, _ in careless)
    assert sum(room for _, room in careless) < 0.9 * sum(room for _, room in careful)  # some ways never come near it
