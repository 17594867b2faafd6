"""The contract of robots."""

from collections.abc import Callable
from functools import cached_property

import mujoco
import numpy as np

from robo_rlhf.contracts.clauses import Contract, require, require_same
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.robot import Robot, open_arm
from robo_rlhf.sim.robot_tools.arm import Arm
from robo_rlhf.sim.robots import ROBOTS
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.tasks import TASKS

NUM = 8  # copies
WIDTH = 0.066  # [m] of the widest thing that a task has it grasp, with room
CAMERAS = ("front", "side", "top", "wrist")
INTEGRATION = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class RobotTrial:
    """A robot on trial."""

    def __init__(self, kind: type[Robot]) -> None:
        """Nothing is made yet."""
        self.kind = kind

    @cached_property
    def arm(self) -> Arm:
        """Its arm, with what is found in the model."""
        return open_arm(self.kind.name)

    def env(self, task: str, copies: int) -> TaskEnv:
        """Return a fresh environment of a task with the robot."""
        return TaskEnv(TASKS[f"{task}@{self.kind.name}"](), copies)


def has_a_model_in_which_all_is_found(trial: RobotTrial) -> None:
    """Its model is an arm with a gripper whose hand gets to the middle of the table."""
    require(trial.arm.joints, "it has no joints", trial.kind.model)


def follows_its_commands(trial: RobotTrial) -> None:
    """The hand gets within 5 mm of places all over the table, points down, and its fingers close along its y axis."""
    env, arm, copies = trial.env("reach", 32), trial.arm, 32
    task = env.task
    assert isinstance(task, ArmTask)
    env.reset(np.arange(copies))
    late = float(np.abs(env.sim.mocap_pos("target") - env.sim.site_pos("ee")).max())
    require(late < 1e-3, f"the hand starts {late:.4f} m from where it is put", trial.kind.model)
    rng = np.random.default_rng(0)
    goal, yaw = rng.uniform((-0.15, -0.25, 0.05), (0.2, 0.25, 0.35), (copies, 3)), rng.uniform(-1.4, 1.4, copies)
    for _ in range(120):
        env.step(task.steer(env.sim, goal, yaw, np.full(copies, -1.0)))
    off = float(np.sqrt(((env.sim.site_pos("ee") - goal) ** 2).sum(1)).max())
    require(off < 0.005, f"the hand stays {off:.3f} m off a place on the table; move its base?", trial.kind.model)
    down = float(env.sim.site_mat("ee")[:, 2, 2].max())
    require(down < -0.999, "the hand does not point down everywhere on the table; move its base?", trial.kind.model)
    between = env.sim.body_pos(arm.fingers[1]) - env.sim.body_pos(arm.fingers[0])
    along = np.abs((between * env.sim.site_mat("ee")[:, :, 1]).sum(1)) / np.linalg.norm(between, axis=1)
    require(along.min() > 0.98, "the fingers do not close along the y axis of the hand; give fingers", trial.kind.model)


def grips(trial: RobotTrial) -> None:
    """The gripper opens wide enough for every task and closes, as commanded."""
    env = trial.env("lift", 1)
    task = env.task
    assert isinstance(task, ArmTask)
    env.reset(np.arange(1))
    wide = float(task.opening(env.sim)[0])
    require(wide > WIDTH, f"the gripper opens {wide:.3f} m, expected more than {WIDTH} m", trial.kind.model)
    for command, expected in ((1.0, 0.0), (-1.0, wide)):
        for _ in range(40):
            env.step(np.array([[0, 0, 0, 0, command]], np.float32))
        found = float(task.opening(env.sim)[0])
        text = f"after the command {command:+g} the fingers are {found:.3f} m apart, expected {expected:.3f}"
        require(abs(found - expected) < 0.003, text, trial.kind.model)


def keeps_its_states(trial: RobotTrial) -> None:
    """A frame that is entered has the same future bit for bit, alone and among other copies."""
    used, lone = trial.env("pick_place", NUM), trial.env("pick_place", 1)
    used.reset(np.arange(NUM))
    for _ in range(25):
        used.step(used.task.demonstrate(used.sim))
    states = used.get_state()
    require_same(used.set_state(states)[3:4], lone.set_state(states[3:4]), "observations differ", trial.kind.model)
    for _ in range(6):
        action: Array = used.task.demonstrate(used.sim)
        require_same(used.step(action).obs[3:4], lone.step(action[3:4]).obs, "the futures differ", trial.kind.model)
    require_same(used.get_state()[3:4], lone.get_state(), "the states differ", trial.kind.model)


def is_seen(trial: RobotTrial) -> None:
    """The scene has cameras front, side, top and wrist, and the last one moves with the hand."""
    env, places = trial.env("reach", 1), []
    names = {env.model.camera(i).name for i in range(env.model.ncam)}
    require(names >= set(CAMERAS), f"cameras are {sorted(names)}, expected {', '.join(CAMERAS)}", trial.kind.model)
    env.reset(np.arange(1))
    for _ in range(2):
        data = mujoco.MjData(env.model)
        mujoco.mj_setState(env.model, data, env.get_state()[0], INTEGRATION)
        mujoco.mj_kinematics(env.model, data)
        mujoco.mj_camlight(env.model, data)
        places.append(data.camera("wrist").xpos.copy())
        for _ in range(20):
            env.step(np.array([[0.5, 0, 0, 0, -1]], np.float32))
    require(np.linalg.norm(places[1] - places[0]) > 0.02, "the camera wrist stands still", trial.kind.model)


def works(trial: RobotTrial) -> None:
    """The scripted operators of lift and pick_place succeed with it."""
    for name in ("lift", "pick_place"):
        env = trial.env(name, NUM)
        env.reset(np.arange(NUM))
        success = np.zeros(NUM, np.bool_)
        for _ in range(env.horizon):
            success = env.step(env.task.demonstrate(env.sim)).success
        solved = int(success.sum())
        require(solved >= NUM - 1, f"{name} succeeds in {solved} of {NUM} episodes", trial.kind.model)


CLAUSES: tuple[Callable[[RobotTrial], None], ...] = (
    has_a_model_in_which_all_is_found,
    follows_its_commands,
    grips,
    keeps_its_states,
    is_seen,
    works,
)
CONTRACT: Contract[type[Robot], RobotTrial] = Contract(ROBOTS, RobotTrial, CLAUSES)
